/* target.c - finds the target, and passes calls on to it; what it cannot do is said here. */
/* SPDX-License-Identifier: MIT */
#include "target/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/target_int.h"

#define MAX_THREADS 8 /* that wait for the platform; more calls wait for one of them */
#define REASON_MAX  512

/* --- calls --- */

static struct target_call *call_new(struct target *t, void *arg)
{
	struct target_call *call = xcalloc(1, sizeof(*call));

	MAGIC_CHECK(t, TARGET_MAGIC);
	assert(!t->is_stopped);
	MAGIC_BEGIN(call, TARGET_CALL_MAGIC);
	call->target = t;
	call->machine = call->created = STR_EMPTY;
	call->result.reason = "";
	call->to.arg = arg;
	list_append(&t->calls, &call->link);
	return call;
}

static void tell_asker(const struct target_call *call, const struct target_result *r)
{
	bool is_done = r->error == 0;

	switch (call->to.shape) {
	case TARGET_SHAPE_DONE:
		for (size_t i = 0; i < call->nmachines && is_done && call->to.each; i++)
			call->to.each(call->to.arg, &call->machines[i]);
		call->to.done(call->to.arg, r);
		return;
	case TARGET_SHAPE_ADDRESSES:
		call->to.addresses(
			call->to.arg, r, call->addresses, is_done ? call->naddresses : 0);
		return;
	case TARGET_SHAPE_CREATED:
		call->to.created(call->to.arg, r, is_done ? call->created : STR_EMPTY);
		return;
	}
}

/* A thread may still have the call. */
static void give_up(struct target_call *call)
{
	if (!call->to.is_over)
		tell_asker(call, &(struct target_result){
					 .error = -ECANCELED, .reason = "fly-atc is about to end"});
	call->to.is_over = true;
}

static void on_due(void *arg)
{
	struct target_call *call = arg;

	MAGIC_CHECK(call, TARGET_CALL_MAGIC);
	list_remove(&call->link);
	if (!call->to.is_over)
		tell_asker(call, &call->result);
	arena_done(&call->arena);
	free(call->machines);
	MAGIC_END(call, TARGET_CALL_MAGIC);
	free(call);
}

void target_call_end(struct target_call *call)
{
	MAGIC_CHECK(call, TARGET_CALL_MAGIC);
	loop_defer(call->target->loop, on_due, call);
}

void target_call_set(struct target_call *call, int error, const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	call->result.error = error;
	call->result.reason = arena_dup(&call->arena, str_of(reason)).p;
}

void target_call_add_machine(struct target_call *call, const struct target_machine *m)
{
	struct arena *a = &call->arena;

	call->machines = xrealloc(call->machines, (call->nmachines + 1) * sizeof(*call->machines));
	call->machines[call->nmachines++] = (struct target_machine){
		.name = arena_dup(a, m->name),
		.label = arena_dup(a, m->label),
		.region = arena_dup(a, m->region),
		.state = arena_dup(a, m->state),
		.address = arena_dup(a, m->address),
		.is_self = m->is_self,
	};
}

void target_call_add_address(struct target_call *call, const struct address *address)
{
	if (call->naddresses < TARGET_ADDRESSES_MAX)
		call->addresses[call->naddresses++] = *address;
}

static void run_call(void *arg)
{
	struct target_call *call = arg;

	call->run(call);
}

static void on_worked(void *arg)
{
	target_call_end(arg);
}

void target_call_work(struct target_call *call, target_call_fn *run)
{
	struct target *t = call->target;

	call->run = run;
	work_run(t->work, run_call, on_worked, call);
}

/* Passes the call on, or refuses it. */
static void make_call(struct target_call *call, target_call_fn *op, const char *what)
{
	if (op) {
		op(call);
		return;
	}
	target_call_set(call, -ENOTSUP, "target %s cannot %s", call->target->ops->name, what);
	target_call_end(call);
}

/* --- the target --- */

