/* opening.h - files that only the supervisor may open: the proxy names one, and is given its
 * descriptor.
 *
 * A SEQPACKET socket pair (packet_pair) for each thread of the proxy, one message a packet.
 * Requests of a pair are answered in their order.  Neither side trusts the other: what is not in
 * opening.def, or is not well-formed, ends the link. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

#define OPENING_TENANT_MAX 1024u
#define OPENING_PATH_MAX   4095u
#define OPENING_WHY_MAX	   128u

/* How a path was written. */
enum opening_form {
#define FORM(NAME, doc) OPENING_##NAME,
#include "link/opening.def"
	OPENING_NFORMS
};

/* The result. */
enum opening_result {
#define RESULT(NAME, file, why, doc) OPENING_##NAME,
#include "link/opening.def"
};

/* --- the supervisor's side; it never blocks: the descriptor is non-blocking --- */

struct opening_request {
	uint32_t number; /* comes back with the answer */
	uint32_t form;	 /* enum opening_form */
	str tenant, path;
	char text[OPENING_TENANT_MAX + OPENING_PATH_MAX];
};

/* 0, -EAGAIN, -EPIPE (the other end is closed), -EPROTO (it sent what it may not), or another
 * -errno. */
int opening_receive(int fd, struct opening_request *ret) MUST_USE;
/* `file` is -1 unless this result comes with one, and remains the caller's; `why` is for the log. 0
 * or -errno. */
int opening_answer(int fd, uint32_t number, enum opening_result result, str why, int file) MUST_USE;

/* --- the proxy's side --- */

struct opener;
struct opening;
/* fd now belongs to the callee, or is -1.  Called once for each opener_ask that was not cancelled,
 * never from inside that call. */
typedef void opened_fn(void *arg, enum opening_result result, str why, int fd);
/* The supervisor is gone or broke the rules; called once, and nothing comes after it. */
typedef void opener_closed_fn(void *arg);

/* Takes fd.  NULL if it cannot be watched. */
struct opener *opener_new(struct loop *l, int fd, opener_closed_fn *on_closed, void *arg);
/* Asks for a file of a tenant; the texts are within the limits above, and copied. */
struct opening *opener_ask(struct opener *o, str tenant, str path, enum opening_form form,
	opened_fn *on_opened, void *arg) MUST_USE;
/* The answer is no longer needed: on_opened is not called. */
void opening_cancel(struct opening *op);
