/* stop.c - a tenant on its way down: requests, application, databases. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "base/log.h"
#include "tenant/handover.h"
#include "tenant/tenant_int.h"

/* How often we look whether the last request has ended: the proxy does not report it. */
#define DRAIN_PAUSE 10
/* The same until it has closed its connections, and how long that may take. */
#define CLOSE_PAUSE 1
#define CLOSE_LIMIT 500

static void at(struct tenant *t, msec moment, timer_fn *on_time)
{
	timer_set(&t->run->timer, t->all->loop, moment, on_time);
}

/* An upgraded connection may stay open for days: it is not waited for. */
static bool is_drained(const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);

	return atomic_load(&slot->in_flight) <= atomic_load(&slot->upgrades);
}

static void on_drain_pause(struct timer *timer);

static void look_if_drained(struct tenant *t)
{
	if (is_drained(t) || loop_now(t->all->loop) >= t->run->until || t->all->is_impatient)
		tenant_event(t, EVENT_DRAINED);
	else
		at(t, loop_now(t->all->loop) + DRAIN_PAUSE, on_drain_pause);
}

static void on_drain_pause(struct timer *timer)
{
	look_if_drained(container_of(timer, struct tenant_run, timer)->tenant);
}

void stop_watch(struct tenant *t)
{
	const struct tenants *all = t->all;
	/* An operator who stops one tenant waits for the answer; everyone else has time. */
	bool has_time = all->is_ending || t->is_removed || t->replacement.is_under_way ||
			handover_is_due(t);
	msec limit = has_time ? all->conf->server.drain_timeout : t->run->conf->app->stop_timeout;

	MAGIC_CHECK(t, TENANT_MAGIC);
	health_forget(t->run);
	t->run->until = msec_limit(loop_now(all->loop), limit);
	look_if_drained(t);
}

static void on_kill_time(struct timer *timer)
{
	tenant_event(container_of(timer, struct tenant_run, timer)->tenant, EVENT_KILL_TIME);
}

static void signal_now(struct tenant *t)
{
	const struct app_conf *app = t->run->conf->app;
	msec now = loop_now(t->all->loop);

	process_signal(t->run->process, config_stop_signal(app));
	at(t, t->all->is_impatient ? now : msec_limit(now, app->stop_timeout), on_kill_time);
}

static void on_close_pause(struct timer *timer);

/* Servers that let each connection end by itself would wait forever for one of ours that stays
 * silent.  The proxy knows the state and closes them; one that hangs is not waited for. */
static void signal_when_closed(struct tenant *t)
{
	msec now = loop_now(t->all->loop);

	if (t->all->is_impatient || now >= t->run->until ||
		!slot_has_unused_connections(tenant_slot(t)))
		signal_now(t);
	else
		at(t, now + CLOSE_PAUSE, on_close_pause);
}

static void on_close_pause(struct timer *timer)
{
	signal_when_closed(container_of(timer, struct tenant_run, timer)->tenant);
}

void stop_signal(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	health_forget(t->run);
	checkup_forget(t->run);
	if (!t->run->process)
		return;
	t->run->until = loop_now(t->all->loop) + CLOSE_LIMIT;
	signal_when_closed(t);
}

/* Once: some programs react only to the signals that a terminal sends. */
static const char *hint_about_signal(struct tenant *t)
{
	bool is_told = t->told.signal || t->run->is_hung || t->all->is_impatient ||
		       config_stop_signal(t->run->conf->app) != SIGTERM;

	if (is_told)
		return "";
	t->told.signal = true;
	return ": it seems to ignore TERM; perhaps `stop_signal: INT` ends it";
}

void stop_kill(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	LOG_LEVEL_HERE(tenant_log_level(t));

	timer_cancel(&t->run->timer);
	log_warn("tenant " STR_FMT " did not %s in time and is killed%s", STR_ARG(t->run->conf->id),
		t->run->is_hung ? "answer" : "end", hint_about_signal(t));
	if (t->run->process)
		process_signal(t->run->process, SIGKILL);
}

void stop_settle(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!t->run)
		tenant_event(t, EVENT_DETACHED);
}
