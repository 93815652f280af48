/* relay.h - bytes between client and tenant: what others have of it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"
#include "proxy/upstream.h"

/* What an exchange took for a large body, if it did; a spare one is used again. */
void relay_give_pipe(struct worker *w, struct splice_pipe *p);

/* Something waits until the tenant takes it. */
static inline bool relay_up_waits(const struct exchange *x)
{
	return !outbox_is_empty(&x->trip.upstream->out) || x->trip.up_pipe.held;
}
