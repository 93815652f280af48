/* files.c - answers whose body is a file. */
/* SPDX-License-Identifier: MIT */
#include "proxy/files.h"

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "content/mime.h"
#include "content/public_file.h"
#include "http/compose.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/status.h"
#include "http/uri.h"
#include "proxy/asked.h"
#include "proxy/caching_int.h"
#include "proxy/parts.h"
#include "proxy/relay_int.h"
#include "proxy/respond.h"

/* Fields that we may add to those of the tenant, and the bytes of their names and values. */
#define ADDED_FIELDS 8
#define ADDED_BYTES  512

#define CACHE_FOR_EVER STR("public, max-age=31536000, immutable")
#define CACHE_ASK      STR("no-cache")

/* --- any file --- */

struct answer {
	const struct header *asked; /* the request's fields */
	size_t nasked;
	struct compose fields;
	unsigned status;
	str reason;
	int fd;
	str text; /* all that is in it; empty: to be read */
	struct file_facts facts;
	void (*release)(void *owner); /* of both */
	void *owner;
};

static void add_date(struct compose *c, enum header_id id, int64_t at)
{
	char text[DATE_LENGTH];

	date_write(text, at);
	compose_add(c, id, (str){text, DATE_LENGTH});
}

/* What every answer with a file has, unless it is there. */
static void complete_fields(struct answer *a, str type)
{
	struct compose *c = &a->fields;

	if (!header_find(c->headers, c->n, HEADER_CONTENT_TYPE))
		compose_add(c, HEADER_CONTENT_TYPE, type);
	if (!header_find(c->headers, c->n, HEADER_LAST_MODIFIED))
		add_date(c, HEADER_LAST_MODIFIED, a->facts.modified);
	if (!header_find(c->headers, c->n, HEADER_ETAG))
		compose_add(c, HEADER_ETAG, file_etag(&a->facts));
	if (a->status == 200 && !header_find(c->headers, c->n, HEADER_ACCEPT_RANGES))
		compose_add(c, HEADER_ACCEPT_RANGES, STR("bytes"));
}

static void read_validators(const struct answer *a, int64_t now, struct validators *ret)
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
		respond_drop(h, ids[i]);
}

/* Of an answer without the file goes what speaks of its bytes; of a failure, also what a cache
 * would go by. */
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

static void give(struct exchange *x, struct response_head *h, struct answer *a,
	const struct segment *segments, size_t count)
{
	caching_head(x, h);
	respond_segments(x, h,
		&(struct source){
			.segments = segments,
			.count = count,
			.release = a->release,
			.owner = a->owner,
		});
}

static void give_empty(
	struct exchange *x, struct response_head *h, struct answer *a, unsigned status)
{
	static const struct segment nothing = {.fd = -1};

	empty_head(h, status);
	h->content_length = 0;
	give(x, h, a, &nothing, 0);
}

/* The whole, or what Range asks for. */
static void give_file(struct exchange *x, struct response_head *h, struct answer *a,
	const struct validators *v, int64_t now)
{
	struct segment *whole = arena_alloc(&x->arena, sizeof(*whole)), *segments = whole;
	struct range ranges[RANGE_MAX];
	enum range_verdict verdict = RANGE_WHOLE;
	size_t n = 0, count = 1;

	*whole = (struct segment){
		.fd = a->text.n ? -1 : a->fd, .text = a->text, .length = a->facts.size};
	if (h->status == 200 && precondition_range_holds(a->asked, a->nasked, v, now))
		verdict =
			range_of_request(a->asked, a->nasked, x->method, a->facts.size, ranges, &n);
	if (verdict == RANGE_UNSATISFIABLE) {
		parts_refuse(x, h, a->facts.size);
		give_empty(x, h, a, 416);
		return;
	}
	if (verdict == RANGE_PARTS)
		segments = parts_make(x, h, whole, ranges, n, &count);
	give(x, h, a, segments, count);
}

static bool is_read(const struct exchange *x)
{
	return x->method == METHOD_GET || x->method == METHOD_HEAD;
}

static void answer(struct exchange *x, struct answer *a)
{
	int64_t now = (int64_t)time(NULL);
	enum precondition p = PRECONDITION_HOLDS;
	struct response_head h;
	struct validators v;

	compose_head(&a->fields, a->status, &h);
	h.content_length = a->facts.size;
	if (a->reason.n)
		h.reason = a->reason;
	read_validators(a, now, &v);
	if (a->status == 200 && is_read(x))
		p = precondition_check(a->asked, a->nasked, x->method, &v, now);
	switch (p) {
	case PRECONDITION_HOLDS:
		give_file(x, &h, a, &v, now);
		return;
	case PRECONDITION_NOT_MODIFIED:
		give_empty(x, &h, a, 304);
		return;
	case PRECONDITION_FAILED:
		give_empty(x, &h, a, 412);
		return;
	}
}

