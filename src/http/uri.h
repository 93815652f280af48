/* uri.h - paths in the one form that is routed and forwarded, and the Host of a request. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"

/* A path in the three forms that are needed of it. */
struct uri_path {
	/* Decides which tenant it belongs to; patterns of the configuration and names of files are
	 * compared with it: escapes of unreserved characters decoded, the hexadecimal digits of the
	 * others in capitals, empty and dot segments removed (RFC 3986 5.2.4, 6.2.2).  A final
	 * slash stays.  An escaped separator ("%2F", "%5C") is a character like others. */
	str routed;
	/* Byte by byte what the client wrote, except for dot segments, which are removed. */
	str sent;
	/* What a server makes of it that takes escaped separators for separators, in the form of
	 * `routed`.  If that belongs to another tenant, the path is a trick. */
	str decoded;
};

/* Nothing is decoded twice ("%252e" stays what it is).  When the path is in normal form already, as
 * nearly all are, all three are raw_path itself; otherwise they live in the arena and are not
 * longer.
 *
 * -EINVAL, and the place of the byte that is to blame in *ret_at: no '/' at the beginning; dot
 * segments that climb above the root, also in `decoded`; ".." after an empty segment, where some
 * leave the empty one and others the one before it; a backslash; "%00"; an escape that is not % and
 * two hexadecimal digits; controls, blanks, bytes above 0x7e, '?' and '#'.
 *
 * What some servers make of "..;" (path parameters) is not the business of HTTP: it is an ordinary
 * segment here. */
int uri_path_read(struct arena *a, str raw_path, struct uri_path *ret, size_t *ret_at) MUST_USE;

/* The prefix, with which p->routed begins, and after it what the client wrote.  Slashes after the
 * prefix become one: what follows begins a path, and "//" would begin a host there. */
str uri_path_below(struct arena *a, const struct uri_path *p, str prefix);

/* True if there is an escaped slash or backslash, in a path in the form of `routed`. */
bool uri_hides_separator(str routed);

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
