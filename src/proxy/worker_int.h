/* worker_int.h - what the files of a worker share: worker.c (its listener, what it is told),
 * worker_tenants.c (what it knows of tenants), worker_upkeep.c (what comes up in between). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/worker.h"

/* The tenant that has this slot now; made if it is not known yet. */
struct worker_tenant *worker_tenant_at(struct worker *w, uint32_t slot, uint64_t owner);
/* It has been removed.  Its exchanges go on with it, except those that would do so forever; no
 * others will. */
void worker_forget_tenant(struct worker *w, struct worker_tenant *t);
/* The tenant's time limits become those of the view. */
void worker_limit_tenants(struct worker *w);
/* It is about to end, and nothing else would end its streams before it is killed: an answer that
 * may just be short gets a moment. */
void worker_end_streams_soon(struct worker *w, struct worker_tenant *t);
/* Of the exchanges on this list, tunnels, and those older than this (microseconds), are told to
 * end. */
void worker_dismiss(struct list *streams, uint64_t older_than);
/* It has ended. */
void worker_end_streams(struct worker_tenant *t);
