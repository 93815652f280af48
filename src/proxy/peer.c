/* peer.c - sends a request to another machine. */
/* SPDX-License-Identifier: MIT */
#include "proxy/peer.h"

#include "proxy/exchange_int.h"

enum step peer_begin(struct exchange *x, str machine)
{
	return exchange_fail(x, ERROR_PEER_UNREACHABLE,
		str_of(arena_printf(&x->arena, "There is no way to machine " STR_FMT " yet.",
			STR_ARG(machine))));
}
