/* busy.h - Fly-Atc-Busy: a tenant says in an answer that it will go on working after it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/exchange.h"

/* From the head of any answer of the tenant, interim ones too: what it says is noted on the
 * scoreboard, and the field goes no further, neither to the client nor into the cache.
 *
 *   Fly-Atc-Busy: 300	it works for 300 seconds more, at most app.busy_max
 *   Fly-Atc-Busy: 0	it has done its work
 *
 * A value that is no such number, or that is given twice, changes nothing and is logged. */
void busy_take(struct exchange *x, struct response_head *h);