/* --- of the public directory --- */

static void release_file(void *owner)
{
	open_file_unref(owner);
}

static void answer_public(
	struct exchange *x, const struct request_head *head, struct public_file *f)
{
	struct answer a = {
		.asked = head->headers,
		.nasked = head->nheaders,
		.status = 200,
		.fd = f->file->fd,
		.text = open_files_text(&x->worker->open_files, f->file),
		.facts = f->file->facts,
		.release = release_file,
		.owner = f->file,
	};
	struct compose *c = &a.fields;

	x->record.source = STR("public");
	compose_begin(c, &x->arena, ADDED_FIELDS, ADDED_BYTES);
	compose_add(c, HEADER_CACHE_CONTROL, f->is_immutable ? CACHE_FOR_EVER : CACHE_ASK);
	if (f->encoding.n)
		compose_add(c, HEADER_CONTENT_ENCODING, f->encoding);
	if (f->is_negotiated)
		compose_add(c, HEADER_VARY, STR("Accept-Encoding"));
	complete_fields(&a, f->type.n ? f->type : STR("text/plain; charset=utf-8"));
	answer(x, &a);
}

static enum public_verdict find_public(
	struct exchange *x, const struct request_head *head, str path, struct public_file *ret)
{
	const struct app_conf *app = x->conf->app;
	enum public_verdict verdict;
	int dir;

	/* The name of a file has no separator in it; decoded, it would name another. */
	if (!app->public.n || !is_read(x) || !x->up.is_done || head->has_upgrade ||
		uri_hides_separator(path) || config_path_matches(&app->public_exclude, path))
		return PUBLIC_NONE;
	dir = publics_find(&x->view->snapshot->publics, app->public);
	if (dir < 0)
		return PUBLIC_NONE;
	if (str_find_char(path, '%') >= 0)
		path = uri_decode(&x->arena, path);
	verdict = public_file_find(&x->worker->open_files, dir, path,
		header_value(head->headers, head->nheaders, HEADER_ACCEPT_ENCODING), &x->arena,
		loop_now(x->worker->loop), ret);
	worker_sweep_files(x->worker);
	return verdict;
}

bool files_answer(struct exchange *x, const struct request_head *head)
{
	struct public_file file;

	switch (find_public(x, head, exchange_path_below(x), &file)) {
	case PUBLIC_FILE:
		answer_public(x, head, &file);
		return true;
	case PUBLIC_REFUSED:
		exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
		return true;
	case PUBLIC_NONE:
		break;
	}
	return false;
}

/* --- of the tenant --- */

/* Its answer, while the file is being opened. */
struct sendfile {
	str path;
	enum opening_form form;
	str key; /* among the files that are kept open */
	struct compose fields;
	unsigned status;
	str reason;
};

static const struct header *find_name(const struct response_head *h)
{
	static const enum header_id ids[] = {HEADER_X_SENDFILE, HEADER_X_ACCEL_REDIRECT};

	for (size_t i = 0; i < NITEMS(ids); i++) {
		const struct header *f = header_find(h->headers, h->nheaders, ids[i]);

		if (f && f->value.n)
			return f;
	}
	return NULL;
}

bool files_are_asked(const struct exchange *x, const struct response_head *h)
{
	return exchange_settings(x)->x_sendfile_enabled && h->status >= 200 && h->status != 204 &&
	       h->status != 304 && find_name(h);
}

/* What the file decides, or no client may see. */
static bool is_dropped(const struct header *h)
{
	return h->is_hop || h->id == HEADER_X_SENDFILE || h->id == HEADER_X_ACCEL_REDIRECT ||
	       h->id == HEADER_CONTENT_LENGTH || h->id == HEADER_CONTENT_RANGE ||
	       h->id == HEADER_TRAILER;
}

static void copy_fields(struct exchange *x, const struct response_head *h, struct compose *c)
{
	size_t bytes = 0;

	for (size_t i = 0; i < h->nheaders; i++)
		bytes += h->headers[i].name.n + h->headers[i].value.n;
	compose_begin(c, &x->arena, h->nheaders + ADDED_FIELDS, bytes + ADDED_BYTES);
	for (size_t i = 0; i < h->nheaders; i++)
		if (!is_dropped(&h->headers[i]))
			compose_copy(c, &h->headers[i]);
}

/* Its body is nothing to us.  True if all of it is here, so that the connection can be used again.
 */
static bool drain(struct exchange *x, const struct response_head *h)
{
	struct upstream *u = x->upstream;
	struct gather *nowhere = &x->worker->payload;
	bool is_done;
	size_t used;

	flow_init(&x->down, h->body, h->content_length, BODY_LENGTH);
	x->down.chunked.is_mended = true;
	do {
		used = 0;
		if (flow_feed(&x->down, u->in.unread, &used, nowhere) == PARSE_BAD)
			used = 0;
		inbox_take(&u->in, used);
		gather_forget(nowhere);
	} while (used && !x->down.is_done);
	is_done = x->down.is_done;
	flow_done(&x->down);
	x->down = (struct flow){0};
	return is_done;
}

