/* index.h - a page at "/" with links to the tenants, where the operator wants one. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"

struct exchange;

/* Answers if server.index is set, "/" is asked for and nobody lives there; then the exchange is
 * gone.  Tenants of the request's host are listed, or of no host if it has none. */
bool index_answer(struct exchange *x, const struct request_head *head) MUST_USE;
