/* target.c - finds the target, and passes calls on to it; what it cannot do is said here. */
/* SPDX-License-Identifier: MIT */
#include "target/target.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "target/target_int.h"

#define MAX_THREADS 8 /* that wait for the platform; more calls wait for one of them */

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
	case TARGET_HOSTS:
		return target_hosts_new;
	case TARGET_KUBERNETES:
		return target_kubernetes_new;
	case TARGET_AUTO:
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
		target_call_cancel(call);
	if (t->ops->stop)
		t->ops->stop(t);
}

bool target_is_pending(const struct target *t)
{
	return t && (work_pending(t->work) || (t->ops->is_pending && t->ops->is_pending(t)));
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
	struct target_call *call = target_call_new(t, arg);

	call->machine = arena_dup(&call->arena, machine);
	call->to.done = done;
	return call;
}

bool target_discovers(const struct target *t)
{
	return t->ops->discovers;
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
