/* request_id.h - the name by which one request is known to the tenant, the log and the error
 * page. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/trust.h"

#define REQUEST_ID_SIZE 36

/* xoshiro256++: one for each thread. Unique, not secret. */
struct request_ids {
	uint64_t state[4];
};
void request_ids_init(struct request_ids *ids);

/* X-Request-ID of a trusted peer if it is sane (1 to 128 letters, digits and -_.:@+/=), else the
 * edge's fly-request-id, else a new one (in the form of a UUID of version 4), which is written to
 * `store`. */
str request_id(struct request_ids *ids, const struct request_head *head,
	const struct remote *remote, char store[REQUEST_ID_SIZE]);
