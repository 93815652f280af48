/* caching.h - an exchange and the cache: what is answered from it, what goes into it, which
 * requests wait for which.
 *
 *   CACHE ── stored and usable ──> SEND
 *     └─ no ─> JOIN (wait for another exchange that asks for the same) ─> the tenant is asked
 *                 ├─ 304 to our own validators, or it fails and stale is allowed ──> SEND
 *                 └─ another answer: goes on, and into the cache if it may */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/cache.h"
#include "proxy/exchange_int.h"
#include "proxy/trust.h"

/* The tenant's final head has come.  SEND: the answer comes from the cache after all; WAIT: it goes
 * on to the client. */
enum step caching_take(struct exchange *x, const struct response_head *h);
/* That head goes to the client: adds our fields to it, and joins the stages of a body that is to be
 * stored. */
void caching_head(struct exchange *x, struct response_head *h);
/* The tenant could not answer.  True: the stored answer is given instead, and SEND follows. */
bool caching_rescue(struct exchange *x, enum error error);
/* The exchange ends. */
void caching_done(struct exchange *x);
