/* hop.h - the hop marker on requests between machines of ours (route/marker.h): who wrote it is one
 * of us, and what it says of the client is believed. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* A marker for the request, in the exchange's arena; empty if the fleet has no secret. */
str hop_write(struct exchange *x);
/* If the request brings a marker: believes its sender about the client.  WAIT: it goes on; else
 * what follows.  The path must be known. */
enum step hop_take(struct exchange *x);
