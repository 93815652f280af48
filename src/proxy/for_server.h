/* for_server.h - what is asked of the server as a whole, and of no tenant: nobody is woken. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* Where a platform asks whether the machine is well, unless a tenant lives there. */
bool for_server_is_health(const struct exchange *x, str path);

/* It is there: OPTIONS * (RFC 9110 9.3.7). */
enum step for_server_answer(struct exchange *x);
/* The same to a health check, or 503 with server.health_store. */
enum step for_server_answer_health(struct exchange *x);

/* server.index is set, and "/" is asked for.  Of a request for which there is no tenant. */
bool for_server_is_index(const struct exchange *x);
/* Answers with links to the tenants, of the request's host, or of no host if it has none. */
enum step for_server_answer_index(struct exchange *x);