const char *target_environ(char *const *environ, const char *name)
{
	size_t n = strlen(name);

	for (char *const *e = environ; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

/* Who is only said to be in a region of Fly's, to try something out, has no platform to ask. */
static bool is_on_fly(const struct target_setup *setup)
{
	return setup->conf->machine.target == TARGET_FLY ||
	       (target_environ(setup->environ, "FLY_APP_NAME") &&
		       target_environ(setup->environ, "FLY_MACHINE_ID"));
}

static target_make_fn *maker_of(const struct target_setup *setup)
{
	switch (setup->conf->target) {
	case TARGET_FLY:
		return is_on_fly(setup) ? target_fly_new : target_none_new;
	case TARGET_AUTO:
	case TARGET_HOSTS:
	case TARGET_KUBERNETES:
	case TARGET_NONE:
		break;
	}
	return target_none_new;
}

struct target *target_new(const struct target_setup *setup, char **ret_reason)
{
	struct target *t;

	if (maker_of(setup)(setup, &t, ret_reason) < 0)
		return NULL;
	MAGIC_BEGIN(t, TARGET_MAGIC);
	t->loop = setup->loop;
	t->conf = config_ref(setup->conf);
	t->environ = setup->environ;
	t->port = setup->port;
	t->work = work_new(setup->loop, MAX_THREADS);
	list_init(&t->calls);
	return t;
}

void target_stop(struct target *t)
{
	if (!t)
		return;
	MAGIC_CHECK(t, TARGET_MAGIC);
	t->is_stopped = true;
	work_stop(t->work);
	list_foreach (call, &t->calls, struct target_call, link)
		give_up(call);
	if (t->ops->stop)
		t->ops->stop(t);
}

bool target_is_pending(const struct target *t)
{
	return t && work_pending(t->work);
}

void target_free(struct target *t)
{
	if (!t)
		return;
	MAGIC_CHECK(t, TARGET_MAGIC);
	assert(t->is_stopped && list_is_empty(&t->calls));
	if (t->ops->close)
		t->ops->close(t);
	work_free(t->work);
	config_unref(t->conf);
	MAGIC_END(t, TARGET_MAGIC);
	free(t);
}

void target_configure(struct target *t, struct config *conf)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	config_unref(t->conf);
	t->conf = config_ref(conf);
	if (t->ops->configure)
		t->ops->configure(t);
}

const char *target_name(const struct target *t)
{
	return t->ops->name;
}

struct target_self target_self(const struct target *t)
{
	struct target_self self = {.machine = t->conf->our_machine,
		.region = t->conf->our_region,
		.app = t->conf->our_app,
		.image = STR_EMPTY};

	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->self)
		t->ops->self(t, &self);
	return self;
}

static struct target_call *call_about(
	struct target *t, str machine, target_done_fn *done, void *arg)
{
	struct target_call *call = call_new(t, arg);

	call->machine = arena_dup(&call->arena, machine);
	call->to.done = done;
	return call;
}

void target_list(struct target *t, target_machine_fn *each, target_done_fn *done, void *arg)
{
	struct target_call *call = call_about(t, STR_EMPTY, done, arg);

	call->to.each = each;
	make_call(call, t->ops->list, "list machines");
}

void target_wake(struct target *t, str machine, target_done_fn *done, void *arg)
{
	make_call(call_about(t, machine, done, arg), t->ops->wake, "wake a machine");
}

void target_sleep(struct target *t, enum target_sleep how, target_done_fn *done, void *arg)
{
	struct target_call *call = call_about(t, STR_EMPTY, done, arg);

	call->how = how;
	make_call(call, t->ops->sleep, "put this machine to sleep");
}

void target_sleep_other(
	struct target *t, str machine, enum target_sleep how, target_done_fn *done, void *arg)
{
	struct target_call *call = call_about(t, machine, done, arg);

	call->how = how;
	make_call(call, t->ops->sleep_other, "put another machine to sleep");
}

void target_addresses(struct target *t, str machine, target_addresses_fn *done, void *arg)
{
	struct target_call *call = call_about(t, machine, NULL, arg);

	call->to.shape = TARGET_SHAPE_ADDRESSES;
	call->to.addresses = done;
	make_call(call, t->ops->addresses, "tell where a machine is");
}

void target_create(
	struct target *t, const struct target_wish *wish, target_created_fn *done, void *arg)
{
	struct target_call *call = call_about(t, STR_EMPTY, NULL, arg);

	call->to.shape = TARGET_SHAPE_CREATED;
	call->to.created = done;
	call->wish = (struct target_wish){
		.name = arena_dup(&call->arena, wish->name),
		.region = arena_dup(&call->arena, wish->region),
		.key = arena_dup(&call->arena, wish->key),
	};
	make_call(call, t->ops->create, "make a machine");
}

void target_destroy(struct target *t, str machine, target_done_fn *done, void *arg)
{
	make_call(call_about(t, machine, done, arg), t->ops->destroy, "remove a machine");
}
