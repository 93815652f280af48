/* caching.h - an exchange and the cache: what is answered from it, what goes into it, who waits for
 * it.
 *
 *   begin ── stored and usable ──> answered
 *     └─ no ─> (wait for another exchange that asks for the same) ─> the tenant is asked
 *                 ├─ 304 to our own validators, or it fails and stale is allowed ──> answered
 *                 └─ another answer: goes on, and into the cache if it may
 *
 * Functions that return true have answered: the exchange is gone. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/cache.h"
#include "proxy/exchange_int.h"
#include "proxy/trust.h"

/* At the beginning, before the tenant is disturbed; *head is still there. */
bool caching_begin(
	struct exchange *x, const struct request_head *head, const struct remote *remote);
/* The tenant is to be asked.  True: another exchange asks it already, and this one waits
 * (EXCHANGE_JOINED) or is answered. */
bool caching_waits(struct exchange *x);
/* In EXCHANGE_JOINED: it took too long, or its client may have gone. */
void caching_on_time(struct exchange *x);
/* The tenant's final head has come. */
bool caching_takes(struct exchange *x, const struct response_head *h);
/* That head goes to the client: adds what we have to say, and puts itself on the way of a body that
 * is to be stored. */
void caching_head(struct exchange *x, struct response_head *h);
/* The tenant could not answer. */
bool caching_rescues(struct exchange *x, enum error error);
/* The exchange ends. */
void caching_done(struct exchange *x);

/* For the compression of what comes from the cache: the body in that coding, or empty; and, once it
 * has been encoded, what it became, which is taken. */
str caching_coded(const struct exchange *x, unsigned coding);
bool caching_wants_coded(const struct exchange *x, unsigned coding);
void caching_keep_coded(struct exchange *x, unsigned coding, struct cache_coded *take_coded);
