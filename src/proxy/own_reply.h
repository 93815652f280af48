/* own_reply.h - answers that we write ourselves, on their way to the client: pages, redirects, and
 * what becomes of an exchange that failed. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The whole answer is in worker->head_out, lent until it is sent.  Lets go of the tenant;
 * STEP_ANSWER. */
enum step own_reply_give(struct exchange *x, unsigned status, bool keep_alive);
