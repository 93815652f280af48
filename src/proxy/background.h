/* background.h - a client that is nobody: its request renews what is in the cache, its answer is
 * thrown away. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/client.h"

/* Begins an exchange for *head, of which it keeps nothing, as if `peer` had sent it. */
void background_begin(
	struct worker *w, const struct request_head *head, const struct address *peer);
bool background_is(const struct client *c);