static void refuse(struct exchange *x, str why)
{
	const struct sendfile *s = x->sendfile;

	exchange_fail(x, ERROR_SENDFILE,
		str_of(arena_printf(
			&x->arena, STR_FMT ": " STR_FMT, STR_ARG(s->path), STR_ARG(why))));
}

/* A client's own never gets there. */
static bool is_sendfile_type(const struct header *h)
{
	return h->id == HEADER_X_SENDFILE_TYPE;
}

/* The tenant is asked again if that does no harm, and it was we who made it name a file. */
static bool ask_again(struct exchange *x)
{
	struct asked asked;

	if (x->is_sendfile_over || !is_read(x) || !x->up.is_done || x->up.bytes)
		return false;
	asked_read(&x->arena, arena_dup(&x->arena, buf_str(&x->request)), &asked);
	if (!header_find(asked.headers, asked.nheaders, HEADER_X_SENDFILE_TYPE))
		return false;
	buf_clear(&x->request);
	asked_write(&x->request, &asked, is_sendfile_type);
	buf_add(&x->request, STR("\r\n"));
	x->is_sendfile_over = true;
	x->state = EXCHANGE_ROUTED;
	client_deadline(x->client, MSEC_NEVER);
	hold_want_tenant(x);
	return true;
}

static void send_opened(struct exchange *x, struct open_file *take_file)
{
	const struct sendfile *s = x->sendfile;
	struct answer a = {
		.fields = s->fields,
		.status = s->status,
		.reason = s->reason,
		.fd = take_file->fd,
		.text = open_files_text(&x->worker->sent_files, take_file),
		.facts = take_file->facts,
		.release = release_file,
		.owner = take_file,
	};
	str type = mime_of(s->path);
	struct request_head asked;

	caching_request(x, &asked);
	a.asked = asked.headers;
	a.nasked = asked.nheaders;
	x->record.source = STR("sendfile");
	complete_fields(&a, type.n ? type : MIME_UNKNOWN);
	answer(x, &a);
}

static struct open_file *keep_opened(
	struct worker *w, str key, int take_fd, const struct file_facts *facts)
{
	struct open_file *f =
		open_files_keep(&w->sent_files, key, take_fd, facts, loop_now(w->loop));

	worker_sweep_files(w);
	return f;
}

static void on_opened(void *arg, enum opening_result result, str why, int fd)
{
	struct exchange *x = arg;
	struct file_facts facts;

	x->opening = NULL;
	client_deadline(x->client, MSEC_NEVER);
	if (fd >= 0 && file_facts_read(fd, &facts) == 0) {
		send_opened(x, keep_opened(x->worker, x->sendfile->key, fd, &facts));
		return;
	}
	close_fd(&fd);
	if (result != OPENING_OUTSIDE || !ask_again(x))
		refuse(x, why);
}

void files_open(struct exchange *x, const struct response_head *h)
{
	const struct header *name = find_name(h);
	struct worker *w = x->worker;
	struct sendfile *s = arena_zalloc(&x->arena, sizeof(*s));
	msec limit = exchange_settings(x)->response_timeout;
	struct open_file *file;

	assert(name);
	s->path = arena_dup(&x->arena, name->value);
	s->form = name->id == HEADER_X_SENDFILE ? OPENING_PATH : OPENING_URI;
	s->status = h->status == 206 ? 200 : h->status;
	s->reason = s->status == h->status ? arena_dup(&x->arena, h->reason) : STR_EMPTY;
	copy_fields(x, h, &s->fields);
	x->sendfile = s;
	exchange_drop_upstream(
		x, drain(x, h) && x->can_reuse && x->up.is_done && !relay_up_waits(x));
	exchange_leave_tenant(x);
	x->state = EXCHANGE_OPENING;
	if (s->path.n > OPENING_PATH_MAX || x->conf->id.n > OPENING_TENANT_MAX) {
		refuse(x, STR("it is too long"));
		return;
	}
	s->key = str_of(arena_printf(&x->arena, STR_FMT " %d " STR_FMT, STR_ARG(x->conf->id),
		(int)s->form, STR_ARG(s->path)));
	file = open_files_find(&w->sent_files, s->key, loop_now(w->loop));
	if (file) {
		send_opened(x, file);
		return;
	}
	client_deadline(x->client, msec_limit(loop_now(w->loop), limit));
	x->opening = opener_ask(w->opener, x->conf->id, s->path, s->form, on_opened, x);
}

void files_done(struct exchange *x)
{
	if (x->opening)
		opening_cancel(x->opening);
	x->opening = NULL;
}
