/* table.h - which tenant a request belongs to: by host, then by the longest path prefix. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Built once from a configuration, never changed, read by any number of threads.  A look-up takes
 * time proportional to the length of the path, whatever the number of tenants. */
struct route_table;

enum route_found {
	ROUTE_NONE,	/* nobody's */
	ROUTE_TENANT,	/* tenant's; before + path is what its application is asked for */
	ROUTE_REDIRECT, /* tenant's, but the client is to ask for before + path instead */
	ROUTE_USER,	/* no tenant's, but all tenants below its known segments are at one place */
};

struct route {
	enum route_found found;
	const struct tenant_conf *tenant; /* for TENANT and REDIRECT, else NULL */
	str machine, region;	  /* where the tenant or the user lives; a machine decides; both
				     empty: anywhere */
	str user;		  /* whose it is; empty: of no user */
	str alone;		  /* a prefix of the path: all below it on this host is at the same
				     place.  Empty: not known, or nothing is */
	str before, path;	  /* together a path; the query is not part of it */
	unsigned redirect_status; /* of REDIRECT: 308 for a missing final slash, 307 by referer */
	bool is_by_referer;	  /* the path itself is not below the tenant's prefix */
};

/* Borrows the configuration, which must outlive the table.  When two tenants have the same host and
 * prefix (config_load refuses that) the first one wins. */
struct route_table *route_table_new(const struct config *conf) MUST_USE;
void route_table_free(struct route_table *t);

/* `host` is the request's, port and all, in any case; it may be empty.  `path` is in normal form
 * (`routed` of http/uri.h).  Tenants of that host come first, then those of any host; among them
 * the longest prefix that ends where a segment ends.
 *
 * A path that is a prefix without its final slash is a REDIRECT: relative links of the page would
 * otherwise leave the tenant.
 *
 * *ret borrows from the path and the configuration. */
void route_find(const struct route_table *t, str host, str path, struct route *ret);
/* Which of the hosts with tenants of their own this one is (from a request, or of a tenant); 0:
 * none of them. */
uint32_t route_host_number(const struct route_table *t, str host);

/* A request for a path at which route_find found NONE. */
struct route_asker {
	str host, path;
	str referer, origin; /* the fields' values, empty if absent */
	bool is_get;	     /* GET or HEAD */
	bool is_upgrade;
	bool is_navigation; /* a person goes there: Sec-Fetch-Mode: navigate */
};

/* Pages of tenants hard-code paths at the root ("/icon.png", "/cable").  Such a path goes to the
 * tenant whose page asks for it: Referer names a page of a tenant on the same host.  A handshake
 * (browsers send no Referer with those) goes by Origin when the host has one tenant only.  Methods
 * other than GET and HEAD are not routed this way.  A navigation is redirected below the prefix, so
 * that the page that it opens can ask for more.
 *
 * True: *ret is TENANT or REDIRECT.  False: it is untouched. */
bool route_by_referer(
	const struct route_table *t, const struct route_asker *asker, struct route *ret);
