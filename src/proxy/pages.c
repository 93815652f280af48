/* pages.c - error pages; the length is written into the head after the body. */
/* SPDX-License-Identifier: MIT */
#include "proxy/pages.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number.h"
#include "http/field.h"
#include "http/status.h"
#include "proxy/lines.h"
#include "proxy/page.h"

/* The length is known last: room is left for this many digits, and the unused ones are removed. */
#define LENGTH_DIGITS 10
#define HEAD_END      STR("\r\n\r\n")

void own_answer_begin(struct buf *out, const struct own_answer *a)
{
	buf_add(out, STR("HTTP/1.1 "));
	buf_add_number(out, a->status);
	add_line(out, STR(" "), status_reason(a->status));
	if (a->date.n)
		add_line(out, STR("Date: "), a->date);
	if (!a->keep_alive)
		buf_add(out, STR("Connection: close\r\n"));
	else if (a->minor == 0)
		buf_add(out, STR("Connection: keep-alive\r\n"));
	buf_add(out, STR("Cache-Control: no-store\r\n"));
}

void own_answer_body(struct buf *out, size_t *ret_body)
{
	buf_add(out, STR("Content-Length: 0123456789"));
	buf_add(out, HEAD_END);
	*ret_body = buf_len(out);
}

void own_answer_end(struct buf *out, const struct own_answer *a, size_t body)
{
	char *p = out->p + out->start + body, *digits = p - HEAD_END.n - LENGTH_DIGITS;
	size_t size = buf_len(out) - body, n = number_write(digits, size);

	if (a->is_head)
		out->end -= size;
	memmove(digits + n, p - HEAD_END.n, (size_t)(out->p + out->end - p) + HEAD_END.n);
	out->end -= LENGTH_DIGITS - n;
}

void own_answer_empty(struct buf *out)
{
	buf_add(out, STR("Content-Length: 0\r\n\r\n"));
}

/* --- refusals --- */

#define CUSTOM_PAGE_MAX (1024 * 1024)
#define FIRST_STATUS	400u
#define NSTATUSES	200u

/* The bytes of each status's page; p is NULL where there is none. */
struct error_pages {
	str by_status[NSTATUSES];
};

static int read_page_file(const char *path, str *ret)
{
	struct buf bytes = {0};
	int r = file_read_given(path, CUSTOM_PAGE_MAX, &bytes);

	if (r < 0)
		buf_done(&bytes);
	else
		*ret = buf_str(&bytes);
	return r;
}

static void load(struct error_pages *p, unsigned status, const char *path)
{
	str *page = &p->by_status[status - FIRST_STATUS];
	int r;

	if (page->p)
		return;
	r = read_page_file(path, page);
	if (r < 0 && r != -ENOENT)
		log_warn(
			"the page %s for status %u cannot be read: %s", path, status, strerror(-r));
}

struct error_pages *pages_new(const struct config *conf)
{
	struct error_pages *p = xcalloc(1, sizeof(*p));
	str dir = conf->server.error_pages;

	for (unsigned i = 0; dir.n && i < NSTATUSES; i++) {
		CLEAN_FREE char *path =
			xasprintf(STR_FMT "/%u.html", STR_ARG(dir), FIRST_STATUS + i);

		load(p, FIRST_STATUS + i, path);
	}
	if (conf->server.bad_gateway_page.n) {
		CLEAN_FREE char *path = str_dup(conf->server.bad_gateway_page);

		load(p, 502, path);
	}
	return p;
}

void pages_free(struct error_pages *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < NSTATUSES; i++)
		free((void *)(uintptr_t)p->by_status[i].p);
	free(p);
}

/* The owner's page is for all clients but those that ask for JSON. */
static str custom_page(const struct error_in *in, unsigned status)
{
	if (!in->pages || in->wants == WANTS_JSON || status < FIRST_STATUS ||
		status >= FIRST_STATUS + NSTATUSES)
		return STR_EMPTY;
	return in->pages->by_status[status - FIRST_STATUS];
}

/* What browsers load into a page: nobody would read ours. */
static bool is_part_of_page(const struct request_head *head)
{
	static const str shown[] = {
		STR_INIT("document"), STR_INIT("iframe"), STR_INIT("frame"), STR_INIT("empty")};
	str dest = header_value(head->headers, head->nheaders, HEADER_SEC_FETCH_DEST);

	if (!dest.n)
		return false;
	for (size_t i = 0; i < NITEMS(shown); i++)
		if (str_eq(dest, shown[i]))
			return false;
	return true;
}

enum wants wants_of(const struct request_head *head)
{
	str accept = header_value(head->headers, head->nheaders, HEADER_ACCEPT);
	unsigned html = 0, json = 0;

	if (!accept.n || is_part_of_page(head))
		return WANTS_TEXT;
	if (accept_names(accept, STR("text/html")))
		html = accept_weight(accept, STR("text/html"));
	if (accept_names(accept, STR("application/json")))
		json = accept_weight(accept, STR("application/json"));
	else if (!html && str_find(accept, STR("+json")) >= 0) /* problem+json, vnd.api+json */
		json = 1;
	if (!html && !json)
		return WANTS_TEXT;
	return json > html ? WANTS_JSON : WANTS_HTML;
}

