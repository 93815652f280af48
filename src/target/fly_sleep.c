/* fly_sleep.c - puts this machine to sleep by the socket that Fly gives each machine, for which it
 * needs no token; and by the API with one, where that socket cannot be used. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "net/ask.h"
#include "target/fly.h"

#define LIMIT	   10000 /* msec */
#define ANSWER_MAX 65536

struct fly_sleep {
	struct list link; /* fly->sleeps */
	struct target_call *call;
	struct ask *ask;
	struct buf body;
};

static const char *verb_of(enum target_sleep how)
{
	return how == TARGET_SUSPEND ? "suspend" : "stop";
}

/* --- by the API --- */

void fly_sleep_by_api(struct target_call *call)
{
	const struct fly *f = fly_of(call);
	str machine = call->machine.n ? call->machine : str_of(f->machine);
	struct fly_request r = {.method = "POST",
		.path = xasprintf("/machines/" STR_FMT "/%s", STR_ARG(machine), verb_of(call->how)),
		.until = clock_now() + LIMIT};
	struct fly_answer a = {0};

	if (fly_ask(call, &r, &a) == 0 && fly_accept(call, &a, "put the machine to sleep"))
		target_call_set(call, 0, "%s", "");
	buf_done(&a.body);
}

/* --- by the socket --- */

static void end_sleep(struct fly_sleep *s)
{
	struct loop *l = s->call->target->loop;

	list_remove(&s->link);
	buf_done(&s->body);
	loop_defer_free(l, s);
}

static void on_sleep_data(void *arg, str piece)
{
	struct fly_sleep *s = arg;

	buf_add(&s->body, piece);
}

static void read_answer(struct fly_sleep *s, const struct ask_end *end)
{
	struct fly_answer a = {.status = end->status, .body = s->body};

	if (fly_accept(s->call, &a, "put this machine to sleep"))
		target_call_set(s->call, 0, "%s", "");
	else if (end->status == 400 || end->status == 422) /* it never can be */
		s->call->result.error = -ENOTSUP;
}

static void on_sleep_end(void *arg, const struct ask_end *end)
{
	struct fly_sleep *s = arg;
	const struct fly *f = fly_of(s->call);
	struct target_call *call = s->call;
	bool was_asked = end->step > ASK_CONNECTING;

	if (end->error == 0)
		read_answer(s, end);
	else
		target_call_set(call, end->error == -ETIMEDOUT && was_asked ? -ETIMEDOUT : -EAGAIN,
			"%s: %s", f->socket, end->text);
	end_sleep(s);
	if (end->error && !was_asked && f->authority && fly_has_curl(call))
		target_call_work(call, fly_sleep_by_api);
	else
		target_call_end(call);
}

static const struct ask_ops sleep_ops = {.on_data = on_sleep_data, .on_end = on_sleep_end};

void fly_sleep(struct target_call *call)
{
	struct fly *f = fly_of(call);
	struct fly_sleep *s = xcalloc(1, sizeof(*s));
	struct buf request = {0};
	CLEAN_FREE char *target =
		xasprintf("/v1/apps/%s/machines/%s/%s", f->app, f->machine, verb_of(call->how));

	ask_write(
		&request, "POST", str_of(target), STR("flaps"), STR("application/json"), STR("{}"));
	s->call = call;
	list_append(&f->sleeps, &s->link);
	s->ask = ask_start(call->target->loop,
		&(struct ask_request){.to = {.path = f->socket},
			.request = buf_str(&request),
			.limit = LIMIT,
			.max_body = ANSWER_MAX},
		&sleep_ops, s);
	buf_done(&request);
}

void fly_sleep_stop(struct fly *f)
{
	list_foreach_safe (s, &f->sleeps, struct fly_sleep, link) {
		ask_cancel(s->ask);
		target_call_end(s->call);
		end_sleep(s);
	}
}
