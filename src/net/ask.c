/* ask.c - one request as a client, and its answer.
 *
 * The buffer never holds more than an incomplete head and one read; the body goes through
 * net/flow.h, which passes on its payload. */
/* SPDX-License-Identifier: MIT */
#include "net/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/magic.h"
#include "net/flow.h"

#define READ_SIZE      (16u * 1024)
#define READS_PER_TURN 16 /* then others get their turn */
#define INTERIM_MAX    32
#define HEADERS_MAX    128
/* msec, while the queue of a unix socket is full: connecting then fails at once instead of
 * waiting. */
#define QUEUE_RETRY 5

enum { ASK_MAGIC = MAGIC('a', 's', 'k', ' ') };

struct ask {
	uint32_t magic;
	struct loop *loop;
	struct watch watch;
	struct timer limit, again;
	char *path; /* of `to` */
	struct endpoint to;
	struct buf out, in;
	size_t scanned; /* of an incomplete head */
	unsigned interims, status;
	enum ask_step step;
	int failed; /* 0 or -errno: reported in a later turn */
	enum method method;
	struct flow body;
	uint64_t max_body;
	bool is_over; /* no callbacks any more */
	const struct ask_ops *ops;
	void *arg;
};

static void on_again(struct timer *t);

/* --- the end --- */

static void on_free(void *arg)
{
	struct ask *a = arg;

	flow_done(&a->body);
	buf_done(&a->out);
	buf_done(&a->in);
	free(a->path);
	MAGIC_END(a, ASK_MAGIC);
	free(a);
}

/* What points into its buffers is valid until the end of the turn. */
static void close_all(struct ask *a)
{
	a->is_over = true;
	timer_cancel(&a->limit);
	timer_cancel(&a->again);
	if (a->watch.loop) { /* a child that is being started may have a copy of the descriptor */
		int fd = a->watch.fd;

		watch_close(&a->watch);
		if (fd >= 0)
			close(fd);
	}
	loop_defer(a->loop, on_free, a);
}

static const char *doing(enum ask_step step)
{
	switch (step) {
	case ASK_CONNECTING:
	case ASK_SENDING:
		return "taking the request";
	case ASK_HEAD:
		return "sending the head of its answer";
	case ASK_BODY:
		break;
	}
	return "sending the body of its answer";
}

static void describe(const struct ask *a, int error, str detail, struct buf *out)
{
	char at[ENDPOINT_TEXT_MAX];
	const char *what = doing(a->step);

	endpoint_text(&a->to, at);
	if (a->step == ASK_CONNECTING)
		buf_printf(out, "cannot connect to %s: %s", at, strerror(-error));
	else if (error == -ETIMEDOUT)
		buf_printf(out, "%s did not finish %s in time", at, what);
	else if (error == -EPIPE)
		buf_printf(out, "%s closed the connection before it finished %s", at, what);
	else if (error == -EPROTO)
		buf_printf(out, "%s sent what is not HTTP: " STR_FMT, at, STR_ARG(detail));
	else if (error == -EMSGSIZE)
		buf_printf(out, "%s sent a body of more than %llu bytes", at,
			(unsigned long long)a->max_body);
	else
		buf_printf(out, "the connection to %s broke while it was %s: %s", at, what,
			strerror(-error));
	buf_add_char(out, 0);
}

static void finish_with(struct ask *a, int error, str detail)
{
	struct ask_end end = {.error = error, .step = a->step, .status = a->status, .text = ""};
	struct buf text = {0};

	MAGIC_CHECK(a, ASK_MAGIC);
	if (error) {
		describe(a, error, detail, &text);
		end.text = text.p;
	}
	close_all(a);
	a->ops->on_end(a->arg, &end);
	buf_done(&text);
}

static void finish(struct ask *a, int error)
{
	finish_with(a, error, STR_EMPTY);
}

void ask_cancel(struct ask *a)
{
	if (!a)
		return;
	MAGIC_CHECK(a, ASK_MAGIC);
	if (!a->is_over)
		close_all(a);
}

static void on_limit(struct timer *t)
{
	finish(container_of(t, struct ask, limit), -ETIMEDOUT);
}

/* --- the answer --- */

