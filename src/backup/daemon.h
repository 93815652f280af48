/* daemon.h - the one Litestream that replicates the databases of all tenants that are awake.
 *
 * It is started when it is needed, watched, started again when it dies (then it knows nothing any
 * more: every database must be registered again), and stopped when nobody has needed it for a
 * while. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/rpc.h"
#include "backup/program.h"
#include "backup/why.h"
#include "base/json.h"

struct daemon;

/* Its log lines that only tell what we know, and its lines below warning, are not asked for. */
struct daemon_spec {
	struct loop *loop;
	const char *program; /* these are borrowed */
	char *const *env;
	int keys_fd; /* becomes its descriptor PROGRAM_KEYS; -1 without */
	str run_dir;
	msec linger; /* with nobody in need */
	/* It answers, and knows no database. */
	void (*on_ready)(void *arg);
	/* It is gone; it comes again by itself while somebody needs it. */
	void (*on_lost)(void *arg);
	void *arg;
};

/* NULL and *ret_reason when run_dir is too long for a socket. */
struct daemon *daemon_new(const struct daemon_spec *spec, char **ret_reason) MUST_USE;
void daemon_free(struct daemon *d); /* after daemon_stop, or never needed */

/* Somebody needs it from now on, until daemon_drop. */
void daemon_hold(struct daemon *d);
void daemon_drop(struct daemon *d);
/* Somebody will soon need it: starts it, and it lingers. */
void daemon_warm(struct daemon *d);
/* Ends it (at once if it is stuck), and starts it again if it is needed; what was registered is
 * lost. */
void daemon_replace(struct daemon *d, bool is_stuck, const char *why);
/* Ends it for good; done exactly once, also when it does not run. */
void daemon_stop(struct daemon *d, loop_fn *done, void *arg);

/* From the beginning on it is not started, whoever needs it; why says what is waited for.  Then it
 * may be. */
void daemon_bar(struct daemon *d, const char *why);
void daemon_unbar(struct daemon *d);

bool daemon_is_ready(const struct daemon *d);
/* It has died and pauses before it is started again. */
bool daemon_has_died(const struct daemon *d);
/* Another number for each process, from 1. */
uint64_t daemon_generation(const struct daemon *d);
/* For requests while it is ready; those under way when it dies end with -ECANCELED. */
struct rpc *daemon_rpc(struct daemon *d);
/* Why it is not ready; "is starting" at least. */
const char *daemon_why(const struct daemon *d);
/* Resident memory in bytes, 0 if it does not run. */
uint64_t daemon_memory(const struct daemon *d);
/* {"pid":…,"version":…,"state":…,"restarts":…,"why":…} */
void daemon_status_json(const struct daemon *d, struct json *j, const char *key);
