/* shortage.h - which connections are closed when descriptors, places for connections, or memory run
 * out.
 *
 * First those that have been idle for long, then the slowest of those whose request is not complete
 * or that do not take their answer: holding what others need must cost as many bytes as others
 * send.  Clients that wait for a tenant, and tunnels, are left alone, and so is a connection of
 * HTTP/2 with one of these among its streams. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct worker;

/* One connection of this thread is ended.  False if none may be.  Not from inside an exchange:
 * others are answered here. */
bool shortage_make_room(struct worker *w);
/* At the end of a turn: makes room for those that want a descriptor (wants_descriptors), and ends
 * as many connections as memory is short of, before the next turn. */
void shortage_watch(struct worker *w);
/* From server.max_request_memory: 0 is a quarter of what the machine, or our container, has. */
size_t shortage_memory_limit(uint64_t configured);
/* With this many sockets, of clients and of tenants, a new client is taken only if another leaves:
 * the descriptors that are left are for connections to tenants, and for files. */
size_t shortage_max_sockets(void);
