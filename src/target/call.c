/* call.c - what is asked of a target, from the question to the answer. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/target_int.h"

#define REASON_MAX 512

const char *target_environ(char *const *environ, const char *name)
{
	size_t n = strlen(name);

	for (char *const *e = environ; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

struct target_call *target_call_new(struct target *t, void *arg)
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

void target_call_cancel(struct target_call *call)
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