static void add_text(struct buf *out, const struct error_in *in, unsigned status)
{
	buf_add_number(out, status);
	buf_add_char(out, ' ');
	buf_add(out, error_title(in->error));
	buf_add(out, STR(". "));
	buf_add(out, error_text(in->error));
	if (in->reason.n) {
		buf_add_char(out, '\n');
		buf_add(out, in->reason);
	}
	if (in->output.n) {
		buf_add_char(out, '\n');
		buf_add(out, in->output);
	}
	buf_add_char(out, '\n');
}

static void add_json_page(struct buf *out, const struct error_in *in, unsigned status)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	json_open_object(&j, "error");
	json_number(&j, "status", status);
	json_str(&j, "token", error_token(in->error));
	json_str(&j, "reason", in->reason.n ? in->reason : error_text(in->error));
	if (in->output.n)
		json_str(&j, "output", in->output);
	if (in->request_id.n)
		json_str(&j, "request_id", in->request_id);
	json_close_object(&j);
	json_close_object(&j);
	buf_add_char(out, '\n');
}

static void add_html_element(struct buf *out, str before, str text, str after)
{
	buf_add(out, before);
	buf_add_html(out, text);
	buf_add(out, after);
}

static void add_html(struct buf *out, const struct error_in *in, unsigned status)
{
	buf_add(out, STR(PAGE_START "<title>"));
	buf_add_html(out, error_title(in->error));
	buf_add(out,
		STR("</title>\n<style>\n" PAGE_STYLE ".wide{max-width:60rem}\n"
		    ".status{margin-top:0;font-size:.8125rem;font-weight:600;letter-spacing:.06em;color:var(--soft)}\n"
		    ".reason{border-left:3px solid var(--bad);padding:.125rem 0 .125rem .875rem;margin:1.25rem 0;"
		    "white-space:pre-wrap}\n"
		    "pre{margin:1.25rem 0;padding:1rem;max-height:24rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--paper);"
		    "border:1px solid var(--line);border-radius:.5rem}\n"
		    "footer{margin-top:1.75rem;padding-top:1rem;border-top:1px solid var(--line)}\n"
		    "</style>\n</head>\n<body>\n<main"));
	if (in->output.n)
		buf_add(out, STR(" class=\"wide\""));
	buf_add(out, STR(">\n<p class=\"status\">"));
	buf_add_number(out, status);
	add_html_element(out, STR("</p>\n<h1>"), error_title(in->error), STR("</h1>\n"));
	add_html_element(out, STR("<p>"), error_text(in->error), STR("</p>\n"));
	if (in->reason.n)
		add_html_element(out, STR("<p class=\"reason\">"), in->reason, STR("</p>\n"));
	if (in->output.n)
		add_html_element(out,
			STR("<p class=\"soft\">The last lines that the application wrote:</p>\n<pre tabindex=\"0\">"),
			in->output, STR("</pre>\n"));
	add_html_element(
		out, STR("<footer class=\"soft small\">"), error_token(in->error), STR(""));
	if (in->request_id.n)
		add_html_element(
			out, STR(" &middot; request <code>"), in->request_id, STR("</code>"));
	buf_add(out, STR("</footer>\n</main>\n</body>\n</html>\n"));
}

static void add_type(struct buf *out, enum wants wants)
{
	switch (wants) {
	case WANTS_HTML:
		buf_add(out, OWN_TYPE_HTML);
		buf_add(out, OWN_STYLE_ONLY);
		return;
	case WANTS_JSON:
		buf_add(out, STR("Content-Type: application/json\r\n"));
		return;
	case WANTS_TEXT:
		buf_add(out,
			STR("Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"));
		return;
	}
}

static void add_body(struct buf *out, const struct error_in *in, unsigned status)
{
	switch (in->wants) {
	case WANTS_HTML:
		add_html(out, in, status);
		return;
	case WANTS_JSON:
		add_json_page(out, in, status);
		return;
	case WANTS_TEXT:
		add_text(out, in, status);
		return;
	}
}

void error_answer(struct buf *out, const struct error_in *in)
{
	struct own_answer a = {
		.status = in->status ? in->status : error_status(in->error),
		.minor = in->minor,
		.keep_alive = in->keep_alive,
		.is_head = in->is_head,
		.date = in->date,
	};
	size_t body;
	str custom;

	own_answer_begin(out, &a);
	add_line(out, STR("Fly-Atc-Error: "), error_token(in->error));
	if (in->retry_after) {
		buf_add(out, STR("Retry-After: "));
		buf_add_number(out, in->retry_after);
		buf_add(out, STR("\r\n"));
	}
	if (in->request_id.n)
		add_line(out, STR("X-Request-ID: "), in->request_id);
	custom = custom_page(in, a.status);
	if (custom.n)
		buf_add(out, OWN_TYPE_HTML);
	else
		add_type(out, in->wants);
	own_answer_body(out, &body);
	if (custom.n)
		buf_add(out, custom);
	else
		add_body(out, in, a.status);
	own_answer_end(out, &a, body);
}

void redirect_answer(struct buf *out, const struct redirect_in *in)
{
	struct own_answer a = {
		.status = in->status,
		.minor = in->minor,
		.keep_alive = in->keep_alive,
		.date = in->date,
	};

	own_answer_begin(out, &a);
	buf_add(out, STR("Location: "));
	buf_add(out, in->before);
	buf_add(out, in->path);
	if (in->has_query) {
		buf_add_char(out, '?');
		buf_add(out, in->query);
	}
	buf_add(out, STR("\r\n"));
	own_answer_empty(out);
}
