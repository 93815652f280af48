/* pages.h - refusals that we write ourselves: a page for people, JSON for programs, a line of text
 * for others. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "http/head.h"
#include "proxy/errors.h"

/* --- what all of them have in common: status line, connection, length --- */

struct own_answer {
	unsigned status;
	unsigned minor; /* the client's HTTP/1.x */
	bool keep_alive;
	bool is_head; /* a HEAD request: the length is given, the body is not sent */
	str date;     /* may be empty */
};

/* Appends the status line and the fields that all have; a cache never stores anything of ours. More
 * fields may follow. */
void own_answer_begin(struct buf *out, const struct own_answer *a);
/* Ends the head.  What is appended from now on is the body; its length is filled in at the end.
 * *ret_body is where the body begins, counted from the buffer's first byte. */
void own_answer_body(struct buf *out, size_t *ret_body);
void own_answer_end(struct buf *out, const struct own_answer *a, size_t body);
/* Ends an answer without a body. */
void own_answer_empty(struct buf *out);

/* A page of ours has a style and nothing else. */
#define OWN_STYLE_ONLY                                                                             \
	STR("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n")
#define OWN_TYPE_HTML                                                                              \
	STR("Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n")

/* --- refusals --- */

enum wants { WANTS_TEXT, WANTS_JSON, WANTS_HTML };
/* By Accept: the type named there with the greater weight; a wildcard alone is WANTS_TEXT.  By
 * Sec-Fetch-Dest when it says that a script, a style or an image is being loaded: nobody would see
 * the page. */
enum wants wants_of(const struct request_head *head);

/* Custom pages, read once for a configuration: server.error_pages/<status>.html, and
 * server.bad_gateway_page for 502 unless the directory has one.  Files that are missing are no
 * error; others (unreadable, above 1 MiB) are warned of in the log.  Does file input: not for the
 * loop. */
struct error_pages;
struct error_pages *pages_new(const struct config *conf) MUST_USE;
void pages_free(struct error_pages *p);

struct error_in {
	enum error error;
	unsigned status; /* 0: the error's own */
	unsigned minor;	 /* the client's HTTP/1.x */
	enum wants wants;
	bool is_head;
	bool keep_alive;
	unsigned retry_after; /* seconds; 0: no Retry-After */
	str reason;	      /* more about it, for the reader of the answer; may be empty */
	str output; /* the tenant's last lines: shown on the page, so only in development; may be
		       empty */
	str request_id;			 /* may be empty */
	str date;			 /* may be empty */
	const struct error_pages *pages; /* may be NULL */
};

/* Appends the whole answer: status line, Content-Length, Cache-Control: no-store, Fly-Atc-Error,
 * body. */
void error_answer(struct buf *out, const struct error_in *in);

struct redirect_in {
	unsigned status; /* 301, 302, 303, 307 or 308 */
	unsigned minor;
	bool keep_alive;
	str before, path; /* see struct route */
	bool has_query;
	str query;
	str date;
};
/* The whole answer; it has no body. */
void redirect_answer(struct buf *out, const struct redirect_in *in);
