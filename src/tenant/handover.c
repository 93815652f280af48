/* handover.c - a tenant that is wanted elsewhere serves what it has begun, ends, and is given.
 *
 * One that is on its way up goes on until it serves, so that whoever waits for it here is served
 * before it goes.  A wish is over when the databases were given, or could not be: whoever still
 * wants them says so again. */
/* SPDX-License-Identifier: MIT */
#include "tenant/handover.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/tenant_int.h"

enum { WISH_MAGIC = MAGIC('w', 'i', 's', 'h') };

struct handover {
	uint32_t magic;
	struct list node; /* tenants.wanted */
	struct tenants *all;
	char *id;
	bool is_letting_go; /* the replicator lets go of the databases */
};

static struct handover *find_wish(const struct tenants *all, str id)
{
	list_foreach (wish, &all->admission.wanted, struct handover, node)
		if (str_eq(str_of(wish->id), id))
			return wish;
	return NULL;
}

static struct handover *handover_new(struct tenants *all, str id)
{
	struct handover *wish = xcalloc(1, sizeof(*wish));

	MAGIC_BEGIN(wish, WISH_MAGIC);
	wish->all = all;
	wish->id = str_dup(id);
	list_init(&wish->node);
	list_append(&all->admission.wanted, &wish->node);
	return wish;
}

static void handover_free(struct handover *wish)
{
	list_remove(&wish->node);
	free(wish->id);
	MAGIC_END(wish, WISH_MAGIC);
	free(wish);
}

/* One that was removed from the configuration may still run. */
static struct tenant *find_tenant(const struct tenants *all, str id)
{
	const struct tenant_conf *conf = config_find_tenant(all->conf, id);

	list_foreach (t, &all->awake, struct tenant, in_awake)
		if (str_eq(t->run->conf->id, id))
			return t;
	return conf ? all->items[conf->slot] : NULL;
}

static void end_wish(struct handover *wish)
{
	struct tenant *t = find_tenant(wish->all, str_of(wish->id));

	handover_free(wish);
	if (t && t->life.state == TENANT_QUEUED)
		admission_enqueue(t);
}

static void give_away(struct handover *wish)
{
	log_info("tenant %s: its databases are left to another fly-atc", wish->id);
	custody_give(wish->all->admission.custody, str_of(wish->id));
	end_wish(wish);
}

static void on_let_go(void *arg, const struct backup_result *r)
{
	struct handover *wish = arg;

	MAGIC_CHECK(wish, WISH_MAGIC);
	if (r->is_ok) {
		give_away(wish);
		return;
	}
	log_warn("tenant %s: its databases cannot be left to another fly-atc yet: %s", wish->id,
		r->reason);
	end_wish(wish);
}

static void begin_giving(struct handover *wish)
{
	wish->is_letting_go = backup_abandon(wish->all->backup, str_of(wish->id), on_let_go, wish);
	if (!wish->is_letting_go)
		give_away(wish);
}

static void check(struct handover *wish, struct tenant *t)
{
	if (wish->is_letting_go)
		return;
	if (t && t->life.state == TENANT_QUEUED) {
		admission_yield(t);
		begin_giving(wish);
	} else if (!t || !t->run) {
		begin_giving(wish);
	} else if (state_serves(t->life.state)) {
		log_info("tenant %s is wanted by another fly-atc with this storage, and ends here",
			wish->id);
		tenant_event(t, EVENT_STOP);
	}
}

void handover_wanted(struct tenants *all, str id)
{
	struct handover *wish = find_wish(all, id);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!wish)
		wish = handover_new(all, id);
	check(wish, find_tenant(all, id));
}

static struct handover *wish_for(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	return conf && !list_is_empty(&t->all->admission.wanted) ? find_wish(t->all, conf->id)
								 : NULL;
}

bool handover_is_due(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return wish_for(t) != NULL;
}

void handover_check(struct tenant *t)
{
	struct handover *wish = wish_for(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (wish)
		check(wish, t);
}

void handover_done(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	list_foreach_safe (wish, &all->admission.wanted, struct handover, node)
		handover_free(wish);
}
