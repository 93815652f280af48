/* files.c - sends a file as the body of an answer. */
/* SPDX-License-Identifier: MIT */
#include "proxy/files.h"

#include <stdint.h>
#include <time.h>

#include "content/public_file.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/status.h"
#include "http/uri.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/parts.h"
#include "proxy/respond.h"

#define CACHE_FOR_EVER STR("public, max-age=31536000, immutable")
#define CACHE_ASK      STR("no-cache")

static void add_date(struct compose *c, enum header_id id, int64_t at)
{
	char text[DATE_LENGTH];

	date_write(text, at);
	compose_add(c, id, (str){text, DATE_LENGTH});
}

/* What every answer with a file has, unless the field is there already. */
static void complete_fields(struct file_answer *a, str type)
{
	struct compose *c = &a->fields;

	if (!header_find(c->headers, c->n, HEADER_CONTENT_TYPE))
		compose_add(c, HEADER_CONTENT_TYPE, type);
	if (!header_find(c->headers, c->n, HEADER_LAST_MODIFIED))
		add_date(c, HEADER_LAST_MODIFIED, a->file->facts.modified);
	if (!header_find(c->headers, c->n, HEADER_ETAG))
		compose_add(c, HEADER_ETAG, file_etag(&a->file->facts));
	if (a->status == 200 && !header_find(c->headers, c->n, HEADER_ACCEPT_RANGES))
		compose_add(c, HEADER_ACCEPT_RANGES, STR("bytes"));
}

static void read_validators(const struct file_answer *a, int64_t now, struct validators *ret)
{
	const struct compose *c = &a->fields;

	*ret = (struct validators){
		.etag = header_value(c->headers, c->n, HEADER_ETAG),
		.date = now,
	};
	ret->has_last_modified = date_parse(header_value(c->headers, c->n, HEADER_LAST_MODIFIED),
					 now, &ret->last_modified) == 0;
}

static void drop_all(struct response_head *h, const enum header_id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stages_drop(h, ids[i]);
}

/* An answer without the file loses the fields that describe its bytes; a failure also those by
 * which a cache would store it. */
static void empty_head(struct response_head *h, unsigned status)
{
	static const enum header_id of_bytes[] = {
		HEADER_CONTENT_TYPE, HEADER_CONTENT_ENCODING, HEADER_ACCEPT_RANGES};
	static const enum header_id of_caches[] = {
		HEADER_CACHE_CONTROL, HEADER_EXPIRES, HEADER_ETAG, HEADER_LAST_MODIFIED};

	h->status = status;
	h->reason = status_reason(status);
	drop_all(h, of_bytes, NITEMS(of_bytes));
	if (status != 304)
		drop_all(h, of_caches, NITEMS(of_caches));
}

static void unref_file(void *owner)
{
	open_file_unref(owner);
}

static enum step give(struct exchange *x, struct response_head *h, struct file_answer *a,
	const struct segment *segments, size_t count)
{
	caching_head(x, h);
	return respond_segments(x, h,
		&(struct source){
			.segments = segments,
			.count = count,
			.unref = unref_file,
			.owner = a->file,
		});
}

static enum step give_empty(
	struct exchange *x, struct response_head *h, struct file_answer *a, unsigned status)
{
	static const struct segment nothing = {.fd = -1};

	empty_head(h, status);
	h->content_length = 0;
	return give(x, h, a, &nothing, 0);
}

