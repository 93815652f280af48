/* shortage.h - who gives way when descriptors, places for connections, or memory run out.
 *
 * First who has been idle for long, then the slowest of those whose request is not complete or who
 * do not take their answer: to hold what others need must cost as many bytes as others send.  Who
 * waits for a tenant, and tunnels, are left alone, and so is a connection of HTTP/2 that has one of
 * these among its streams. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct worker;

/* One connection of this thread is ended.  False if none may be.  Not from inside of an exchange:
 * others are answered here. */
bool shortage_make_room(struct worker *w);
/* At the end of a turn: before the next one, room is made for who wants a descriptor
 * (wants_descriptors), and as many are ended as memory is short of. */
void shortage_watch(struct worker *w);
/* Of server.max_request_memory: 0 is a quarter of what the machine, or our container, has. */
size_t shortage_memory_limit(uint64_t configured);
/* With so many sockets, of clients and of tenants, no client is taken in for whom no other leaves:
 * the descriptors that are left are for connections to tenants, and for files. */
size_t shortage_max_sockets(void);
