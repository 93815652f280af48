/* reply.h - the tenant's answer on its way to the client, as the relay (relay.c) moves it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* One read from the tenant and what follows from it.  GO: something moved. */
enum step reply_move(struct exchange *x);
/* Sends the gather to the client. */
enum step reply_send(struct exchange *x);
