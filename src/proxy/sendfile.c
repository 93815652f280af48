/* sendfile.c - X-Sendfile: the supervisor opens the file, and the tenant's answer waits for it. */
/* SPDX-License-Identifier: MIT */
#include "proxy/sendfile.h"

#include "base/alloc.h"
#include "content/mime.h"
#include "proxy/exchange_int.h"
#include "proxy/files.h"
#include "proxy/relay.h"

/* Its answer, while the file is being opened. */
struct sendfile {
	str path;
	enum opening_form form;
	str key; /* among the files that are kept open */
	struct compose fields;
	unsigned status;
	str reason;
	int fd; /* that the supervisor sent; -1: none */
	enum opening_result result;
	str why;
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

bool sendfile_is_asked(const struct exchange *x, const struct response_head *h)
{
	const struct header_set *has = &x->worker->response_has;

	if (!header_set_has(has, HEADER_X_SENDFILE) &&
		!header_set_has(has, HEADER_X_ACCEL_REDIRECT))
		return false;
	return exchange_settings(x)->x_sendfile_enabled && h->status >= 200 && h->status != 204 &&
	       h->status != 304 && find_name(h);
}

/* Fields that the file decides, or that no client may see. */
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
	compose_begin(c, &x->arena, h->nheaders + FILE_ANSWER_FIELDS, bytes + FILE_ANSWER_BYTES);
	for (size_t i = 0; i < h->nheaders; i++)
		if (!is_dropped(&h->headers[i]))
			compose_copy(c, &h->headers[i]);
}

/* We do not want its body.  True if all of it has arrived, so that the connection can be reused. */
static bool drain(struct exchange *x, const struct response_head *h)
{
	struct upstream *u = x->trip.upstream;
	struct gather *nowhere = &x->worker->scratch.payload;
	bool is_done;
	size_t used;

	flow_init(&x->reply.down, h->body, h->content_length, BODY_LENGTH);
	x->reply.down.chunked.is_mended = true;
	do {
		used = 0;
		if (flow_feed(&x->reply.down, u->in.unread, &used, nowhere) == PARSE_BAD)
			used = 0;
		inbox_take(&u->in, used);
		gather_forget(nowhere);
	} while (used && !x->reply.down.is_done);
	is_done = x->reply.down.is_done;
	flow_done(&x->reply.down);
	x->reply.down = (struct flow){0};
	return is_done;
}

static enum step refuse_file(struct exchange *x, str why)
{
	const struct sendfile *s = x->reply.sendfile;

	return exchange_fail(x, ERROR_SENDFILE,
		str_of(arena_printf(
			&x->arena, STR_FMT ": " STR_FMT, STR_ARG(s->path), STR_ARG(why))));
}

/* The tenant is asked again if that does no harm, and if it named a file because we invited it
 * to. */
static bool ask_again(struct exchange *x)
{
	if (x->reply.is_sendfile_over || !exchange_is_read(x) || !x->trip.up.is_done ||
		x->trip.up.bytes)
		return false;
	x->reply.is_sendfile_over = asked_without_file(&x->arena, &x->trip.asked, &x->trip.request);
	return x->reply.is_sendfile_over;
}

static enum step send_opened(struct exchange *x, struct open_file *take_file)
{
	const struct sendfile *s = x->reply.sendfile;
	struct file_answer a = {
		.fields = s->fields,
		.status = s->status,
		.reason = s->reason,
		.file = take_file,
		.text = open_files_text(&x->worker->files.sent, take_file),
	};
	str type = mime_of(s->path);
	struct request_head asked;

	asked_head(&x->arena, &x->trip.asked, &x->trip.request, &asked);
	a.asked = asked.headers;
	a.nasked = asked.nheaders;
	x->record.file_source = STR("sendfile");
	return file_answer_give(x, &a, type.n ? type : MIME_UNKNOWN);
}

static struct open_file *keep_opened(
	struct worker *w, str key, int take_fd, const struct file_facts *facts)
{
	struct open_file *f =
		open_files_keep(&w->files.sent, key, take_fd, facts, loop_now(w->loop));

	worker_sweep_files(w);
	return f;
}

static void on_opened(void *arg, enum opening_result result, str why, int fd)
{
	struct exchange *x = arg;
	struct sendfile *s = x->reply.sendfile;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	x->reply.opening = NULL;
	s->result = result;
	s->why = arena_dup(&x->arena, why);
	s->fd = fd;
	exchange_wake(x, EVENT_OPENED);
}

/* What was opened may have been replaced meanwhile. */
static enum step send_new(struct exchange *x)
{
	struct sendfile *s = x->reply.sendfile;
	struct file_facts facts;
	int fd = s->fd;

	if (file_facts_read(fd, &facts) < 0)
		return refuse_file(x, s->why);
	s->fd = -1;
	return send_opened(x, keep_opened(x->worker, s->key, fd, &facts));
}

static enum step opened(struct exchange *x)
{
	switch (x->reply.sendfile->result) {
	case OPENING_OPENED:
		return send_new(x);
	case OPENING_OUTSIDE:
		if (ask_again(x))
			return STEP_JOIN;
		break;
	case OPENING_REFUSED:
		break;
	}
	return refuse_file(x, x->reply.sendfile->why);
}

enum step sendfile_step(struct exchange *x)
{
	if (x->happened & EVENT_OPENED)
		return opened(x);
	if (x->happened & EVENT_CLIENT_TIME)
		return exchange_fail(x, ERROR_RESPONSE_TIMEOUT, STR_EMPTY);
	return WAIT;
}

void sendfile_enter(struct exchange *x)
{
	struct worker *w = x->worker;
	const struct sendfile *s = x->reply.sendfile;
	msec limit = exchange_settings(x)->response_timeout;

	client_deadline(x->client, msec_limit(loop_now(w->loop), limit));
	x->reply.opening =
		opener_ask(w->files.opener, x->wish.conf->id, s->path, s->form, on_opened, x);
}

void sendfile_leave(struct exchange *x)
{
	if (x->reply.opening)
		opening_cancel(x->reply.opening);
	x->reply.opening = NULL;
	close_fd(&x->reply.sendfile->fd);
	client_deadline(x->client, MSEC_NEVER);
}

enum step sendfile_begin(struct exchange *x, const struct response_head *h)
{
	const struct header *name = find_name(h);
	struct worker *w = x->worker;
	struct sendfile *s = arena_zalloc(&x->arena, sizeof(*s));
	struct open_file *file;

	assert(name);
	s->fd = -1;
	s->path = arena_dup(&x->arena, name->value);
	s->form = name->id == HEADER_X_SENDFILE ? OPENING_PATH : OPENING_URI;
	s->status = h->status == 206 ? 200 : h->status;
	s->reason = s->status == h->status ? arena_dup(&x->arena, h->reason) : STR_EMPTY;
	copy_fields(x, h, &s->fields);
	x->reply.sendfile = s;
	trip_drop_upstream(
		x, drain(x, h) && x->trip.can_reuse && x->trip.up.is_done && !relay_up_waits(x));
	trip_leave_tenant(x);
	if (s->path.n > OPENING_PATH_MAX || x->wish.conf->id.n > OPENING_TENANT_MAX)
		return refuse_file(x, STR("it is too long"));
	s->key = str_of(arena_printf(&x->arena, STR_FMT " %d " STR_FMT, STR_ARG(x->wish.conf->id),
		(int)s->form, STR_ARG(s->path)));
	file = open_files_find(&w->files.sent, s->key, loop_now(w->loop));
	return file ? send_opened(x, file) : STEP_OPEN;
}
