/* relay.h - bytes between client and tenant: what others have of it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* What an exchange took for a large body, if it did; a spare one is used again. */
static inline void relay_give_pipe(struct worker *w, struct splice_pipe *p)
{
	if (!p->is_open)
		return;
	if (p->held || w->nspare_pipes == SPARE_PIPES)
		splice_close(p);
	else
		w->spare_pipes[w->nspare_pipes++] = *p;
	*p = (struct splice_pipe){0};
}

/* Something waits until the tenant takes it. */
static inline bool relay_up_waits(const struct exchange *x)
{
	return !outbox_is_empty(&x->trip.upstream->out) || x->trip.up_pipe.held;
}
