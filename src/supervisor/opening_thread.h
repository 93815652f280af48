/* opening_thread.h - opens files for the proxy, which may read nothing of a tenant itself.
 *
 * It has a thread of its own: a slow disk must not keep the supervisor waiting.  It serves one
 * request at a time, the links in turn, so the worst that a compromised proxy can do is to keep it
 * busy with files that the tenants may send anyway (confine.h). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

struct opening_thread;

/* Starts it; it keeps a reference to the configuration.  0 or -errno. */
int opening_thread_start(struct config *conf, struct opening_thread **ret) MUST_USE;
/* Requests are judged by this configuration from now on. */
void opening_thread_configure(struct opening_thread *t, struct config *conf);
/* A new proxy, with n links; the links of the former one are closed.  *ret_fds are its ends, which
 * the caller closes.  0 or -errno. */
int opening_thread_connect(struct opening_thread *t, size_t n, int *ret_fds) MUST_USE;
/* Waits for its end.  NULL is fine. */
void opening_thread_stop(struct opening_thread *t);
