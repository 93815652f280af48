/* places.c - the retired slots, and when each is free again. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/places.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

struct retired {
	struct list link;
	char *id;
	uint32_t slot;
	uint64_t serial; /* of the first configuration without it */
};

void places_init(struct places *p)
{
	*p = (struct places){0};
	list_init(&p->retired);
}

static void forget_retired(struct places *p, struct retired *r)
{
	list_remove(&r->link);
	p->count--;
	free(r->id);
	free(r);
}

void places_done(struct places *p)
{
	list_foreach_safe (r, &p->retired, struct retired, link)
		forget_retired(p, r);
}

void places_retire(struct supervisor *s, const struct tenant_conf *conf, uint64_t serial)
{
	struct retired *r = xcalloc(1, sizeof(*r));

	r->id = str_dup(conf->id);
	r->slot = conf->slot;
	r->serial = serial;
	list_append(&s->places.retired, &r->link);
	s->places.count++;
	slot_disown(&s->board.slots[conf->slot]);
}

/* In this order: a request that counts itself in found the tenant in its configuration. */
static bool is_free(const struct supervisor *s, const struct retired *r)
{
	const struct slot *slot = &s->board.slots[r->slot];

	return !tenants_has(s->tenants, r->slot) && proxy_child_has(s->proxy, r->serial) &&
	       !atomic_load(&slot->in_flight) && !atomic_load(&slot->held);
}

struct slot_claim *places_claims(struct supervisor *s, size_t *ret_count)
{
	struct places *p = &s->places;
	struct slot_claim *claims = xcalloc(MAX(p->count, 1u), sizeof(*claims));
	size_t n = 0;

	list_foreach_safe (r, &p->retired, struct retired, link) {
		if (is_free(s, r))
			forget_retired(p, r);
		else
			claims[n++] = (struct slot_claim){str_of(r->id), r->slot};
	}
	*ret_count = n;
	return claims;
}

void places_take(struct supervisor *s, const struct config *conf)
{
	list_foreach_safe (r, &s->places.retired, struct retired, link) {
		const struct tenant_conf *back = config_find_tenant(conf, str_of(r->id));

		if (!back)
			continue;
		assert(back->slot == r->slot);
		slot_own(&s->board.slots[r->slot], back->owner);
		tenants_keep(s->tenants, r->slot);
		forget_retired(&s->places, r);
	}
	for (size_t i = 0; i < conf->ntenants; i++) {
		struct slot *slot = &s->board.slots[conf->tenants[i].slot];

		if (!slot_is_of(slot, conf->tenants[i].owner))
			slot_give(slot, conf->tenants[i].owner);
	}
}