static void begin_body(struct ask *a, const struct response_head *h)
{
	a->step = ASK_BODY;
	a->status = h->status;
	flow_init(&a->body, h->body, h->content_length, BODY_UNTIL_CLOSE);
	a->body.chunked.is_mended = true;
	if (a->ops->on_head)
		a->ops->on_head(a->arg, h);
	if (a->is_over)
		return;
	if (a->max_body && h->body == BODY_LENGTH && h->content_length > a->max_body)
		finish(a, -EMSGSIZE);
	else if (a->body.is_done)
		finish(a, 0);
}

static void refuse(struct ask *a, const struct head_fault *f)
{
	struct arena arena = {0};

	finish_with(a, -EPROTO, head_fault_text(&arena, f));
	arena_done(&arena);
}

/* One head, if it is complete.  True: there may be another. */
static bool take_head(struct ask *a)
{
	struct header headers[HEADERS_MAX];
	struct response_head h;
	unsigned ignored;
	size_t used;

	switch (response_head_parse(&h, headers, HEADERS_MAX, buf_str(&a->in), &a->scanned,
		&HEAD_LIMITS_DEFAULT, a->method, &used, &ignored)) {
	case PARSE_MORE:
		return false;
	case PARSE_BAD:
		refuse(a, &h.fault);
		return false;
	case PARSE_OK:
		break;
	}
	if (h.status == 101)
		finish_with(a, -EPROTO, STR("it changes to a protocol that nobody asked for"));
	else if (h.status >= 200)
		begin_body(a, &h);
	else if (++a->interims > INTERIM_MAX)
		finish_with(a, -EPROTO, STR("interim answers without end"));
	if (a->is_over)
		return false;
	buf_consume(&a->in, used);
	return true;
}

static void give(struct ask *a, const struct gather *g)
{
	for (int i = 0; i < g->count && !a->is_over; i++)
		if (a->ops->on_data)
			a->ops->on_data(a->arg, (str){g->pieces[i].iov_base, g->pieces[i].iov_len});
}

/* As much of the body as is here. */
static void take_body(struct ask *a)
{
	enum parse r = PARSE_MORE;

	while (r == PARSE_MORE && buf_len(&a->in)) {
		struct gather g;
		size_t used;

		gather_forget(&g);
		r = flow_feed(&a->body, buf_str(&a->in), &used, &g);
		if (a->max_body && a->body.bytes > a->max_body) {
			finish(a, -EMSGSIZE);
			return;
		}
		give(a, &g);
		if (a->is_over)
			return;
		buf_consume(&a->in, used);
	}
	if (r == PARSE_BAD)
		finish_with(a, -EPROTO, STR("RFC 9112 7.1: the chunked coding is broken"));
	else if (r == PARSE_OK)
		finish(a, 0);
}

static void take(struct ask *a)
{
	while (a->step != ASK_BODY && buf_len(&a->in))
		if (!take_head(a))
			return;
	if (a->step == ASK_BODY)
		take_body(a);
}

static void on_eof(struct ask *a)
{
	struct gather g;

	gather_forget(&g);
	if (a->step == ASK_BODY && flow_end(&a->body, &g) == PARSE_OK)
		finish(a, 0);
	else
		finish(a, -EPIPE);
}

/* --- the connection --- */

static void read_all(struct ask *a)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(a->watch.fd, buf_room(&a->in, READ_SIZE), READ_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			finish(a, -errno);
		else if (n == 0)
			on_eof(a);
		if (a->is_over)
			return;
		buf_added(&a->in, (size_t)n);
		take(a);
		if (a->is_over)
			return;
	}
	timer_set(&a->again, a->loop, loop_now(a->loop), on_again);
}

