/* client.h - asks the control server of a running fly-atc; blocks, for the command line. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* A piece of the answer's body as it comes. */
typedef void client_data_fn(void *arg, unsigned status, str piece);

/* One request; an empty body is none.  0 and the status once the whole answer has come; -ENOENT or
 * -ECONNREFUSED if no fly-atc is there, -EACCES if it is another user's, -EPROTO if the answer
 * cannot be parsed, -EPIPE if it broke off, or another -errno. */
int client_ask(const char *socket_path, const char *method, str target, str body,
	client_data_fn *on_data, void *arg, unsigned *ret_status) MUST_USE;
/* Adds one segment of a path: everything but letters, digits and -._~ is escaped, '/' too. */
void client_add_segment(struct buf *out, str segment);
