/* opening_thread.h - opens files for the proxy, which may read nothing of a tenant itself.
 *
 * A thread of its own: a disk that keeps us waiting must not keep the supervisor waiting.  It works
 * through one request after the other, the links in turn, so that the most a proxy gone wrong can
 * do is to keep it busy with files that the tenants may send anyway (confine.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

struct opening_thread;

/* Starts it; it keeps a reference to the configuration.  0 or -errno. */
int opening_thread_start(struct config *conf, struct opening_thread **ret) MUST_USE;
/* Requests from now on are judged by another configuration. */
void opening_thread_configure(struct opening_thread *t, struct config *conf);
/* A new proxy, with n links; the links of the former one are closed.  *ret_fds are its ends, which
 * the caller closes.  0 or -errno. */
int opening_thread_connect(struct opening_thread *t, size_t n, int *ret_fds) MUST_USE;
/* Waits for its end.  NULL is fine. */
void opening_thread_stop(struct opening_thread *t);
