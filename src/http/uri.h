/* uri.h - paths in the one form that is routed and forwarded, and the Host of a request. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"

/* Gives a raw path its normal form: escapes of unreserved characters decoded, the hexadecimal
 * digits of the others in capitals, empty and dot segments removed (RFC 3986 5.2.4, 6.2.2).  A
 * final slash stays.  Done once: the result is its own normal form, and nothing is decoded twice
 * ("%252e" stays what it is).  When the path is normal already, as nearly all are, *ret_path is
 * raw_path itself; otherwise it lives in the arena and is not longer.
 *
 * -EINVAL: no '/' at the beginning; dot segments that climb above the root; a separator in disguise
 * ("%2f", "%5c", a backslash); "%00"; an escape that is not % and two hexadecimal digits; controls,
 * blanks, bytes above 0x7e, '?' and '#'.
 *
 * What some servers make of "..;" (path parameters) is not the business of HTTP: it is an ordinary
 * segment here. */
int uri_normalise(struct arena *a, str raw_path, str *ret_path) MUST_USE;

/* For people to read (logs): every well-formed escape decoded, anything else as it is.  Never for
 * routing. */
str uri_decode(struct arena *a, str s);

/* True for name, name:port, IPv4 and [IPv6] forms of a Host field.  Names are letters, digits,
 * "-._~": of what RFC 3986 allows besides (escapes, sub-delims) DNS knows nothing, and applications
 * copy Host into pages and links. */
bool uri_host_is_valid(str host);
/* Splits a valid Host: the name without the port (an IPv6 address keeps its brackets), and the port
 * or 0. */
void uri_host_split(str host, str *ret_name, unsigned *ret_port);