/* A server that reads no more may have answered before: what can be read from it decides. */
static void send_all(struct ask *a)
{
	while (buf_len(&a->out)) {
		str s = buf_str(&a->out);
		ssize_t n = send(a->watch.fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		buf_consume(&a->out, n < 0 ? s.n : (size_t)n);
	}
	if (a->step == ASK_SENDING)
		a->step = ASK_HEAD;
}

static void connected(struct ask *a)
{
	int r = socket_error(a->watch.fd);

	if (r < 0) {
		finish(a, r);
		return;
	}
	a->step = ASK_SENDING;
	if (a->ops->on_connected)
		a->ops->on_connected(a->arg);
}

static void on_event(struct watch *w, unsigned events)
{
	struct ask *a = container_of(w, struct ask, watch);

	MAGIC_CHECK(a, ASK_MAGIC);
	assert(!a->is_over);
	if (a->step == ASK_CONNECTING) {
		if (!(events & (LOOP_WRITE | LOOP_HUP)))
			return;
		connected(a);
		if (a->is_over)
			return;
	}
	send_all(a);
	if (events & (LOOP_READ | LOOP_HUP))
		read_all(a);
}

static void fail_soon(struct ask *a, int error)
{
	a->failed = error;
	timer_set(&a->again, a->loop, loop_now(a->loop), on_again);
}

static void begin(struct ask *a)
{
	int fd = socket_connect(&a->to), r;

	if (fd == -EAGAIN) {
		timer_set(&a->again, a->loop, loop_now(a->loop) + QUEUE_RETRY, on_again);
		return;
	}
	if (fd < 0) {
		fail_soon(a, fd);
		return;
	}
	r = watch_open(&a->watch, a->loop, fd, on_event);
	if (r < 0) {
		close(fd);
		fail_soon(a, r);
	}
}

static void on_again(struct timer *t)
{
	struct ask *a = container_of(t, struct ask, again);

	MAGIC_CHECK(a, ASK_MAGIC);
	if (a->failed)
		finish(a, a->failed);
	else if (a->step == ASK_CONNECTING)
		begin(a);
	else
		read_all(a);
}

struct ask *ask_start(
	struct loop *l, const struct ask_request *r, const struct ask_ops *ops, void *arg)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	MAGIC_BEGIN(a, ASK_MAGIC);
	a->loop = l;
	a->watch.fd = -1;
	a->to = r->to;
	if (r->to.path)
		a->to.path = a->path = xstrdup(r->to.path);
	buf_add(&a->out, r->request);
	a->method = str_starts(r->request, STR("HEAD ")) ? METHOD_HEAD : METHOD_OTHER;
	a->max_body = r->max_body;
	a->ops = ops;
	a->arg = arg;
	if (r->limit)
		timer_set(&a->limit, l, msec_limit(loop_now(l), r->limit), on_limit);
	begin(a);
	return a;
}

enum ask_step ask_step(const struct ask *a)
{
	MAGIC_CHECK(a, ASK_MAGIC);
	return a->step;
}

/* --- waiting for it --- */

struct waited {
	struct loop *loop;
	const struct ask_ops *ops;
	void *arg;
};

static void on_waited_connected(void *arg)
{
	struct waited *w = arg;

	if (w->ops->on_connected)
		w->ops->on_connected(w->arg);
}

static void on_waited_head(void *arg, const struct response_head *head)
{
	struct waited *w = arg;

	if (w->ops->on_head)
		w->ops->on_head(w->arg, head);
}

static void on_waited_data(void *arg, str piece)
{
	struct waited *w = arg;

	if (w->ops->on_data)
		w->ops->on_data(w->arg, piece);
}

static void on_waited_end(void *arg, const struct ask_end *end)
{
	struct waited *w = arg;

	w->ops->on_end(w->arg, end);
	loop_stop(w->loop);
}

int ask_wait(const struct ask_request *r, const struct ask_ops *ops, void *arg)
{
	static const struct ask_ops waited_ops = {
		on_waited_connected, on_waited_head, on_waited_data, on_waited_end};
	struct waited w = {.loop = loop_new(), .ops = ops, .arg = arg};
	struct ask *a;

	if (!w.loop)
		return -errno;
	a = ask_start(w.loop, r, &waited_ops, &w);
	(void)a; /* it ends by itself */
	loop_run(w.loop);
	loop_free(w.loop);
	return 0;
}

void ask_write(struct buf *out, const char *method, str target, str host, str type, str body)
{
	buf_printf(out, "%s " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT "\r\nConnection: close\r\n",
		method, STR_ARG(target), STR_ARG(host));
	if (type.n)
		buf_printf(out, "Content-Type: " STR_FMT "\r\n", STR_ARG(type));
	if (type.n || strcmp(method, "POST") == 0)
		buf_printf(out, "Content-Length: %zu\r\n", body.n);
	buf_add(out, STR("\r\n"));
	buf_add(out, body);
}
