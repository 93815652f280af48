/* probe.h - finds within milliseconds that an application answers, and at which loopback address.
 *
 * A refused connection is tried again after 1 to 3 ms, less often the longer the start takes.  Once
 * a connection is accepted (the kernel does that where the listening socket is ours), the probe
 * waits for the answer; an answer of 500 or more, or none, is tried again after 4 to 25 ms. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

struct probe;
/* Each is called once, never from inside probe_start: that it answers, at ::1 or elsewhere; and
 * then, never from inside that, that its answer was read to the end, or for long enough, and the
 * probe is freed. */
typedef void probe_fn(void *arg, bool is_ipv6);
typedef void probe_end_fn(void *arg);

struct probe_target {
	unsigned port;		 /* on 127.0.0.1; 0: */
	bool is_ipv6;		 /* the port is on ::1 */
	bool may_be_ipv6;	 /* or may be there: both are tried in turn */
	const char *socket_path; /* a unix socket */
	str request;		 /* a whole HTTP request; empty: being connected is enough */
};

/* Copies target.  Goes on until it succeeds or is freed. */
struct probe *probe_start(struct loop *l, const struct probe_target *target, probe_fn *on_ready,
	probe_end_fn *on_end, void *arg) MUST_USE;
/* The last try got an answer in HTTP. */
bool probe_has_status(const struct probe *p);
/* The result of the last try, for people: "it refuses connections", "it answers with status
 * 500". */
void probe_describe(const struct probe *p, char *out, size_t size);
/* NULL is fine. */
void probe_free(struct probe *p);
