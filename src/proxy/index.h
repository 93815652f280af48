/* index.h - a page at "/" with links to the tenants, where the operator wants one. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* server.index is set, and "/" is asked for.  Of a request for which there is no tenant. */
bool index_is_wanted(const struct exchange *x);
/* Answers with it: STEP_ANSWER.  Tenants of the request's host are listed, or of no host if it has
 * none. */
enum step index_give(struct exchange *x);
