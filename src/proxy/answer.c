/* answer.c - copies a response's fields, rewriting those that hold URLs, and adds ours. */
/* SPDX-License-Identifier: MIT */
#include "proxy/answer.h"

#include "proxy/lines.h"

/* Fields that hold URLs or paths, which the application may write without its prefix. */
static rewrite_fn *const rewriters[HEADER_NIDS] = {
	[HEADER_LOCATION] = rewrite_url,
	[HEADER_CONTENT_LOCATION] = rewrite_url,
	/* The fields with which htmx, Turbo, Inertia, PJAX and Unpoly navigate. */
	[HEADER_HX_REDIRECT] = rewrite_url,
	[HEADER_HX_LOCATION] = rewrite_location_or_json,
	[HEADER_HX_PUSH_URL] = rewrite_url,
	[HEADER_HX_REPLACE_URL] = rewrite_url,
	[HEADER_TURBO_LOCATION] = rewrite_url,
	[HEADER_TURBOLINKS_LOCATION] = rewrite_url,
	[HEADER_X_INERTIA_LOCATION] = rewrite_url,
	[HEADER_X_PJAX_URL] = rewrite_url,
	[HEADER_X_UP_LOCATION] = rewrite_url,
	[HEADER_SOURCEMAP] = rewrite_url,
	[HEADER_X_SOURCEMAP] = rewrite_url,
	[HEADER_SERVICE_WORKER_ALLOWED] = rewrite_url,
	[HEADER_REFRESH] = rewrite_refresh,
	[HEADER_LINK] = rewrite_link,
	[HEADER_SET_COOKIE] = rewrite_cookie,
};

bool answer_has_places(const struct header *f)
{
	return rewriters[f->id];
}

bool answer_rewrite(struct buf *out, const struct header *f, const struct rewrite *r)
{
	return rewriters[f->id] && rewriters[f->id](out, r, f->value);
}

enum body_kind answer_framing(const struct response_head *h, unsigned client_minor)
{
	switch (h->body) {
	case BODY_NONE:
	case BODY_LENGTH:
		return h->body;
	case BODY_CHUNKED:
	case BODY_UNTIL_CLOSE:
		return client_minor == 1 ? BODY_CHUNKED : BODY_UNTIL_CLOSE;
	}
	return BODY_UNTIL_CLOSE;
}

static bool is_file_name(enum header_id id)
{
	return id == HEADER_X_SENDFILE || id == HEADER_X_ACCEL_REDIRECT;
}

static void add_status_line(struct buf *out, const struct response_head *h)
{
	buf_add(out, STR("HTTP/1.1 "));
	buf_add_number(out, h->status);
	buf_add_char(out, ' ');
	buf_add(out, h->reason);
	buf_add(out, STR("\r\n"));
}

/* Writes the line with the field's new value.  False if the old one can stay, and nothing was
 * written. */
static bool add_changed(struct head_lines *lines, const struct header *h, const struct rewrite *r)
{
	struct buf *out = lines->out;
	size_t before;

	if (!h->is_mended && !(r && rewriters[h->id]))
		return false;
	lines_drop(lines, h);
	before = buf_len(out);
	buf_add(out, h->name);
	buf_add(out, STR(": "));
	if (!r || !answer_rewrite(out, h, r)) {
		if (!h->is_mended) {
			out->end = out->start + before;
			return false;
		}
		buf_add(out, h->value);
	}
	buf_add(out, STR("\r\n"));
	return true;
}

/* True if one of the lines is a Date. */
static bool copy_lines(struct buf *out, const struct response_head *h, const struct rewrite *r)
{
	struct head_lines lines = {.out = out};
	bool has_date = false;

	for (const struct header *f = h->headers; f < h->headers + h->nheaders; f++) {
		if (f->is_hop || is_file_name(f->id)) {
			lines_drop(&lines, f);
			continue;
		}
		has_date |= f->id == HEADER_DATE;
		if (!add_changed(&lines, f, r))
			lines_keep(&lines, f);
	}
	lines_end(&lines, h->headers, h->nheaders);
	return has_date;
}

static void add_connection(struct buf *out, const struct answer_in *in)
{
	if (in->framing == BODY_CHUNKED)
		buf_add(out, STR("Transfer-Encoding: chunked\r\n"));
	if (!in->keep_alive)
		buf_add(out, STR("Connection: close\r\n"));
	else if (in->minor == 0)
		buf_add(out, STR("Connection: keep-alive\r\n"));
}

void answer_head(struct buf *out, const struct response_head *h, const struct answer_in *in)
{
	bool has_date;

	add_status_line(out, h);
	has_date = copy_lines(out, h, in->rewrite);
	if (h->status == 101) {
		buf_add(out, STR("Connection: Upgrade\r\n"));
		add_line(out, STR("Upgrade: "), h->upgrade);
	} else if (h->status >= 200) {
		if (!has_date && in->date.n)
			add_line(out, STR("Date: "), in->date);
		buf_add(out, in->added);
		add_connection(out, in);
	}
	buf_add(out, STR("\r\n"));
}
