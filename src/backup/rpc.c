/* rpc.c - one connection for each request to the control socket; HTTP/1.0, so that the end is the
 * end. */
/* SPDX-License-Identifier: MIT */
#include "backup/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/magic.h"
#include "base/number.h"

#define ANSWER_MAX (1u << 20)

enum { RPC_CALL_MAGIC = MAGIC('c', 'a', 'l', 'l') };

struct rpc_call {
	uint32_t magic;
	struct list node; /* on waiting or open */
	struct rpc *rpc;
	struct watch watch;
	struct timer limit;
	struct buf out, in;
	rpc_fn *done;
	void *arg;
	int fd, error;
};

enum { RPC_MAGIC = MAGIC('r', 'p', 'c', 's') };

struct rpc {
	uint32_t magic;
	struct loop *loop;
	const char *socket_path;
	struct list waiting, open;
	unsigned nopen;
};

struct rpc *rpc_new(struct loop *l, const char *socket_path)
{
	struct rpc *c = xcalloc(1, sizeof(*c));

	MAGIC_BEGIN(c, RPC_MAGIC);
	c->loop = l;
	c->socket_path = socket_path;
	list_init(&c->waiting);
	list_init(&c->open);
	return c;
}

static void release(struct rpc_call *call)
{
	struct rpc *c = call->rpc;

	list_remove(&call->node);
	timer_cancel(&call->limit);
	if (call->fd >= 0) {
		watch_close(&call->watch);
		close(call->fd);
		c->nopen--;
	}
	buf_done(&call->out);
	buf_done(&call->in);
	MAGIC_END(call, RPC_CALL_MAGIC);
	loop_defer_free(c->loop, call);
}

void rpc_free(struct rpc *c)
{
	if (!c)
		return;
	list_foreach_safe (call, &c->open, struct rpc_call, node)
		release(call);
	list_foreach_safe (call, &c->waiting, struct rpc_call, node)
		release(call);
	MAGIC_END(c, RPC_MAGIC);
	loop_defer_free(c->loop, c);
}

static void open_next(struct rpc *c);

static void finish(struct rpc_call *call, int error, unsigned status, json_t *answer)
{
	struct rpc *c = call->rpc;
	rpc_fn *done = call->done;
	void *arg = call->arg;

	release(call);
	open_next(c);
	done(arg, error, status, answer);
}

/* "HTTP/1.0 200 OK", headers, an empty line, a JSON object. */
static int parse_answer(str in, unsigned *ret_status, json_t **ret_answer)
{
	ssize_t space = str_find_char(in, ' '), head_end = str_find(in, STR("\r\n\r\n"));
	uint64_t status;
	json_t *answer;

	if (!str_starts(in, STR("HTTP/1.")) || space < 0 || head_end < 0 ||
		number_parse(str_slice(in, (size_t)space + 1, (size_t)space + 4), 999, &status) < 0)
		return -EBADMSG;
	in = str_slice(in, (size_t)head_end + 4, in.n);
	answer = json_loadb(in.p, in.n, 0, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return -EBADMSG;
	}
	*ret_status = (unsigned)status;
	*ret_answer = answer;
	return 0;
}

static void on_end(struct rpc_call *call)
{
	unsigned status = 0;
	json_t *answer = NULL;
	int r = parse_answer(buf_str(&call->in), &status, &answer);

	finish(call, r, status, answer);
	json_decref(answer);
}

