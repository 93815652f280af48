/* replica.c - register, sync and unregister, over as many daemons as it takes. */
/* SPDX-License-Identifier: MIT */
#include "backup/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/magic.h"

#define RETRY_PAUSE  50u       /* msec */
#define LONGEST_CALL 86400000u /* one question to Litestream, where nothing else limits it */

enum { TASK_MAGIC = MAGIC('t', 'a', 's', 'k') };

struct task {
	uint32_t magic;
	struct list node; /* on registry.waiting, or on none */
	struct registry *reg;
	struct replica *replica;
	enum task_kind kind;
	msec until;
	struct timer timer;
	task_fn *done;
	void *arg;
	struct rpc_call *call; /* the daemon will answer */
	bool is_cancelled, is_hasty;
	struct why why;
};

static void step_task(struct task *t);

void registry_init(struct registry *reg, struct loop *l)
{
	*reg = (struct registry){.magic = REGISTRY_MAGIC, .loop = l};
	list_init(&reg->waiting);
}

void registry_done(struct registry *reg)
{
	if (reg->magic)
		MAGIC_END(reg, REGISTRY_MAGIC);
}

static void finish_task(struct task *t, enum task_result result)
{
	struct replica *r = t->replica;
	task_fn *done = t->done;
	void *arg = t->arg;

	list_remove(&t->node);
	timer_cancel(&t->timer);
	if (result == TASK_LOST)
		why_set(&t->why, "Litestream has died");
	if ((result == TASK_FAILED || result == TASK_LOST) && !t->is_cancelled) {
		r->why = t->why;
		r->is_confirmed = false;
		if (!r->failing_since)
			r->failing_since = loop_now(t->reg->loop);
	} else if (result == TASK_DONE || result == TASK_NO_FILE) {
		r->why.text[0] = '\0';
		r->failing_since = 0;
		r->stalls = 0;
	}
	MAGIC_END(t, TASK_MAGIC);
	loop_defer_free(t->reg->loop, t);
	done(arg, r, result);
}

static void on_task_time(struct timer *timer)
{
	step_task(container_of(timer, struct task, timer));
}

static void step_at(struct task *t, msec at)
{
	timer_set(&t->timer, t->reg->loop, MIN(at, t->until), on_task_time);
}

static void step_soon(struct task *t)
{
	step_at(t, loop_now(t->reg->loop) + RETRY_PAUSE);
}

static msec time_left(const struct task *t)
{
	msec now = loop_now(t->reg->loop);

	return now < t->until ? MIN(t->until - now, (msec)LONGEST_CALL) : 0;
}

/* What the handling of every answer begins with.  True if it is a good one, false if the task goes
 * on by itself. */
static bool take_answer(struct task *t, int error, unsigned status, json_t *answer)
{
	t->call = NULL;
	if (t->is_cancelled) {
		finish_task(t, TASK_FAILED);
		return false;
	}
	if (!error && status == 200)
		return true;
	if (error && error != -ETIMEDOUT) {
		step_soon(t); /* it is dying: on_lost and on_ready will follow */
		return false;
	}
	if (status == 404) {
		t->replica->registered_in = REGISTERED_ONCE;
		finish_task(t, TASK_LOST);
		return false;
	}
	why_set(&t->why, STR_FMT, STR_ARG(rpc_error_text(error, status, answer)));
	finish_task(t, TASK_FAILED);
	return false;
}

static void call_daemon(struct task *t, const char *target, json_t *take_body, rpc_fn *on_answer)
{
	t->call = rpc_call(daemon_rpc(t->reg->daemon), "POST", target, take_body,
		time_left(t) + 2000, on_answer, t);
}

static void on_registered(void *arg, int error, unsigned status, json_t *answer)
{
	struct task *t = arg;

	MAGIC_CHECK(t, TASK_MAGIC);
	if (!take_answer(t, error, status, answer))
		return;
	t->replica->registered_in = daemon_generation(t->reg->daemon);
	step_task(t);
}

static void on_sync_answer(void *arg, int error, unsigned status, json_t *answer)
{
	struct task *t = arg;
	struct replica *r = t->replica;
	const json_t *txid = json_object_get(answer, "txid"),
		     *replicated = json_object_get(answer, "replicated_txid");

	MAGIC_CHECK(t, TASK_MAGIC);
	if (!take_answer(t, error, status, answer))
		return;
	if (!json_is_integer(txid) || !json_is_integer(replicated)) {
		why_set(&t->why, "Litestream's answer to /sync has no txid");
		finish_task(t, TASK_FAILED);
		return;
	}
	r->txid = (uint64_t)json_integer_value(txid);
	r->replicated_txid = (uint64_t)json_integer_value(replicated);
	r->is_confirmed = r->txid == r->replicated_txid && r->txid > 0;
	if (r->is_confirmed) {
		r->confirmed_at = loop_now(t->reg->loop);
		finish_task(t, TASK_DONE);
		return;
	}
	why_set(&t->why, "the store has transaction %llu of %llu",
		(unsigned long long)r->replicated_txid, (unsigned long long)r->txid);
	step_soon(t);
}

