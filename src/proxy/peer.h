/* peer.h - the way of a request to another machine of ours: its fly-atc, over HTTP/1.1, as another
 * client's, but with the hop marker. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The request belongs to this machine, which is not this one: it is sent there. */
enum step peer_begin(struct exchange *x, str machine);
void peer_wait_enter(struct exchange *x);
void peer_wait_leave(struct exchange *x);
/* With the head of the answer: what is at the machine's address is another one of ours, which has
 * refused the request unread.  It is as if nothing had been there. */
bool peer_is_another(struct exchange *x, const struct response_head *h);
