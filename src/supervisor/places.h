/* places.h - slots of the scoreboard whose tenants have been removed from the configuration.
 *
 * Until every thread of the proxy has a configuration without the tenant, one may still route
 * requests to the slot, and a request that has begun is counted out there at its end.  So no other
 * tenant gets the slot until both are over and the tenant rests; only the same tenant may have it
 * back sooner. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "config/config.h"

struct supervisor;

struct places {
	struct list retired;
	size_t count;
};

void places_init(struct places *p);
void places_done(struct places *p);
/* The tenant is not in the configuration with this number (proxy_child.h), nor in later ones. */
void places_retire(struct supervisor *s, const struct tenant_conf *conf, uint64_t serial);
/* Gives each tenant of the configuration its slot.  Those that come back before their slot was
 * reused are told so: tenants_keep. */
void places_take(struct supervisor *s, const struct config *conf);
/* Forgets those that are free now.  Returns the others: an array to be freed, whose ids are valid
 * until the next call of one of these functions. */
struct slot_claim *places_claims(struct supervisor *s, size_t *ret_count) MUST_USE;
