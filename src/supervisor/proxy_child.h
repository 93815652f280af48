/* proxy_child.h - the proxy process: started, told, and started again when it dies. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "link/scoreboard.h"

struct proxy_child;
struct supervisor;

/* Starts it.  NULL with *ret_reason (malloc'd) if even that fails. */
struct proxy_child *proxy_child_new(struct supervisor *s, char **ret_reason) MUST_USE;
/* The supervisor's configuration is another: a new snapshot goes out.  reload_on_configured is
 * called when all threads use it, be it in a new proxy.  0, or -errno: the proxy goes on with the
 * old one. */
int proxy_child_configure(struct proxy_child *p);
/* NULL is fine: there may be no proxy at the moment, and the next one is told everything. */
void proxy_child_send_state(
	struct proxy_child *p, uint32_t slot, enum tenant_state state, str text);
/* False: there is none, so there is nothing to forget.  Else purge_on_answer is called, or
 * purge_on_proxy_gone. */
bool proxy_child_purge(struct proxy_child *p, uint32_t slot, uint64_t serial, str path) MUST_USE;
/* Let it finish what is under way, for at most `limit`; supervisor_on_proxy_gone is called when it
 * has ended. */
void proxy_child_drain(struct proxy_child *p, msec limit);
/* At once. */
void proxy_child_kill(struct proxy_child *p);
pid_t proxy_child_pid(const struct proxy_child *p);
unsigned proxy_child_restarts(const struct proxy_child *p);
/* All its threads use the configuration in force. */
bool proxy_child_is_configured(const struct proxy_child *p);
/* It must have ended. */
void proxy_child_free(struct proxy_child *p);
