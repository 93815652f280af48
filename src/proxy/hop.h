/* hop.h - the hop marker on requests between machines of ours (route/marker.h): who wrote it is one
 * of us, and what it says of the client is believed. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"
#include "route/marker.h"

/* A marker for the request, in the exchange's arena; empty if the fleet has no secret. */
str hop_write(struct exchange *x);
/* If the request brings a marker: believes its sender about the client.  WAIT: it goes on; else
 * what follows.  The path must be known. */
enum step hop_take(struct exchange *x);
/* Warns that a marker is from the future: after a resume it is our clock that is behind, so that it
 * is no reason to refuse. */
void hop_note_clocks(struct exchange *x, const struct marker *m);
