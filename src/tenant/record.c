/* record.c - what is remembered of a tenant once it has been woken. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/tenant_int.h"

uint32_t tenants_slots(const struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	return all->nslots;
}

bool tenants_has(const struct tenants *all, uint32_t slot)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	return slot < all->nslots && all->items[slot];
}

struct tenant *tenant_at(struct tenants *all, uint32_t slot)
{
	struct tenant *t;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (slot >= all->nslots)
		return NULL;
	t = all->items[slot];
	if (t || all->index_of_slot[slot] == UINT32_MAX)
		return t;
	t = xcalloc(1, sizeof(*t));
	MAGIC_BEGIN(t, TENANT_MAGIC);
	t->all = all;
	t->slot = slot;
	list_init(&t->waiters);
	list_init(&t->waits.in_queue);
	list_init(&t->in_awake);
	list_init(&t->in_untold);
	all->items[slot] = t;
	return t;
}

const struct tenant_conf *tenant_conf_in_force(const struct tenant *t)
{
	uint32_t index = t->all->index_of_slot[t->slot];

	MAGIC_CHECK(t, TENANT_MAGIC);
	return index == UINT32_MAX ? NULL : &t->all->conf->tenants[index];
}

bool tenant_is_here(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf_in_force(t);

	return conf && config_is_here(t->all->conf, conf);
}

const struct tenant_conf *tenant_conf(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return t->run ? t->run->conf : tenant_conf_in_force(t);
}

int tenant_log_level(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf_in_force(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	conf = conf ? conf : tenant_conf(t);
	return conf ? (int)conf->app->log_level : LOG_LEVEL_SHARED;
}

struct slot *tenant_slot(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return &t->all->board->slots[t->slot];
}

void tenant_socket_path(const struct tenant *t, char *out, size_t size)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	slot_socket_path(t->all->conf->server.run_dir, t->slot, out, size);
}

bool tenant_uses_backup(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return !t->all->conf->is_single || t->all->conf->backup.url.n;
}

static void PRINTF(3, 0) blame(struct tenant *t, const char *public, const char *fmt, va_list ap)
{
	char *reason;

	if (vasprintf(&reason, fmt, ap) < 0)
		abort();
	free(t->faults.reason);
	free(t->faults.public_reason);
	t->faults.reason = reason;
	t->faults.public_reason = public ? xstrdup(public) : NULL;
}

void tenant_blame(struct tenant *t, const char *fmt, ...)
{
	va_list ap;

	MAGIC_CHECK(t, TENANT_MAGIC);
	va_start(ap, fmt);
	blame(t, NULL, fmt, ap);
	va_end(ap);
}

void tenant_blame_privately(struct tenant *t, const char *public, const char *fmt, ...)
{
	va_list ap;

	MAGIC_CHECK(t, TENANT_MAGIC);
	va_start(ap, fmt);
	blame(t, public, fmt, ap);
	va_end(ap);
}

bool tenant_count_crash(struct tenant *t)
{
	const struct app_conf *app = t->run->conf->app;

	MAGIC_CHECK(t, TENANT_MAGIC);
	return tally_crash(
		&t->tally, loop_now(t->all->loop), (size_t)app->max_restarts, app->restart_window);
}

void tenant_warn(struct tenant *t, const char *text)
{
	char *copy = text ? xstrdup(text) : NULL;

	MAGIC_CHECK(t, TENANT_MAGIC);
	free(t->faults.warning);
	t->faults.warning = copy;
}
