/* daemon.h - the one Litestream process that replicates the databases of all awake tenants.
 *
 * It is started when it is needed, watched, started again when it dies (the new one knows nothing:
 * every database must be registered again), and stopped when nothing has needed it for a while. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/rpc.h"
#include "backup/program.h"
#include "backup/why.h"
#include "base/json.h"

struct daemon;

/* Its log lines below warning, and those that only repeat what we know, are left out. */
struct daemon_spec {
	struct loop *loop;
	const char *program; /* these are borrowed */
	char *const *env;
	int keys_fd; /* becomes its descriptor PROGRAM_KEYS; -1 without */
	str run_dir;
	msec linger; /* how long it runs unneeded */
	/* It answers, and knows no database. */
	void (*on_ready)(void *arg);
	/* It is gone; it comes back by itself while it is needed. */
	void (*on_lost)(void *arg);
	void *arg;
};

/* NULL and *ret_reason when run_dir is too long for a socket. */
struct daemon *daemon_new(const struct daemon_spec *spec, char **ret_reason) MUST_USE;
void daemon_free(struct daemon *d); /* after daemon_stop, or never needed */

/* It is needed from now on, until daemon_drop. */
void daemon_hold(struct daemon *d);
void daemon_drop(struct daemon *d);
/* It will soon be needed: starts it, and lets it linger. */
void daemon_warm(struct daemon *d);
/* Ends it (at once if it is stuck), and starts it again if it is needed; what was registered is
 * lost. */
void daemon_replace(struct daemon *d, bool is_stuck, const char *why);
/* Ends it for good; done exactly once, even if it does not run. */
void daemon_stop(struct daemon *d, loop_fn *done, void *arg);

/* Until it is allowed it is not started, even if it is needed; why says what is waited for. */
void daemon_bar(struct daemon *d, const char *why);
void daemon_unbar(struct daemon *d);

bool daemon_is_ready(const struct daemon *d);
/* It has died, and there is a pause before it is started again. */
bool daemon_has_died(const struct daemon *d);
/* A different number for each process, from 1. */
uint64_t daemon_generation(const struct daemon *d);
/* For requests while it is ready; those under way when it dies end with -ECANCELED. */
struct rpc *daemon_rpc(struct daemon *d);
/* Why it is not ready; "is starting" at least. */
const char *daemon_why(const struct daemon *d);
/* Resident memory in bytes, 0 if it does not run. */
uint64_t daemon_memory(const struct daemon *d);
/* {"pid":…,"version":…,"state":…,"restarts":…,"why":…} */
void daemon_status_json(const struct daemon *d, struct json *j, const char *key);
