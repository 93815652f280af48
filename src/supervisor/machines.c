/* machines.c - asks the target on behalf of operators. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/machines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "supervisor/supervisor_int.h"
#include "target/target.h"
#include "tenant/waiters.h"

/* What an operator waits for. */
struct machine_order {
	struct supervisor *sup;
	enum control_machine_what what;
	control_machine_fn *each;
	control_done_fn *done;
	void *arg;
	char name[]; /* of the machine */
};

static struct machine_order *order_new(
	struct supervisor *s, str name, control_done_fn *done, void *done_arg)
{
	struct machine_order *o = xcalloc(1, sizeof(*o) + name.n + 1);

	o->sup = s;
	o->done = done;
	o->arg = done_arg;
	memcpy(o->name, name.p, name.n);
	return o;
}

void machines_fleet(void *arg, struct control_fleet *ret)
{
	const struct supervisor *s = arg;
	struct target_self self = target_self(s->target);

	*ret = (struct control_fleet){.target = str_of(target_name(s->target)),
		.app = self.app,
		.machine = self.machine,
		.region = self.region,
		.image = self.image,
		.memory = self.memory};
}

static size_t count_tenants(const struct config *c, str machine)
{
	size_t n = 0;

	for (size_t i = 0; i < c->ntenants; i++)
		n += str_eq(c->tenants[i].lives_on, machine);
	return n;
}

/* --- the list --- */

static void show_machine(void *arg, const struct target_machine *m)
{
	const struct machine_order *o = arg;

	o->each(o->arg, &(struct control_machine){.name = m->name,
				.label = m->label,
				.region = m->region,
				.state = m->state,
				.address = m->address,
				.is_self = m->is_self,
				.ntenants = count_tenants(o->sup->conf, m->name)});
}

static void on_shown(void *arg, const struct target_result *r)
{
	struct machine_order *o = arg;

	o->done(o->arg, r->error, str_of(r->reason));
	free(o);
}

void machines_show(void *arg, control_machine_fn *each, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	struct machine_order *o = order_new(s, STR_EMPTY, done, done_arg);

	o->each = each;
	target_list(s->target, show_machine, on_shown, o);
}

/* --- orders --- */

static void log_order(const struct machine_order *o, const struct target_result *r, str name)
{
	static const char *const done[] = {[CONTROL_MACHINE_WAKE] = "woken",
		[CONTROL_MACHINE_SUSPEND] = "suspended",
		[CONTROL_MACHINE_STOP] = "stopped",
		[CONTROL_MACHINE_CREATE] = "made",
		[CONTROL_MACHINE_DESTROY] = "removed"};

	if (r->error)
		log_warn("machine " STR_FMT " is not %s for an operator: %s", STR_ARG(name),
			done[o->what], r->reason);
	else
		log_info("machine " STR_FMT " is %s for an operator", STR_ARG(name), done[o->what]);
}

static void end_order(struct machine_order *o, const struct target_result *r, str name)
{
	log_order(o, r, name);
	if (o->what == CONTROL_MACHINE_CREATE || o->what == CONTROL_MACHINE_DESTROY)
		found_look(o->sup);
	o->done(o->arg, r->error, r->error ? str_of(r->reason) : name);
	free(o);
}

static void on_done(void *arg, const struct target_result *r)
{
	struct machine_order *o = arg;

	end_order(o, r, str_of(o->name));
}

static void on_created(void *arg, const struct target_result *r, str name)
{
	struct machine_order *o = arg;

	end_order(o, r, r->error ? str_of(o->name) : name);
}

static void create(
	struct supervisor *s, const struct control_machine_order *order, struct machine_order *o)
{
	char random_key[17];
	uint64_t random;
	str key = order->key.n ? order->key : order->name;

	random_bytes(&random, sizeof(random));
	snprintf(random_key, sizeof(random_key), "%016" PRIx64, random);
	target_create(s->target,
		&(struct target_wish){.name = order->name,
			.region = order->region,
			.key = key.n ? key : str_of(random_key)},
		on_created, o);
}

static char *refusal_of(const struct supervisor *s, const struct control_machine_order *order)
{
	size_t n;

	if (order->what != CONTROL_MACHINE_DESTROY || order->is_forced)
		return NULL;
	n = count_tenants(s->conf, order->name);
	return n ? xasprintf("%zu %s on it by the configuration: move them first", n,
			   n == 1 ? "tenant lives" : "tenants live")
		 : NULL;
}

void machines_act(
	void *arg, const struct control_machine_order *order, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	CLEAN_FREE char *reason = refusal_of(s, order);
	struct machine_order *o;

	if (reason || s->end.is_ending) {
		waiters_answer(s->loop, done, done_arg, reason ? -EBUSY : -ECANCELED,
			reason ? reason : "fly-atc is about to end");
		return;
	}
	o = order_new(s, order->name, done, done_arg);
	o->what = order->what;
	switch (order->what) {
	case CONTROL_MACHINE_WAKE:
		target_wake(s->target, order->name, on_done, o);
		return;
	case CONTROL_MACHINE_SUSPEND:
		target_sleep_other(s->target, order->name, TARGET_SUSPEND, on_done, o);
		return;
	case CONTROL_MACHINE_STOP:
		target_sleep_other(s->target, order->name, TARGET_STOP, on_done, o);
		return;
	case CONTROL_MACHINE_CREATE:
		create(s, order, o);
		return;
	case CONTROL_MACHINE_DESTROY:
		target_destroy(s->target, order->name, on_done, o);
		return;
	}
}
