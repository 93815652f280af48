/* rewrite.h - rewrites fields that hold URLs or paths: in responses they are moved below the
 * tenant's prefix, in requests out of it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "route/table.h"

/* What the response is an answer to. */
struct rewrite {
	str prefix;	  /* of the tenant, without final slash; empty: at the root */
	str host;	  /* of the request, with its port */
	str tenant_host;  /* if the tenant has a host of its own, else empty */
	bool is_stripped; /* the application does not know its prefix */
	bool is_by_referer;
	/* Not 0: instead of all this, where the application means itself by the address at which it
	 * listens (http or https at 127.0.0.1, localhost, 0.0.0.0, [::1] or [::], and this port),
	 * clients are told `origin`: scheme, "://", and the host that they know. */
	unsigned own_port;
	str origin;
};
void rewrite_init(struct rewrite *r, const struct route *route, str host);

typedef bool rewrite_fn(struct buf *out, const struct rewrite *r, str value);

/* Each appends the new value and returns true, or appends nothing and returns false: the value
 * stays as it is. Applied to its own result each returns false.
 *
 * rewrite_url (Location and its like, by the table in answer.c), rewrite_location_or_json (a URL,
 * or JSON whose member "path" is one), rewrite_refresh, rewrite_link: only where the prefix is
 * stripped.  A path from the root, alone or after our own host, is put below the prefix unless it
 * is there already.  Other hosts, "//host", relative paths and other schemes stay. */
bool rewrite_url(struct buf *out, const struct rewrite *r, str value);
bool rewrite_location_or_json(struct buf *out, const struct rewrite *r, str value);
bool rewrite_refresh(struct buf *out, const struct rewrite *r, str value);
bool rewrite_link(struct buf *out, const struct rewrite *r, str value);

/* Set-Cookie.  A Path outside the prefix is put below it; "/" becomes the prefix itself.  Without a
 * Path a browser takes the directory of the request, which is below the prefix already, so nothing
 * is added, except to the answer to a request that came by referer.  Domain is taken away where a
 * tenant has a host of its own, since it reaches the siblings' hosts.  __Host- cookies stay as they
 * are: with another Path browsers refuse them (tenants that set them want a host each). */
bool rewrite_cookie(struct buf *out, const struct rewrite *r, str value);

/* The other way, for fields of requests (RFC 4918 10.3, 10.4): a URL of the tenant in Destination,
 * and those in angles in If, lose the prefix that the application does not know. */
bool rewrite_destination(struct buf *out, const struct rewrite *r, str value);
bool rewrite_if(struct buf *out, const struct rewrite *r, str value);
