/* supervisor_int.h - what the files of supervisor/ share. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/backup.h"
#include "config/config.h"
#include "control/control.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "process/process.h"
#include "supervisor/listeners.h"
#include "supervisor/places.h"
#include "supervisor/store_watch.h"
#include "supervisor/supervisor.h"
#include "tenant/tenant.h"

struct proxy_child;
struct opening_thread;
struct work;

struct supervisor {
	struct loop *loop;
	struct config *conf; /* in force; one reference */
	const struct config_source *source;
	struct scoreboard board;
	struct listeners listeners;
	struct proxy_child *proxy;
	struct opening_thread *opener;
	struct backup *backup;
	struct tenants *tenants;
	struct store_watch store_watch;
	struct control *control; /* NULL where its socket could not be made (single tenant only) */
	struct signals signals;
	struct work *work;   /* reads configurations, and frees them */
	struct list to_load; /* reloads: the first is being read by a thread */
	struct list reloads; /* in force, and waiting for the proxy */
	struct places places;
	struct process_user proxy_user;
	char *secret;	    /* master of the tenants' SECRET_KEY_BASE */
	struct list purges; /* of the cache, until the proxy has answered */
	uint64_t purge_serial;
	msec started_at;
	char *address; /* what we listen on, for people */
	char *run_dir, *private_dir,
		*control_path;	 /* of the first configuration: they hold for our life */
	bool has_run_dir;	 /* it could be made and locked */
	bool is_ending;		 /* told to end */
	bool is_impatient;	 /* told twice */
	bool has_terminal;	 /* it was started on one, and ends with it */
	bool has_announced;	 /* sd_notify READY=1 */
	bool is_proxy_gone;	 /* for good */
	bool is_stopping_backup; /* the last thing to end */
	int exit_status;
};

/* --- ending.c --- */

/* Something that the end waits for is over: ends, unless it waits for more. */
void ending_check(struct supervisor *s);
/* The same from inside of something that must not meet the end. */
void ending_check_soon(struct supervisor *s);
