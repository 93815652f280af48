/* rpc.c - one connection for each request to the control socket. */
/* SPDX-License-Identifier: MIT */
#include "backup/rpc.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/magic.h"
#include "net/ask.h"

#define ANSWER_MAX (1u << 20)

enum { RPC_CALL_MAGIC = MAGIC('c', 'a', 'l', 'l') };

struct rpc_call {
	uint32_t magic;
	struct list node; /* on waiting or open */
	struct rpc *rpc;
	struct ask *ask; /* NULL while it waits for its turn */
	struct timer limit;
	struct buf out, in;
	rpc_fn *done;
	void *arg;
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
	if (call->ask)
		c->nopen--;
	ask_cancel(call->ask);
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

static void finish_call(struct rpc_call *call, int error, unsigned status, json_t *answer)
{
	struct rpc *c = call->rpc;
	rpc_fn *done = call->done;
	void *arg = call->arg;

	release(call);
	open_next(c);
	done(arg, error, status, answer);
}

static void on_data(void *arg, str piece)
{
	struct rpc_call *call = arg;

	buf_add(&call->in, piece);
}

static void on_end(void *arg, const struct ask_end *end)
{
	struct rpc_call *call = arg;
	str in = buf_str(&call->in);
	json_t *answer = end->error ? NULL : json_loadb(in.p, in.n, 0, NULL);

	MAGIC_CHECK(call, RPC_CALL_MAGIC);
	if (end->error && end->error != -EPROTO && end->error != -EPIPE)
		finish_call(call, end->error, 0, NULL);
	else if (!json_is_object(answer))
		finish_call(call, -EBADMSG, 0, NULL);
	else
		finish_call(call, 0, end->status, answer);
	json_decref(answer);
}

static void on_call_limit(struct timer *t)
{
	finish_call(container_of(t, struct rpc_call, limit), -ETIMEDOUT, 0, NULL);
}

static void open_call(struct rpc_call *call)
{
	static const struct ask_ops ops = {.on_data = on_data, .on_end = on_end};
	struct rpc *c = call->rpc;
	struct ask_request request = {
		.to = {.path = c->socket_path},
		.request = buf_str(&call->out),
		.max_body = ANSWER_MAX,
	};

	list_append(&c->open, &call->node);
	c->nopen++;
	call->ask = ask_start(c->loop, &request, &ops, call);
	buf_done(&call->out);
}

static void open_next(struct rpc *c)
{
	while (c->nopen < RPC_MAX_OPEN && !list_is_empty(&c->waiting)) {
		struct rpc_call *call = list_first(&c->waiting, struct rpc_call, node);

		list_remove(&call->node);
		open_call(call);
	}
}

static struct rpc_call *new_call(struct rpc *c, const char *method, const char *target,
	json_t *take_body, msec limit, rpc_fn *done, void *arg)
{
	struct rpc_call *call = xcalloc(1, sizeof(*call));
	char *body = take_body ? json_dumps(take_body, JSON_COMPACT) : xstrdup("");

	if (!body)
		abort();
	*call = (struct rpc_call){.magic = RPC_CALL_MAGIC, .rpc = c, .done = done, .arg = arg};
	list_init(&call->node);
	ask_write(&call->out, method, str_of(target), STR("litestream"), STR("application/json"),
		str_of(body));
	free(body);
	json_decref(take_body);
	timer_set(&call->limit, c->loop, loop_now(c->loop) + limit, on_call_limit);
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
	MAGIC_CHECK(c, RPC_MAGIC);
	open_call(new_call(c, method, target, NULL, limit, done, arg));
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
		finish_call(list_first(&gone, struct rpc_call, node), -ECANCELED, 0, NULL);
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
