/* rig.h - a tenant, a store and a real Litestream for one test. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backup/backup_int.h"

#define RIG_LIMIT 15000u /* msec for anything that is waited for */

struct rig {
	struct loop *loop;
	struct backup *backup;
	char *dir, *run_dir, *store_dir; /* store_dir: what file:// names, or the gateway's root */
	struct config conf;
	struct app_conf app;
	struct tenant_conf tenant;
	struct database_conf dbs[2];
	char *url, *endpoint;
	pid_t gateway;
	uint16_t port;
	int port_fd; /* keeps the port from other tests */
	/* of the present wait */
	struct backup_result result;
	bool is_done;
};

enum rig_store { RIG_NONE, RIG_FILE, RIG_S3 };

/* One database, "primary"; rig_add_queue adds "queue".  The store is up, the backup is open. */
struct rig *rig_new(enum rig_store kind);
void rig_free(struct rig *r);
void rig_add_queue(struct rig *r);

/* fly-atc ends, and begins again; everything that is only in memory is gone. */
void rig_close(struct rig *r);
void rig_open(struct rig *r);

void rig_store_down(struct rig *r);
void rig_store_up(struct rig *r);

struct backup_result rig_restore(struct rig *r);
struct backup_result rig_attach(struct rig *r);
struct backup_result rig_detach(struct rig *r);
/* The same, and it must be ok. */
void rig_wake(struct rig *r);  /* restore, attach */
void rig_sleep(struct rig *r); /* detach */
/* Turns until check says true; fails the test after RIG_LIMIT. */
void rig_until(struct rig *r, bool (*check)(struct rig *r));
void rig_turn_for(struct rig *r, msec length);

/* The tenant's database by name. */
char *rig_path(struct rig *r, const char *name);
void rig_sql(struct rig *r, const char *name, const char *sql);
int rig_count(struct rig *r, const char *name);		    /* rows of t */
void rig_make_rows(struct rig *r, const char *name, int n); /* creates t where it is missing */
void rig_wipe(struct rig *r);				    /* rm -rf of the tenant's directory */
void rig_shell(const char *fmt, ...) PRINTF(1, 2);
bool rig_exists(const char *fmt, ...) PRINTF(1, 2);
/* Object of the store, by key, as text; NULL if there is none. */
char *rig_object(struct rig *r, const char *key);
void rig_put_object(struct rig *r, const char *key, const char *text);
void rig_remove_object(struct rig *r, const char *prefix);
pid_t rig_daemon_pid(struct rig *r);
/* The program in PATH or where script/setup puts it; fails the test without it. */
char *rig_program(const char *name);