/* The whole file, or what Range asks for. */
static enum step give_file(struct exchange *x, struct response_head *h, struct file_answer *a,
	const struct validators *v, int64_t now)
{
	struct segment *whole = arena_alloc(&x->arena, sizeof(*whole)), *segments = whole;
	struct range ranges[RANGE_MAX];
	enum range_verdict verdict = RANGE_WHOLE;
	size_t n = 0, count = 1;

	*whole = (struct segment){
		.fd = a->text.n ? -1 : a->file->fd, .text = a->text, .length = a->file->facts.size};
	if (h->status == 200 && precondition_range_holds(a->asked, a->nasked, v, now))
		verdict = range_of_request(
			a->asked, a->nasked, x->wish.method, a->file->facts.size, ranges, &n);
	if (verdict == RANGE_UNSATISFIABLE) {
		parts_refuse(x, h, a->file->facts.size);
		return give_empty(x, h, a, 416);
	}
	if (verdict == RANGE_PARTS)
		segments = parts_make(x, h, whole, ranges, n, &count);
	return give(x, h, a, segments, count);
}

enum step file_answer_give(struct exchange *x, struct file_answer *a, str type)
{
	int64_t now = (int64_t)time(NULL);
	enum precondition p = PRECONDITION_HOLDS;
	struct response_head h;
	struct validators v;

	complete_fields(a, type);
	compose_head(&a->fields, a->status, &h);
	h.content_length = a->file->facts.size;
	if (a->reason.n)
		h.reason = a->reason;
	read_validators(a, now, &v);
	if (a->status == 200 && exchange_is_read(x))
		p = precondition_check(a->asked, a->nasked, x->wish.method, &v, now);
	switch (p) {
	case PRECONDITION_HOLDS:
		return give_file(x, &h, a, &v, now);
	case PRECONDITION_NOT_MODIFIED:
		return give_empty(x, &h, a, 304);
	case PRECONDITION_FAILED:
		return give_empty(x, &h, a, 412);
	}
	return STEP_SEND;
}

/* --- of the public directory --- */

static enum step answer_public(struct exchange *x, struct public_file *f)
{
	const struct request_head *head = x->wish.arrival->head;
	struct file_answer a = {
		.asked = head->headers,
		.nasked = head->nheaders,
		.status = 200,
		.file = f->file,
		.text = open_files_text(&x->worker->files.public, f->file),
	};
	struct compose *c = &a.fields;

	x->record.file_source = STR("public");
	compose_begin(c, &x->arena, FILE_ANSWER_FIELDS, FILE_ANSWER_BYTES);
	compose_add(c, HEADER_CACHE_CONTROL, f->is_immutable ? CACHE_FOR_EVER : CACHE_ASK);
	if (f->encoding.n)
		compose_add(c, HEADER_CONTENT_ENCODING, f->encoding);
	if (f->is_negotiated)
		compose_add(c, HEADER_VARY, STR("Accept-Encoding"));
	return file_answer_give(x, &a, f->type.n ? f->type : STR("text/plain; charset=utf-8"));
}

static enum public_verdict find_public(
	struct exchange *x, const struct request_head *head, str path, struct public_file *ret)
{
	const struct app_conf *app = x->wish.conf->app;
	enum public_verdict verdict;
	int dir;

	/* The name of a file contains no separator; a decoded one would name another file. */
	if (!app->public.n || !exchange_is_read(x) || !x->trip.up.is_done || head->has_upgrade ||
		uri_hides_separator(path))
		return PUBLIC_NONE;
	dir = publics_find(&x->view->snapshot->publics, app->public);
	if (dir < 0 || config_path_matches(&app->public_exclude, path))
		return PUBLIC_NONE;
	if (str_find_char(path, '%') >= 0)
		path = uri_decode(&x->arena, path);
	verdict = public_file_find(&x->worker->files.public, dir, path,
		header_value(head->headers, head->nheaders, HEADER_ACCEPT_ENCODING), &x->arena,
		loop_now(x->worker->loop), ret);
	worker_sweep_files(x->worker);
	return verdict;
}

enum step files_step(struct exchange *x)
{
	struct public_file file;

	switch (find_public(x, x->wish.arrival->head, exchange_path_below(x), &file)) {
	case PUBLIC_FILE:
		return answer_public(x, &file);
	case PUBLIC_REFUSED:
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	case PUBLIC_NONE:
		break;
	}
	return STEP_CACHE;
}