static int write_some(struct rpc_call *call)
{
	while (buf_len(&call->out)) {
		str s = buf_str(&call->out);
		ssize_t n = send(call->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		buf_consume(&call->out, (size_t)n);
	}
	return 0;
}

/* 1 at the end of the answer. */
static int read_some(struct rpc_call *call)
{
	for (;;) {
		ssize_t n = recv(call->fd, buf_room(&call->in, 4096), 4096, 0);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return 1;
		buf_added(&call->in, (size_t)n);
		if (buf_len(&call->in) > ANSWER_MAX)
			return -EMSGSIZE;
	}
}

static void on_event(struct watch *w, unsigned events)
{
	struct rpc_call *call = container_of(w, struct rpc_call, watch);
	int r = write_some(call);

	MAGIC_CHECK(call, RPC_CALL_MAGIC);
	(void)events;
	if (r == 0)
		r = read_some(call);
	if (r < 0)
		finish(call, r, 0, NULL);
	else if (r > 0)
		on_end(call);
}

static void on_limit(struct timer *t)
{
	finish(container_of(t, struct rpc_call, limit), -ETIMEDOUT, 0, NULL);
}

static int open_call(struct rpc_call *call)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = call->rpc->socket_path;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (call->fd < 0)
		return -errno;
	call->rpc->nopen++;
	if (connect(call->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = watch_open(&call->watch, call->rpc->loop, call->fd, on_event);
	return r < 0 ? r : write_some(call);
}

static void on_failed(struct timer *t)
{
	struct rpc_call *call = container_of(t, struct rpc_call, limit);

	MAGIC_CHECK(call, RPC_CALL_MAGIC);
	finish(call, call->error, 0, NULL);
}

/* By its timer: never from inside rpc_call. */
static void fail_soon(struct rpc_call *call, int error)
{
	struct loop *l = call->rpc->loop;

	call->error = error;
	if (call->fd >= 0)
		watch_close(&call->watch);
	timer_set(&call->limit, l, loop_now(l), on_failed);
}

static void open_next(struct rpc *c)
{
	while (c->nopen < RPC_MAX_OPEN && !list_is_empty(&c->waiting)) {
		struct rpc_call *call = list_first(&c->waiting, struct rpc_call, node);
		int r;

		list_remove(&call->node);
		list_append(&c->open, &call->node);
		r = open_call(call);
		if (r < 0)
			fail_soon(call, r);
	}
}

static struct rpc_call *new_call(struct rpc *c, const char *method, const char *target,
	json_t *take_body, msec limit, rpc_fn *done, void *arg)
{
	struct rpc_call *call = xcalloc(1, sizeof(*call));
	char *body = take_body ? json_dumps(take_body, JSON_COMPACT) : xstrdup("");

	if (!body)
		abort();
	*call = (struct rpc_call){
		.magic = RPC_CALL_MAGIC, .rpc = c, .done = done, .arg = arg, .fd = -1};
	call->watch.fd = -1;
	list_init(&call->node);
	buf_printf(&call->out,
		"%s %s HTTP/1.0\r\nHost: litestream\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		method, target, strlen(body), body);
	free(body);
	json_decref(take_body);
	timer_set(&call->limit, c->loop, loop_now(c->loop) + limit, on_limit);
	return call;
}

struct rpc_call *rpc_call(struct rpc *c, const char *method, const char *target, json_t *take_body,
	msec limit, rpc_fn *done, void *arg)
{
	struct rpc_call *call = new_call(c, method, target, take_body, limit, done, arg);

	MAGIC_CHECK(c, RPC_MAGIC);
	list_append(&c->waiting, &call->node);
	open_next(c);
	return call;
}

void rpc_urge(
	struct rpc *c, const char *method, const char *target, msec limit, rpc_fn *done, void *arg)
{
	struct rpc_call *call = new_call(c, method, target, NULL, limit, done, arg);
	int r;

	MAGIC_CHECK(c, RPC_MAGIC);
	list_append(&c->open, &call->node);
	r = open_call(call);
	if (r < 0)
		fail_soon(call, r);
}

void rpc_forget(struct rpc_call *call)
{
	struct rpc *c = call->rpc;

	MAGIC_CHECK(call, RPC_CALL_MAGIC);
	release(call);
	open_next(c);
}

void rpc_abort(struct rpc *c)
{
	struct list gone;

	MAGIC_CHECK(c, RPC_MAGIC);
	list_init(&gone);
	while (!list_is_empty(&c->waiting) || !list_is_empty(&c->open)) {
		struct list *from = list_is_empty(&c->open) ? &c->waiting : &c->open;
		struct list *node = from->next;

		list_remove(node);
		list_append(&gone, node);
	}
	while (!list_is_empty(&gone))
		finish(list_first(&gone, struct rpc_call, node), -ECANCELED, 0, NULL);
}

str rpc_error_text(int error, unsigned status, const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "error"));

	if (text)
		return str_of(text);
	if (error == -ETIMEDOUT)
		return STR("Litestream did not answer in time");
	if (error < 0)
		return str_of(strerror(-error));
	return status >= 200 && status < 300 ? STR_EMPTY : STR("Litestream refused");
}
