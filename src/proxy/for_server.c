/* for_server.c - what is asked of the server as a whole, and of no tenant. */
/* SPDX-License-Identifier: MIT */
#include "proxy/for_server.h"

#include "proxy/exchange_int.h"
#include "proxy/own_answer.h"
#include "proxy/proxy_int.h"
#include "proxy/worker.h"

bool for_server_is_health(const struct exchange *x, str path)
{
	str health = exchange_settings(x)->health_path;

	return health.n && str_eq(path, health);
}

void for_server_answer(struct exchange *x)
{
	struct worker *w = x->worker;
	struct own_answer answer = {
		.status = 200,
		.minor = x->minor,
		.keep_alive = x->keep_alive && x->up.is_done,
		.date = exchange_date(),
	};

	buf_clear(&w->head_out);
	own_answer_begin(&w->head_out, &answer);
	own_answer_empty(&w->head_out);
	exchange_answer(x, 200, answer.keep_alive);
}

void for_server_answer_health(struct exchange *x)
{
	bool cares = exchange_settings(x)->health_store;
	str fault = cares ? proxy_store_fault(x->worker->proxy) : STR_EMPTY;

	if (fault.n)
		exchange_fail(x, ERROR_STORE, fault);
	else
		for_server_answer(x);
}
