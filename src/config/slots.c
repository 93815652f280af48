/* slots.c - places on the scoreboard: a tenant keeps its own for as long as it exists. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/config_int.h"

/* Slots are kept even for tenants that never come back. */
static void honour_claims(struct config *c, const struct slot_claim *claims, size_t nclaims,
	bool *is_taken, uint32_t nslots)
{
	for (size_t i = 0; i < nclaims; i++) {
		const struct tenant_conf *back = config_find_tenant(c, claims[i].id);

		assert(claims[i].slot < nslots);
		is_taken[claims[i].slot] = true;
		if (back)
			c->tenants[back - c->tenants].slot = claims[i].slot;
	}
}

int config_assign_slots(struct config *c, const struct config *before,
	const struct slot_claim *claims, size_t nclaims, uint32_t nslots)
{
	bool *is_taken = xcalloc(MAX(nslots, 1u), sizeof(*is_taken));
	uint32_t next = 0;
	int r = 0;

	for (size_t i = 0; before && i < before->ntenants; i++)
		if (before->tenants[i].slot < nslots)
			is_taken[before->tenants[i].slot] = true;
	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_conf *old =
			before ? config_find_tenant(before, c->tenants[i].id) : NULL;

		c->tenants[i].slot = old && old->slot < nslots ? old->slot : UINT32_MAX;
	}
	honour_claims(c, claims, nclaims, is_taken, nslots);
	for (size_t i = 0; i < c->ntenants && r == 0; i++) {
		if (c->tenants[i].slot != UINT32_MAX)
			continue;
		while (next < nslots && is_taken[next])
			next++;
		if (next < nslots)
			c->tenants[i].slot = next++;
		else
			r = -ENOSPC;
	}
	free(is_taken);
	return r;
}
