/* for_server.c - what is asked of the server as a whole, and of no tenant. */
/* SPDX-License-Identifier: MIT */
#include "proxy/for_server.h"

#include "proxy/exchange_int.h"
#include "proxy/own_answer.h"
#include "proxy/own_reply.h"
#include "proxy/shared.h"
#include "proxy/wall.h"

bool for_server_is_health(const struct exchange *x, str path)
{
	str health = exchange_settings(x)->health_path;

	return health.n && str_eq(path, health);
}

enum step for_server_answer(struct exchange *x)
{
	struct buf *out = scratch_lend(&x->worker->head_out);
	struct own_answer answer = {
		.status = 200,
		.minor = x->wish.minor,
		.keep_alive = x->reply.keep_alive && x->trip.up.is_done,
		.date = wall_date(),
	};

	own_answer_begin(out, &answer);
	own_answer_empty(out);
	return own_reply_give(x, 200, answer.keep_alive);
}

enum step for_server_answer_health(struct exchange *x)
{
	struct shared *shared = x->worker->shared;
	bool cares = exchange_settings(x)->health_store;
	str fault = cares ? shared->ops->store_fault(shared) : STR_EMPTY;

	return fault.n ? exchange_fail(x, ERROR_STORE, fault) : for_server_answer(x);
}
