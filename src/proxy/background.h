/* background.h - a client without a connection: its request renews what is in the cache, its answer
 * is thrown away. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/client.h"

/* Begins an exchange for *head, which is copied, as if `peer` had sent it.  It starts at the end of
 * the turn, when no other exchange is on the stack. */
void background_begin(
	struct worker *w, const struct request_head *head, const struct address *peer);
