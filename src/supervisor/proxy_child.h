/* proxy_child.h - the proxy process: started, given its configuration, and started again when it
 * dies. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "link/channel.h"
#include "link/scoreboard.h"

struct proxy_child;
struct supervisor;

/* What it reports, and how it ends.  The argument of each is the supervisor. */
struct proxy_events {
	/* It serves; a new proxy knows no tenants. */
	void (*on_listening)(void *arg);
	/* All its threads use the configuration in force. */
	void (*on_configured)(void *arg);
	/* A request wants a tenant that does not run. */
	void (*on_wake)(void *arg, uint32_t slot);
	/* A request has come, see STIR in link/channel.def. */
	void (*on_stir)(void *arg, msec ahead);
	/* A tenant leaves requests unanswered. */
	void (*on_stuck)(void *arg, uint32_t slot);
	/* A health check asks for the backup's store. */
	void (*on_store_asked)(void *arg);
	/* Requests wait for this machine, which was not reached where it was at this generation (0:
	 * nothing was said of it yet). */
	void (*on_reach)(void *arg, str machine, uint32_t generation);
	/* Another machine says that this version of it is written. */
	void (*on_roster_told)(void *arg, uint64_t version);
	/* A request has come; not said of each. */
	void (*on_request)(void *arg);
	/* Requests wait for a look at the roster. */
	void (*on_roster_asked)(void *arg, uint64_t number);
	/* This many entries of the cache are gone. */
	void (*on_purged)(void *arg, uint64_t serial, uint32_t entries);
	/* This one is dead, and has forgotten everything. */
	void (*on_died)(void *arg);
	/* It has ended by itself, proxy_child_reason says how, and another one is started. */
	void (*on_crashed)(void *arg);
	/* It was told to end, and none follows. */
	void (*on_gone)(void *arg);
};

/* Starts it; borrows events.  NULL with *ret_reason (malloc'd) if even that fails. */
struct proxy_child *proxy_child_new(
	struct supervisor *s, const struct proxy_events *events, char **ret_reason) MUST_USE;
/* What the proxy needs of a configuration, as a sealed memfd.  0 or -errno.  Any thread. */
int proxy_child_snapshot(const struct config *conf, int *ret_fd) MUST_USE;
/* The supervisor's configuration has changed, and this is its snapshot.  on_configured is called
 * when all threads use it, be it in a new proxy. */
void proxy_child_configure(struct proxy_child *p, int take_snapshot_fd);
/* Configurations have growing numbers: that of the next one. */
uint64_t proxy_child_next(const struct proxy_child *p);
/* No thread of the proxy uses a configuration before this one, or ever will. */
bool proxy_child_has(const struct proxy_child *p, uint64_t serial);
/* There is a reason to find out whether it still responds; NULL is fine. */
void proxy_child_ask(struct proxy_child *p);
/* NULL is fine: there may be no proxy at the moment, and the next one is told everything. */
void proxy_child_send_state(
	struct proxy_child *p, uint32_t slot, enum tenant_state state, str text);
void proxy_child_tell_store(struct proxy_child *p);
void proxy_child_tell_resumed(struct proxy_child *p);
/* There was a look at the roster, after on_roster_asked of this number; 0: looks can be asked
 * for. */
void proxy_child_tell_roster(struct proxy_child *p, uint64_t number);
/* What is known of another machine; text is where it is, or why it cannot be reached.  What does
 * not fit into a message is cut. */
void proxy_child_tell_machine(struct proxy_child *p, str machine, enum machine_state state,
	uint32_t generation, str text);
/* False: there is no proxy, so there is nothing to forget.  Otherwise on_purged is called, or
 * on_died. */
bool proxy_child_purge(struct proxy_child *p, uint32_t slot, uint64_t serial, str path) MUST_USE;
/* Lets it finish what is under way, for at most `limit`; on_gone is called when it has ended. */
void proxy_child_drain(struct proxy_child *p, msec limit);
/* At once. */
void proxy_child_kill(struct proxy_child *p);
pid_t proxy_child_pid(const struct proxy_child *p);
unsigned proxy_child_restarts(const struct proxy_child *p);
/* Why the previous one ended: "was killed by signal 9 (KILL)"; NULL: there was none. */
const char *proxy_child_reason(const struct proxy_child *p);
/* All its threads use the configuration in force. */
bool proxy_child_is_configured(const struct proxy_child *p);
/* It must have ended. */
void proxy_child_free(struct proxy_child *p);
