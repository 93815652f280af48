/* operator.c - what the control socket shows and does. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/operator.h"

#include "supervisor/busy.h"
#include "supervisor/proxy_child.h"
#include "supervisor/purge.h"
#include "supervisor/reload.h"
#include "supervisor/roll.h"
#include "supervisor/supervisor_int.h"
#include "supervisor/waiters.h"

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

	*ret = (struct control_global){
		.started_at = s->started_at,
		.address = str_of(s->address),
		.proxy_pid = proxy_child_pid(s->proxy),
		.proxy_restarts = proxy_child_restarts(s->proxy),
		.proxy_reason = str_of(reason ? reason : ""),
		.threads = (unsigned)s->listeners.count,
		.conf = s->conf,
		.is_proxy_configured = proxy_child_is_configured(s->proxy),
		.is_draining = s->is_ending,
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

/* One that was never woken may have a pending backup from before fly-atc was started. */
static struct control_tenant basics(const struct supervisor *s, const struct tenant_conf *conf)
{
	return (struct control_tenant){
		.id = conf->id,
		.is_here = tenant_is_here(s->conf, conf),
		.backup_pending = backup_pending(s->backup, conf),
		.isolation = isolation_of(s, conf),
		.cache = cache_of(s, conf),
		.reason = STR_EMPTY,
		.error = STR_EMPTY,
		.last_crash = STR_EMPTY,
		.warning = STR_EMPTY,
	};
}

static void add_run(struct control_tenant *shown, const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);

	shown->has_woken = true;
	shown->output_dropped = t->output.dropped;
	shown->state = t->life.state;
	shown->pid = t->run && t->run->process ? process_pid(t->run->process) : 0;
	shown->since = atomic_load(&slot->since);
	shown->in_flight = atomic_load(&slot->in_flight);
	shown->upgrades = atomic_load(&slot->upgrades);
	shown->requests = atomic_load(&slot->requests);
	shown->held = atomic_load(&slot->held);
	shown->wake = t->wake;
	shown->starts = t->starts;
	shown->restarts = t->restarts;
	if (t->last_crash)
		shown->last_crash = str_of(t->last_crash);
	if (t->reason)
		shown->reason = str_of(t->reason);
	if (t->error)
		shown->error = str_of(t->error);
	if (t->warning)
		shown->warning = str_of(t->warning);
	if (t->run)
		shown->busy_until = busy_last(t);
	if (t->life.state == TENANT_FAILED)
		shown->retry_at = t->tally.retry_at;
}

static void add_replacement(struct control_tenant *shown, const struct tenant *t, struct buf *waits)
{
	if (!replace_is_marked(t))
		return;
	replace_describe(t, waits);
	shown->replace_since = t->run->marked_at;
	shown->replace_at = replace_due(t);
	shown->replace_why = t->run->is_stale ? STR("configuration") : STR("restart");
	shown->replace_waits = buf_str(waits);
}

static void show(const struct supervisor *s, const struct tenant_conf *conf,
	control_tenant_fn *each, void *each_arg)
{
	struct control_tenant shown = basics(s, conf);
	struct tenant *t = s->tenants[conf->slot];
	struct buf gap = {0}, waits = {0};

	backup_add_gap(s->backup, conf, &gap);
	shown.gap = buf_str(&gap);
	if (t) {
		add_run(&shown, t);
		add_replacement(&shown, t, &waits);
	}
	each(each_arg, &shown);
	buf_done(&gap);
	buf_done(&waits);
}

static void show_tenants(void *arg, bool all, control_tenant_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;

	for (size_t i = 0; i < s->conf->ntenants; i++) {
		const struct tenant_conf *conf = &s->conf->tenants[i];

		if (all || s->tenants[conf->slot] || backup_pending(s->backup, conf).n)
			show(s, conf, each, each_arg);
	}
}

static bool show_tenant(void *arg, str id, control_tenant_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);

	if (conf)
		show(s, conf, each, each_arg);
	return conf != NULL;
}

/* The tenant to act on, or NULL when the operator has been answered. */
static struct tenant *find(struct supervisor *s, str id, control_done_fn *done, void *done_arg)
{
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);

	if (!conf)
		waiters_answer(s->loop, done, done_arg, -ENOENT, "there is no such tenant");
	else if (s->is_ending)
		waiters_answer(s->loop, done, done_arg, -ECANCELED, "fly-atc is about to end");
	else
		return tenant_at(s, conf->slot);
	return NULL;
}

static void start_now(
	struct tenant *t, enum waiter_kind kind, control_done_fn *done, void *done_arg)
{
	t->tally.retry_at = 0; /* he knows what he does */
	if (t->life.state != TENANT_RUNNING)
		tenant_event(t, EVENT_WAKE);
	waiters_add(t, kind, done, done_arg);
}

static void start(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct tenant *t = find(arg, id, done, done_arg);

	if (t)
		start_now(t, WAIT_RUNNING, done, done_arg);
}

static void stop(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct tenant *t = find(arg, id, done, done_arg);

	if (!t)
		return;
	tenant_event(t, EVENT_STOP);
	waiters_add(t, WAIT_STOPPED, done, done_arg);
}

static void restart(void *arg, str id, control_done_fn *done, void *done_arg)
{
	struct tenant *t = find(arg, id, done, done_arg);

	if (!t)
		return;
	if (!t->run) {
		start_now(t, WAIT_RUNNING, done, done_arg);
		return;
	}
	tenant_event(t, EVENT_STOP);
	start_now(t, WAIT_RESTARTED, done, done_arg);
}

static const char *restart_all(
	void *arg, const struct control_roll *how, control_rolled_fn *each, void *each_arg)
{
	return roll_start(arg, how, each, each_arg);
}

static void hold(void *arg, str id, str name, msec length, control_done_fn *done, void *done_arg)
{
	struct supervisor *s = arg;
	struct tenant *t = find(s, id, done, done_arg);
	const char *why = "";
	int r = length ? -ECANCELED : 0;

	if (!t)
		return;
	if (t->life.state == TENANT_RUNNING)
		r = busy_hold(t, name, length);
	if (r == -ECANCELED)
		why = "it does not run; fly-atc start wakes it";
	else if (r == -EPERM)
		why = "busy_max is 0: it cannot be busy without requests";
	else if (r == -EBUSY)
		why = "too many others say so already";
	waiters_answer(s->loop, done, done_arg, r, why);
}

static void show_tail(void *arg, str id, size_t n, control_line_fn *each, void *each_arg)
{
	const struct supervisor *s = arg;
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);
	const struct tenant *t = conf ? s->tenants[conf->slot] : NULL;
	uint32_t count = t ? t->output.last.count : 0;

	for (uint32_t i = count - (uint32_t)MIN(n, (size_t)count); i < count; i++) {
		struct control_line line = output_at(&t->output, i);

		each(each_arg, &line);
	}
}

static void reload_all(void *arg, control_reload_fn *done, void *done_arg)
{
	reload(arg, done, done_arg);
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
	.start = start,
	.stop = stop,
	.restart = restart,
	.restart_all = restart_all,
	.busy = hold,
	.tail = show_tail,
	.reload = reload_all,
	.backup = show_backup,
	.purge = purge_start,
};
