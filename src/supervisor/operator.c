/* operator.c - fills in control_ops: what the control socket shows and does. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/operator.h"

#include "supervisor/machines.h"
#include "supervisor/proxy_child.h"
#include "supervisor/purge.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor_int.h"
#include "tenant/waiters.h"

static str isolation_here(const struct supervisor *s)
{
	if (s->conf->is_single)
		return STR("none: a single application");
	return process_can_mount()
		       ? STR("private directories")
		       : STR("environment only: mount namespaces are not permitted here");
}

static str isolation_of(const struct supervisor *s, const struct tenant_conf *t)
{
	return t->app->private_directories.count || s->conf->is_single ? isolation_here(s)
								       : STR("environment only");
}

static void show_global(void *arg, struct control_global *ret)
{
	const struct supervisor *s = arg;
	const char *reason = proxy_child_reason(s->proxy);

	struct control_roster roster;

	roster_watch_show(s, &roster);
	*ret = (struct control_global){
		.started_at = s->started.at,
		.address = str_of(s->listening.address),
		.proxy_pid = proxy_child_pid(s->proxy),
		.proxy_restarts = proxy_child_restarts(s->proxy),
		.proxy_reason = str_of(reason ? reason : ""),
		.threads = (unsigned)s->listening.listeners.count,
		.conf = s->conf,
		.is_proxy_configured = proxy_child_is_configured(s->proxy),
		.is_draining = s->end.is_ending,
		.roster = roster,
		.isolation = isolation_here(s),
		.log_dropped = log_losses(),
	};
}

static struct control_cache cache_of(const struct supervisor *s, const struct tenant_conf *conf)
{
	const struct slot *slot = &s->board.slots[conf->slot];

	return (struct control_cache){
		.bytes = atomic_load(&slot->cache_bytes),
		.entries = atomic_load(&slot->cache_entries),
		.hits = atomic_load(&slot->cache_hits),
		.misses = atomic_load(&slot->cache_misses),
	};
}

/* One that has not been woken yet may still have a pending backup from an earlier fly-atc. */
static struct control_tenant basics(const struct supervisor *s, const struct tenant_conf *conf)
{
	return (struct control_tenant){
		.id = conf->id,
		.user = conf->user,
		.home.is_here = config_is_here(s->conf, conf),
		.home.machine = conf->lives_on,
		.unsaved.pending = backup_pending(s->backup, conf),
		.isolation = isolation_of(s, conf),
		.cache = cache_of(s, conf),
		.failure.reason = STR_EMPTY,
		.failure.error = STR_EMPTY,
		.failure.last_crash = STR_EMPTY,
		.warning = STR_EMPTY,
	};
}

static void show_to_operator(const struct supervisor *s, const struct tenant_conf *conf,
	control_tenant_fn *each, void *each_arg)
{
	struct control_tenant shown = basics(s, conf);
	struct buf gap = {0}, waits = {0};

	backup_add_gap(s->backup, conf, &gap);
	shown.unsaved.gap = buf_str(&gap);
	tenants_show(s->tenants, conf->slot, &shown, &waits);
	each(each_arg, &shown);
	buf_done(&gap);
	buf_done(&waits);
}

static void show_tenants(void *arg, bool all, control_tenant_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;

	for (size_t i = 0; i < s->conf->ntenants; i++) {
		const struct tenant_conf *conf = &s->conf->tenants[i];

		if (all || tenants_has(s->tenants, conf->slot) || backup_pending(s->backup, conf).n)
			show_to_operator(s, conf, each, each_arg);
	}
}

static bool show_tenant(void *arg, str id, control_tenant_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);

	if (conf)
		show_to_operator(s, conf, each, each_arg);
	return conf != NULL;
}

/* The tenant to act on, or NULL when the operator has been answered. */
static const struct tenant_conf *find_tenant(
	struct supervisor *s, str id, control_done_fn *done, void *done_arg)
{
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);

	if (!conf)
		waiters_answer(s->loop, done, done_arg, -ENOENT, "there is no such tenant");
	else if (s->end.is_ending)
		waiters_answer(s->loop, done, done_arg, -ECANCELED, "fly-atc is about to end");
	else
		return conf;
	return NULL;
}

/* The same for what starts it: where it does not live its data may be old, and another machine
 * writes them. */
static const struct tenant_conf *find_resident(
	struct supervisor *s, str id, control_done_fn *done, void *done_arg)
{
	const struct tenant_conf *conf = find_tenant(s, id, done, done_arg);

	if (!conf || config_is_here(s->conf, conf))
		return conf;
	waiters_answer(s->loop, done, done_arg, -ECANCELED, "it lives on another machine");
	return NULL;
}

static void start_tenant(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	const struct tenant_conf *t = find_resident(s, id, done, done_arg);

	if (t)
		tenants_start(s->tenants, t->slot, done, done_arg);
}

static void stop(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	const struct tenant_conf *t = find_tenant(s, id, done, done_arg);

	if (t)
		tenants_stop(s->tenants, t->slot, done, done_arg);
}

static void restart(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	const struct tenant_conf *t = find_resident(s, id, done, done_arg);

	if (t)
		tenants_restart(s->tenants, t->slot, done, done_arg);
}

static const char *restart_all(
	void *arg, const struct control_roll *how, control_rolled_fn *each, void *each_arg)
{
	struct supervisor *s = arg;

	return tenants_restart_all(s->tenants, how, each, each_arg);
}

static void hold(void *arg, str id, str name, msec length, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	const struct tenant_conf *t = find_tenant(s, id, done, done_arg);

	if (t)
		tenants_hold(s->tenants, t->slot, name, length, done, done_arg);
}

static int hold_machine(void *arg, str name, msec length)
{
	struct supervisor *s = arg;

	return s->end.is_ending ? -ECANCELED : sleep_hold(s, name, length);
}

static void show_sleep(void *arg, struct control_sleep *ret)
{
	sleep_show(arg, ret);
}

static void show_tail(void *arg, str id, size_t n, control_line_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);

	if (conf)
		tenants_show_output(s->tenants, conf->slot, n, each, each_arg);
}

static void reload_all(void *arg, control_reload_fn *done, void *done_arg)
{
	found_look(arg);
	reload_start(arg, done, done_arg);
}

static void take_news(void *arg, uint64_t version, control_roster_fn *done, void *done_arg)
{
	roster_watch_spread(arg, version, done, done_arg);
}

static void write_roster(
	void *arg, const struct control_roster_request *q, control_wrote_fn *done, void *done_arg)
{
	roster_watch_write(arg, q, done, done_arg);
}

static void show_history(
	void *arg, uint64_t version, size_t n, control_record_fn *each, void *each_arg)
{
	roster_watch_history(arg, version, n, each, each_arg);
}

static void show_backup(void *arg, struct buf *json)
{
	const struct supervisor *s = arg;

	backup_status_json(s->backup, json);
}

const struct control_ops operator_ops = {
	.global = show_global,
	.tenants = show_tenants,
	.tenant = show_tenant,
	.start = start_tenant,
	.stop = stop,
	.restart = restart,
	.restart_all = restart_all,
	.busy = hold,
	.hold = hold_machine,
	.sleep = show_sleep,
	.tail = show_tail,
	.reload = reload_all,
	.roster_changed = take_news,
	.roster_write = write_roster,
	.roster_history = show_history,
	.fleet = machines_fleet,
	.machines = machines_show,
	.machine = machines_act,
	.backup = show_backup,
	.purge = purge_start,
};
