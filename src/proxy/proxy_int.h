/* proxy_int.h - what the worker threads ask of the process; any thread may call these. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct cache;
struct cache_flights;
struct cache_patterns;
struct proxy;
struct quota;

/* Counts the connections of all threads, for server.max_connections. */
void proxy_connection_came(struct proxy *p);
void proxy_connection_gone(struct proxy *p);
size_t proxy_connections(const struct proxy *p);
/* Counts the connections to tenants. */
void proxy_upstream_came(struct proxy *p);
void proxy_upstream_gone(struct proxy *p);
size_t proxy_upstreams(const struct proxy *p);
/* Counts the requests held by all threads; returns how many there were before. */
size_t proxy_hold_enter(struct proxy *p);
void proxy_hold_leave(struct proxy *p);
/* What each client has, of all threads. */
struct quota *proxy_connection_quota(struct proxy *p);
struct quota *proxy_request_quota(struct proxy *p);
/* What all threads share: stored responses, and who brings which. */
struct cache *proxy_cache(const struct proxy *p);
struct cache_flights *proxy_flights(const struct proxy *p);
struct cache_patterns *proxy_patterns(const struct proxy *p);
/* Asks the supervisor to start the tenant of a slot. */
void proxy_wake(struct proxy *p, uint32_t slot);
/* A worker has something to do. */
void proxy_busy(struct proxy *p);
/* For a health check: why the backup's store is not known to be in reach; empty: it is.  The
 * supervisor is asked to look once more. */
str proxy_store_fault(struct proxy *p);
/* The tenant of a slot has left `max_timeouts` requests in a row without an answer. */
void proxy_stuck(struct proxy *p, uint32_t slot);
/* The loop of a worker turns: the answer to worker_post_ask. */
void proxy_worker_alive(struct proxy *p, uint64_t number);
/* A worker uses this snapshot now. */
void proxy_worker_configured(struct proxy *p, uint64_t serial);
/* A link to the supervisor is broken: the process ends, and is started again. */
void proxy_broken(struct proxy *p);
/* A worker that was told to drain has no connection left. */
void proxy_worker_drained(struct proxy *p);
