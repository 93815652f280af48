/* show.c - a tenant as operators see it. */
/* SPDX-License-Identifier: MIT */
#include "tenant/tenant_int.h"

static void show_faults(struct control_tenant *shown, const struct faults *f)
{
	if (f->last_crash)
		shown->failure.last_crash = str_of(f->last_crash);
	if (f->reason)
		shown->failure.reason = str_of(f->reason);
	if (f->error)
		shown->failure.error = str_of(f->error);
	if (f->warning)
		shown->warning = str_of(f->warning);
}

static void show_slot(struct control_tenant *shown, const struct slot *slot)
{
	shown->generation = atomic_load(&slot->generation);
	shown->since = atomic_load(&slot->since);
	shown->in_flight = atomic_load(&slot->in_flight);
	shown->upgrades = atomic_load(&slot->upgrades);
	shown->requests = atomic_load(&slot->requests);
	shown->held = atomic_load(&slot->held);
}

static void show_replacement(
	struct control_tenant *shown, const struct tenant *t, struct buf *waits)
{
	replace_describe(t, waits);
	shown->replace.since = t->run->mark.at;
	shown->replace.at = replace_due(t);
	shown->replace.why = t->run->mark.is_stale ? STR("configuration") : STR("restart");
	shown->replace.waits = buf_str(waits);
}

static void show_run(struct control_tenant *shown, const struct tenant *t, struct buf *waits)
{
	if (t->run->process)
		shown->pid = process_pid(t->run->process);
	shown->busy_until = busy_last(t);
	if (replace_is_marked(t))
		show_replacement(shown, t, waits);
}

void tenants_show(
	const struct tenants *all, uint32_t slot, struct control_tenant *shown, struct buf *waits)
{
	const struct tenant *t = tenants_has(all, slot) ? all->items[slot] : NULL;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!t)
		return;
	shown->has_woken = true;
	shown->state = t->life.state;
	shown->wake = t->wake;
	shown->since_began.starts = t->starts;
	shown->since_began.restarts = t->restarts;
	shown->output_dropped = t->output.dropped;
	show_slot(shown, tenant_slot(t));
	show_faults(shown, &t->faults);
	if (t->life.state == TENANT_FAILED)
		shown->retry_at = t->tally.retry_at;
	if (t->run)
		show_run(shown, t, waits);
}

void tenants_show_output(
	const struct tenants *all, uint32_t slot, size_t n, control_line_fn *each, void *each_arg)
{
	const struct tenant *t = tenants_has(all, slot) ? all->items[slot] : NULL;
	uint32_t count = t ? t->output.last.count : 0;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	for (uint32_t i = count - (uint32_t)MIN(n, (size_t)count); i < count; i++) {
		struct control_line line = output_at(&t->output, i);

		each(each_arg, &line);
	}
}
