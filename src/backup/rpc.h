/* rpc.h - requests to Litestream's control socket: HTTP with JSON over a unix socket, in the
 * loop. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "base/str.h"
#include "loop/loop.h"

/* Requests at once; the others wait for their turn. */
#define RPC_MAX_OPEN 64u

struct rpc;
struct rpc_call;

/* error: 0, or -errno of the connection (-ETIMEDOUT after the limit, -ECANCELED by rpc_abort,
 * -EBADMSG when the answer is not a JSON object over HTTP).  answer is borrowed, an object, NULL
 * with an error. */
typedef void rpc_fn(void *arg, int error, unsigned status, json_t *answer);

/* Borrows socket_path. */
struct rpc *rpc_new(struct loop *l, const char *socket_path) MUST_USE;
/* Aborts what is under way; its callbacks are not called. */
void rpc_free(struct rpc *c);
/* A request with a JSON object as body (taken), or without one (NULL).  done exactly once, never
 * from inside; until then the result may be given to rpc_forget. */
struct rpc_call *rpc_call(struct rpc *c, const char *method, const char *target, json_t *take_body,
	msec limit, rpc_fn *done, void *arg);
/* A request without a body that does not wait for its turn. */
void rpc_urge(
	struct rpc *c, const char *method, const char *target, msec limit, rpc_fn *done, void *arg);
/* Its answer no longer matters: done is not called. */
void rpc_forget(struct rpc_call *call);
/* Ends what is under way with -ECANCELED: the other side is known to be gone. */
void rpc_abort(struct rpc *c);
/* The text of an answer's "error", or of the errno, or of the status. */
str rpc_error_text(int error, unsigned status, const json_t *answer);
