/* forwarding.h - a received head goes in, the head for the tenant comes out. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "heads.h"
#include "proxy/forward.h"

/* What the head is forwarded under; zero is an untrusted client, and a tenant that is passed its
 * prefix. */
struct setting {
	const struct tenant_conf *tenant;
	const char *before, *path;
	const char *peer, *fly_client;
	const char *client; /* that the peer tells of; NULL: the peer itself */
	const char *hop;    /* the marker; NULL: it goes to the tenant */
	bool is_peer;
	bool is_trusted, has_edge, drops_forwarded, keeps_expect, keeps_underscores, sends_files;
};

#define TEST_NOW 1723800000123u
#define TEST_ID	 "id-1"

/* With the places of its fields, in an array of their own. */
static inline size_t forward_noted(
	struct buf *out, str bytes, const struct setting *s, struct forward_field **ret_fields)
{
	size_t n;
	struct route route = {.found = ROUTE_TENANT};
	struct remote client = {
		.peer = str_of(s->peer ? s->peer : "9.9.9.9"),
		.address = str_of(s->client ? s->client
				  : s->peer ? s->peer
					    : "9.9.9.9"),
		.fly_client = str_of(s->fly_client ? s->fly_client : ""),
		.is_trusted = s->is_trusted,
		.is_peer = s->is_peer,
		.has_edge = s->has_edge,
	};
	struct request r;

	request_open(&r, bytes);
	route.tenant = s->tenant ? s->tenant : &tenant_root;
	route.before = str_of(s->before ? s->before : "");
	route.path = s->path ? str_of(s->path) : r.head.path;
	*ret_fields = xmalloc((r.head.nheaders + FORWARD_ADDED_MAX) * sizeof(**ret_fields));
	n = forward_head(out, &(struct forward_in){
				      .head = &r.head,
				      .route = &route,
				      .remote = &client,
				      .request_id = STR(TEST_ID),
				      .now = TEST_NOW,
				      .machine = STR("m2"),
				      .hop = str_of(s->hop ? s->hop : ""),
				      .keeps_forwarded = !s->drops_forwarded,
				      .keeps_underscores = s->keeps_underscores,
				      .keeps_expect = s->keeps_expect,
				      .sends_files = s->sends_files,
				      .fields = *ret_fields,
			      });
	request_close(&r);
	return n;
}

static inline void forward_bytes(struct buf *out, str bytes, const struct setting *s)
{
	struct forward_field *fields;

	forward_noted(out, bytes, s, &fields);
	free(fields);
}

/* The forwarded head, parsed as strictly as any; close it. */
static inline void forward_and_parse(
	struct request *ret, const char *bytes, const struct setting *s)
{
	struct buf out = {0};

	forward_bytes(&out, str_of(bytes), s);
	request_open(ret, buf_str(&out));
	buf_done(&out);
}
