/* forward.h - writes the head of a request for the tenant. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/trust.h"
#include "route/table.h"

/* Where a field's line begins in the head that was written; it ends where the next one begins, or
 * the empty line. */
struct forward_field {
	uint32_t at;
	uint32_t name_length : 24;
	uint32_t id : 8; /* enum header_id */
};
static_assert(HEADER_NIDS <= 256, "a byte for each");
/* In addition to those of the request. */
#define FORWARD_ADDED_MAX 16

struct forward_in {
	/* As request_head_parse filled it.  The field lines must still be adjacent, as they came:
	 * lines that are kept are copied in runs. */
	const struct request_head *head;
	const struct route *route; /* TENANT */
	const struct remote *remote;
	str request_id;		/* from request_id() */
	uint64_t now;		/* milliseconds since 1970 */
	bool keeps_forwarded;	/* server.forward_headers */
	bool keeps_underscores; /* server.underscores_in_headers */
	bool keeps_expect;	/* let the tenant answer Expect: 100-continue */
	/* It goes to another machine of ours, of this name, with this marker of ours, and the
	 * fields are written for its fly-atc: what the client is known to be, all else as it came.
	 * Empty: to the tenant. */
	str machine, hop;
	bool sends_files; /* tell the tenant that X-Sendfile is obeyed */
	/* Room for the request's fields and FORWARD_ADDED_MAX more, where the fields are noted in
	 * order. */
	struct forward_field *fields;
};

/* Appends the head, with its empty line, to an empty `out`.  Always HTTP/1.1.  The number of its
 * fields.
 *
 * - The path is the route's, the query the client's, byte for byte.
 * - Fields keep their order and spelling, duplicates too (but Authorization sent twice alike goes
 * once). What we add comes last.
 * - Framing is that of the head: Content-Length, chunked, or none.  POST, PUT and PATCH without a
 * body get Content-Length: 0.
 * - Never forwarded: hop-by-hop fields; names with an underscore (by default), which are taken for
 * others where '_' and '-' are the same (CGI, Rack, WSGI); what would steer the application in our
 * name: Forwarded, Proxy, SCRIPT_NAME, X-Script-Name, X-Forwarded-Prefix, X-Sendfile,
 * X-Sendfile-Type, X-Accel-*, X-Original-URL, X-Rewrite-URL.
 * - X-Forwarded-* are one value each.  X-Forwarded-For is fly-client-ip behind the edge, the client
 * that a trusted peer tells of, else the peer.  X-Forwarded-Proto and -Host are kept from a trusted
 * peer, else ours.  All other X-Forwarded-*, X-Real-IP, X-Request-Start, X-Request-ID: only from a
 * trusted peer, the first one, and no lists.  Fly-*: only from the edge.
 * - Destination and If (WebDAV) name what the application knows: without a prefix that is stripped.
 * - X-Forwarded-Prefix tells the tenant's prefix; X-Script-Name too, where it is stripped.
 * - X-Sendfile-Type is ours alone: X-Sendfile.
 * - Upgrade goes on if forward_is_upgrade; TE only as `trailers`. */
size_t forward_head(struct buf *out, const struct forward_in *in);

/* True for an upgrade that is passed on.  Never from HTTP/2, where the application could switch to
 * a protocol that we do not see. */
bool forward_is_upgrade(const struct request_head *head);
