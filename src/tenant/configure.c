/* configure.c - carries tenants over to another configuration: kept, replaced or removed. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/log.h"
#include "tenant/tenant_int.h"

void tenants_remove(struct tenants *all, uint32_t slot)
{
	struct tenant *t = all->items[slot];

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!t)
		return;
	roll_forget(t);
	replace_forget(t);
	t->is_removed = true;
	if (t->run || t->life.state == TENANT_QUEUED)
		tenant_event(t, EVENT_STOP);
	else
		tenant_retire(t);
}

void tenants_configure(struct tenants *all, struct config *conf)
{
	uint32_t n = all->nslots;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	all->conf = conf;
	for (size_t i = 0; i < conf->ntenants; i++)
		n = MAX(n, conf->tenants[i].slot + 1);
	all->index_of_slot = xrealloc(all->index_of_slot, n * sizeof(*all->index_of_slot));
	all->items = xrealloc(all->items, n * sizeof(struct tenant *));
	for (uint32_t i = all->nslots; i < n; i++)
		all->items[i] = NULL;
	all->nslots = n;
	for (uint32_t i = 0; i < n; i++)
		all->index_of_slot[i] = UINT32_MAX;
	for (size_t i = 0; i < conf->ntenants; i++)
		all->index_of_slot[conf->tenants[i].slot] = (uint32_t)i;
}

void tenants_keep(struct tenants *all, uint32_t slot)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (tenants_has(all, slot)) /* it starts again when it is needed */
		all->items[slot]->is_removed = false;
}

static void adopt(struct tenant *t)
{
	struct config *c = t->all->conf;
	const struct tenant_conf *now = config_find_tenant(c, t->run->conf->id);

	if (!now)
		return;
	t->run->mark.is_stale = now->fingerprint != t->run->conf->fingerprint;
	if (t->run->mark.is_stale) {
		replace_mark(t);
		return;
	}
	replace_unmark(t);
	config_ref(c);
	config_unref(t->run->config);
	t->run->config = c;
	t->run->conf = now;
	if (t->life.state == TENANT_RUNNING)
		idle_rearm(t);
}

/* It lives elsewhere now, and must not write here any more. */
static void leave(struct tenant *t)
{
	const struct tenant_conf *now = tenant_conf_in_force(t);

	if (!now || t->is_removed || config_is_here(t->all->conf, now) ||
		(!t->run && t->life.state != TENANT_QUEUED))
		return;
	log_info("tenant " STR_FMT " lives on %s " STR_FMT " now; it is stopped here",
		STR_ARG(now->id), now->lives_on.n ? "machine" : "a machine of region",
		STR_ARG(now->lives_on.n ? now->lives_on : now->region));
	roll_forget(t);
	replace_forget(t);
	tenant_event(t, EVENT_STOP);
}

/* So that the former configuration can be freed. */
void tenants_adopt(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach_safe (t, &all->awake, struct tenant, in_awake)
		adopt(t);
	for (uint32_t i = 0; i < all->nslots; i++)
		if (all->items[i])
			leave(all->items[i]);
}

void tenants_wake_at_boot(struct tenants *all)
{
	const struct config *c = all->conf;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_conf *conf = &c->tenants[i];
		const struct tenant *t = all->items[conf->slot];

		if (conf->app->start != START_AT_BOOT || !config_is_here(c, conf))
			continue;
		if (!t || t->life.state == TENANT_ABSENT)
			tenant_event(tenant_at(all, conf->slot), EVENT_WAKE);
	}
}

void tenants_replace_soon(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	replace_soon(all);
}
