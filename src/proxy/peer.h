/* peer.h - the way of a request to another machine of ours: its fly-atc, over HTTP/1.1. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The request belongs to this machine, which is not this one: it is sent there. */
enum step peer_begin(struct exchange *x, str machine);
