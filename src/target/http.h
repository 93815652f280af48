/* http.h - one request to the API of a platform, by libcurl, on a thread of the target's. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/curl_library.h"
#include "target/target_int.h"

struct http_client {
	struct curl_library curl; /* valid if is_there */
	bool is_there;
};

struct http_request {
	const char *method, *url;
	const char *name; /* said in place of the URL, which may have a secret in it; or NULL */
	const char *authority; /* a header line, or NULL */
	const char *type;      /* the body's; NULL: there is none */
	str body;
	const char *ca_file; /* whom to trust; NULL: whom the system trusts */
	msec limit;
};

struct http_answer {
	long status;
	struct buf body; /* buf_done it, in any case */
	msec retry_after;
};

/* In the loop, before a thread asks: libcurl is there.  If not the call says what to do. */
bool http_prepare(struct http_client *c, struct target_call *call, const char *what);
/* Redirects are not followed, and only http and https are spoken.  0 and any status, or -EIO or
 * -ECANCELED; then the call has the reason. */
int http_ask(const struct http_client *c, struct target_call *call, const struct http_request *r,
	struct http_answer *ret) MUST_USE;
/* As target.h has it; 0 for a success. */
int http_error(long status);
