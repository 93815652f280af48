/* worker_int.h - what the files of a worker share: worker.c (its listener, what it is told),
 * worker_tenants.c (what it knows of tenants), worker_upkeep.c (what comes up between). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/worker.h"

/* The tenant that has this slot now, made where it is not known. */
struct worker_tenant *worker_tenant_at(struct worker *w, uint32_t slot, uint64_t owner);
/* It has been removed.  Its exchanges go on with it, but for those that would do so for ever;
 * nobody else will. */
void worker_forget_tenant(struct worker *w, struct worker_tenant *t);
/* How long tenants may take is as the view has it. */
void worker_limit_tenants(struct worker *w);
/* It is about to end, and nothing else would end its streams before it is killed: an answer that
 * may be just short has a moment. */
void worker_end_streams_soon(struct worker *w, struct worker_tenant *t);
/* It has ended. */
void worker_end_streams(struct worker_tenant *t);
