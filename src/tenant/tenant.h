/* tenant.h - the tenants of this machine: woken, started, watched, replaced and stopped.
 *
 * All of it happens on the loop's thread.  A tenant is named by its slot; one that is not in use,
 * or was never woken, is fine. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/backup.h"
#include "config/config.h"
#include "control/events.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "process/process.h"
#include "tenant/custody.h"

struct tenants;

/* What tenants need of their owner: the supervisor fills it in.  Each may be called from inside a
 * step of a tenant, so none may call back before the end of the turn, except to end everything
 * (tenants_end). */
struct tenant_host {
	/* The state, and what a page shows meanwhile. */
	void (*tell_proxy)(void *arg, uint32_t slot, enum tenant_state state, str text);
	/* Its state has changed. */
	void (*on_change)(void *arg, const struct control_change *change);
	/* A request has been under way for long: does the proxy still respond? */
	void (*ask_proxy)(void *arg);
	void (*on_output)(void *arg, str id, const struct control_line *line);
	/* One of them rests. */
	void (*on_rest)(void *arg);
	/* The single application has ended and is not to be started again; or could not be started
	 * at all. */
	void (*on_single_exit)(void *arg, int status);
	void (*on_single_failed)(void *arg, const char *reason);
};

/* All of it is borrowed. */
struct tenants_setup {
	struct loop *loop;
	struct config *conf; /* in force */
	struct scoreboard *board;
	struct backup *backup;
	struct custody *custody; /* NULL: all tenants are ours, always */
	char *const *environ;
	const char *secret;		  /* master of the tenants' SECRET_KEY_BASE */
	const struct process_user *proxy; /* the user who connects to their sockets */
	unsigned own_port;		  /* where fly-atc listens: no port for tenants */
	const struct tenant_host *host;
	void *host_arg;
};

struct tenants *tenants_new(const struct tenants_setup *setup) MUST_USE;
/* NULL is fine.  All are at rest. */
void tenants_free(struct tenants *all);

/* --- what the proxy reports --- */

/* A request wants it. */
void tenants_wake(struct tenants *all, uint32_t slot);
/* It leaves requests unanswered: health.h. */
void tenants_suspect(struct tenants *all, uint32_t slot);
/* A new proxy knows no tenants: host.tell_proxy for all that are not asleep. */
void tenants_announce(struct tenants *all);
/* At the end of each turn: the states reached in it that could wait. */
void tenants_tell(struct tenants *all);

/* --- another configuration, in this order --- */

/* It is not in the configuration that is about to be in force: it is stopped, and forgotten once it
 * rests. */
void tenants_remove(struct tenants *all, uint32_t slot);
/* This is in force; its slots are assigned. */
void tenants_configure(struct tenants *all, struct config *conf);
/* It was removed and is back: its former copy is still ending. */
void tenants_keep(struct tenants *all, uint32_t slot);
/* Those that are unchanged go on under the new configuration, the others are marked to be
 * replaced. */
void tenants_adopt(struct tenants *all);
/* Those that run from boot and have not been woken yet. */
void tenants_wake_at_boot(struct tenants *all);
/* Looks at once for those that may be replaced. */
void tenants_replace_soon(struct tenants *all);

/* --- the machine sleeps --- */

/* Whether none of them is on its way, ending, or at work; with `rested`, whether none is awake.  If
 * so: since when (monotonic; 0: always), which may not be before `ret_since` already is. */
bool tenants_are_idle(const struct tenants *all, bool rested, msec *ret_since);
/* Stops those that are idle, whatever their idle_timeout; those that are asked for meanwhile come
 * back. */
void tenants_put_to_sleep(struct tenants *all);
/* What the databases of those that run have, is in the store.  `done` as in backup.h: not ok, with
 * a reason, if that is not known of all of them. */
void tenants_confirm(struct tenants *all, backup_fn *done, void *arg);
/* The machine has slept: nobody was idle meanwhile, and of each that runs the store is asked
 * whether its databases are still ours; one that another fly-atc has taken over is stopped.  `done`
 * when all are known: not ok, with a reason, if the store has not answered for all of them. */
void tenants_resume(struct tenants *all, backup_fn *done, void *arg);
/* The same question once more. */
void tenants_recheck(struct tenants *all, backup_fn *done, void *arg);

/* --- the end --- */

/* All are stopped, and none is woken any more. */
void tenants_end(struct tenants *all);
/* After that: kills what still runs. */
void tenants_kill(struct tenants *all);
/* Another fly-atc with this storage wants it. */
void tenants_wanted_elsewhere(struct tenants *all, str id);
/* None has anything under way. */
bool tenants_are_at_rest(const struct tenants *all);

/* --- a single application --- */

/* Sends it the signal.  True if we will end with it; false: there is none, or it is about to be
 * started again. */
bool tenants_relay(struct tenants *all, int signo);

/* --- operators --- */

/* How many slots there are; some may be unused. */
uint32_t tenants_slots(const struct tenants *all);
/* It was woken once, and is remembered. */
bool tenants_has(const struct tenants *all, uint32_t slot);
/* Adds what is known of one that was woken; `waits` holds a text for it and belongs to the
 * caller. */
void tenants_show(
	const struct tenants *all, uint32_t slot, struct control_tenant *shown, struct buf *waits);
/* The newest lines of its output, at most n. */
void tenants_show_output(
	const struct tenants *all, uint32_t slot, size_t n, control_line_fn *each, void *each_arg);
/* As in control_ops, of a tenant that is in the configuration. */
void tenants_start(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg);
void tenants_stop(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg);
void tenants_restart(struct tenants *all, uint32_t slot, control_done_fn *done, void *arg);
void tenants_hold(struct tenants *all, uint32_t slot, str name, msec length, control_done_fn *done,
	void *arg);
const char *tenants_restart_all(
	struct tenants *all, const struct control_roll *how, control_rolled_fn *each, void *arg);
