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
#include "supervisor/fleet.h"
#include "supervisor/listeners.h"
#include "supervisor/places.h"
#include "supervisor/sleep.h"
#include "supervisor/roster_watch.h"
#include "supervisor/store_watch.h"
#include "supervisor/supervisor.h"
#include "tenant/tenant.h"

struct proxy_child;
struct target;
struct opening_thread;
struct work;

/* Of the first configuration: fixed for the life of this process. */
struct own_paths {
	char *secret; /* master of the tenants' SECRET_KEY_BASE */
	char *run_dir, *private_dir, *control_path;
	bool has_run_dir;	 /* it could be made and locked */
	struct custody *custody; /* of the storage; NULL with a single application */
};

struct reloading {
	struct work *work;   /* reads configurations, and frees them */
	struct list to_load; /* the first one is being read by a thread */
	struct list to_use;  /* in force, but the proxy does not use it yet */
};

/* Of the cache. */
struct purging {
	struct list waiting; /* for the proxy's answer */
	uint64_t serial;
};

struct ending {
	bool is_impatient;	 /* told twice */
	bool is_proxy_gone;	 /* for good */
	bool is_stopping_backup; /* the last thing to end */
	int status;		 /* of the exit */
};

struct supervisor {
	struct loop *loop;
	struct config *conf; /* in force; one reference */
	const struct config_source *source;
	struct scoreboard board;
	struct {
		struct listeners listeners;
		char *address; /* what we listen on, for people */
	} listening;
	struct proxy_child *proxy;
	struct opening_thread *opener;
	struct backup *backup;
	struct tenants *tenants;
	struct fleet fleet;
	struct target *target; /* the platform; never NULL while the loop runs */
	struct store_watch store;
	struct sleeping sleeping;
	struct roster_state roster;
	struct control *control; /* NULL where its socket could not be made (single tenant only) */
	struct signals signals;
	struct reloading reloading;
	struct purging purging;
	struct places places;
	struct ending ending;
	struct own_paths own;
	struct process_user proxy_user;
	struct {
		msec at;
		bool has_announced; /* sd_notify READY=1 */
	} started;
	struct {
		bool is_ending;	   /* told to end */
		bool has_terminal; /* it was started on one, and ends with it */
	} end;
};

/* A configuration that was read again says where our directories would be if they were made now. */
static inline void own_paths_keep(const struct own_paths *own, struct config *c)
{
	c->server.run_dir = str_of(own->run_dir);
	c->server.control_socket = str_of(own->control_path);
}

/* --- ending.c --- */

/* Something that the end waits for is over: ends, unless it still waits for something else. */
void ending_check(struct supervisor *s);
/* The same from inside a call that the end must not interrupt. */
void ending_check_soon(struct supervisor *s);