/* Whatever it answers, it has removed the database from its list first. */
static void on_release_answer(void *arg, int error, unsigned status, json_t *answer)
{
	struct task *t = arg;
	struct replica *r = t->replica;
	uint64_t txid = (uint64_t)json_integer_value(json_object_get(answer, "txid"));

	MAGIC_CHECK(t, TASK_MAGIC);
	if (!error) {
		r->registered_in = 0;
		t->reg->released++;
	}
	if (!take_answer(t, error, status, answer))
		return;
	if (r->is_confirmed && txid > r->txid) {
		r->txid = txid;
		r->is_confirmed = false;
	}
	finish_task(t, TASK_DONE);
}

static void ask_register(struct task *t)
{
	call_daemon(t, "/register",
		json_pack("{s:s, s:s}", "path", t->replica->path, "replica_url", t->replica->url),
		on_registered);
}

static void ask_sync(struct task *t)
{
	int seconds = (int)MAX(time_left(t) / 1000, (msec)1);

	call_daemon(t, "/sync",
		json_pack(
			"{s:s, s:b, s:i}", "path", t->replica->path, "wait", 1, "timeout", seconds),
		on_sync_answer);
}

static void ask_release(struct task *t)
{
	int seconds = (int)MAX(time_left(t) / 1000, (msec)1);

	call_daemon(t, "/unregister",
		json_pack("{s:s, s:i}", "path", t->replica->path, "timeout", seconds),
		on_release_answer);
}

static void give_up_task(struct task *t)
{
	struct daemon *d = t->reg->daemon;

	if (!daemon_is_ready(d))
		why_set(&t->why, "%s", *daemon_why(d) ? daemon_why(d) : "Litestream is not ready");
	else if (!t->why.text[0])
		why_set(&t->why, "Litestream did not confirm in time");
	finish_task(t, TASK_FAILED);
}

static void step_task(struct task *t)
{
	struct replica *r = t->replica;
	bool is_known = r->registered_in && r->registered_in == daemon_generation(t->reg->daemon);

	list_remove(&t->node);
	timer_cancel(&t->timer);
	if (t->is_cancelled) {
		finish_task(t, TASK_FAILED);
	} else if (t->kind == TASK_RELEASE && !is_known) {
		r->registered_in = 0;
		finish_task(t, TASK_DONE);
	} else if (t->kind != TASK_RELEASE && r->registered_in && !is_known) {
		finish_task(t, TASK_LOST);
	} else if (!time_left(t) || (t->is_hasty && daemon_has_died(t->reg->daemon))) {
		give_up_task(t);
	} else if (!daemon_is_ready(t->reg->daemon)) {
		list_append(&t->reg->waiting, &t->node);
		step_at(t, t->until);
	} else if (t->kind == TASK_RELEASE) {
		ask_release(t);
	} else if (!is_known) {
		ask_register(t);
	} else if (t->kind == TASK_REGISTER) {
		finish_task(t, TASK_DONE);
	} else if (access(r->path, F_OK) < 0 && errno == ENOENT) {
		finish_task(t, TASK_NO_FILE);
	} else {
		ask_sync(t);
	}
}

static void step_waiting(struct registry *reg)
{
	struct list waiting;

	list_init(&waiting);
	while (!list_is_empty(&reg->waiting)) {
		struct list *node = reg->waiting.next;

		list_remove(node);
		list_append(&waiting, node);
	}
	while (!list_is_empty(&waiting))
		step_task(list_first(&waiting, struct task, node));
}

void registry_ready(struct registry *reg)
{
	MAGIC_CHECK(reg, REGISTRY_MAGIC);
	reg->released = 0;
	step_waiting(reg);
}

void registry_lost(struct registry *reg)
{
	MAGIC_CHECK(reg, REGISTRY_MAGIC);
	step_waiting(reg);
}

struct task *task_start(struct registry *reg, struct replica *r, enum task_kind kind, msec until,
	bool is_hasty, task_fn *done, void *arg)
{
	struct task *t = xcalloc(1, sizeof(*t));

	MAGIC_CHECK(reg, REGISTRY_MAGIC);
	*t = (struct task){.magic = TASK_MAGIC,
		.reg = reg,
		.replica = r,
		.kind = kind,
		.until = until,
		.is_hasty = is_hasty,
		.done = done,
		.arg = arg};
	list_init(&t->node);
	timer_set(&t->timer, reg->loop, loop_now(reg->loop), on_task_time);
	return t;
}

/* Only answers that change what the daemon knows are waited for. */
void task_cancel(struct task *t, const char *why)
{
	MAGIC_CHECK(t, TASK_MAGIC);
	if (t->is_cancelled)
		return;
	t->is_cancelled = true;
	why_set(&t->why, "%s", why);
	if (t->call && t->kind == TASK_SYNC && t->replica->registered_in) {
		rpc_forget(t->call);
		t->call = NULL;
	}
	if (!t->call)
		timer_set(&t->timer, t->reg->loop, loop_now(t->reg->loop), on_task_time);
}
