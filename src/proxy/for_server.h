/* for_server.h - requests for the server as a whole rather than for a tenant: they wake nobody. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* The path at which a platform asks whether the machine is well, unless a tenant lives there. */
bool for_server_is_health(const struct exchange *x, str path);

/* The server is there: OPTIONS * (RFC 9110 9.3.7). */
enum step for_server_answer(struct exchange *x);
/* The same for a health check, or 503 with server.health_store. */
enum step for_server_answer_health(struct exchange *x);

/* server.index is set, and "/" is asked for.  For a request that belongs to no tenant. */
bool for_server_is_index(const struct exchange *x);
/* Answers with links to the tenants of the request's host, or of no host if it has none. */
enum step for_server_answer_index(struct exchange *x);
