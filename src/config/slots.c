/* slots.c - places on the scoreboard: a tenant keeps its own as long as it exists. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/config_int.h"

int config_assign_slots(struct config *c, const struct config *before, uint32_t nslots)
{
	bool *is_taken;
	uint32_t next = 0;

	if (c->ntenants > nslots)
		return -ENOSPC;
	is_taken = xcalloc(MAX(nslots, 1u), sizeof(*is_taken));
	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_conf *old =
			before ? config_find_tenant(before, c->tenants[i].id) : NULL;

		c->tenants[i].slot = old && old->slot < nslots ? old->slot : UINT32_MAX;
		if (c->tenants[i].slot != UINT32_MAX)
			is_taken[c->tenants[i].slot] = true;
	}
	for (size_t i = 0; i < c->ntenants; i++) {
		if (c->tenants[i].slot != UINT32_MAX)
			continue;
		while (is_taken[next])
			next++;
		c->tenants[i].slot = next++;
	}
	free(is_taken);
	return 0;
}
