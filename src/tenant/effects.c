/* effects.c - does what a step of the table asks for. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/handover.h"
#include "tenant/tenant_int.h"
#include "tenant/waiters.h"

static void log_state(const struct tenant *t, enum log_level level, const char *msg)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	const struct tenant_conf *conf = tenant_conf(t);
	struct buf *line = log_line_open(level, msg);

	log_field_str(line, "tenant", conf ? conf->id : STR("?"));
	if (t->faults.reason)
		log_field_str(line, "reason", str_of(t->faults.reason));
	if (t->faults.error)
		log_field_str(line, "error", str_of(t->faults.error));
	log_line_close(line);
}

static void remember_error(struct tenant *t)
{
	struct buf text = {0};

	free(t->faults.error);
	output_add_error(&t->output, &text);
	t->faults.error = buf_len(&text) ? str_dup(buf_str(&text)) : NULL;
	buf_done(&text);
}

static bool is_at_boot(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	return conf && conf->app->start == START_AT_BOOT && !t->all->is_ending && tenant_is_here(t);
}

static void on_retry(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant, retry_timer);

	if (tenant_is_here(t))
		tenant_event(t, EVENT_WAKE);
}

static void fail(struct tenant *t)
{
	struct slot *slot = tenant_slot(t);

	if (!t->faults.reason)
		tenant_blame(t, "it failed");
	remember_error(t);
	tally_fail(&t->tally, loop_now(t->all->loop));
	atomic_store(&slot->retry_at, t->tally.retry_at);
	log_state(t, LOG_ERROR, "tenant failed");
	if (t->all->conf->is_single)
		t->all->host->on_single_failed(t->all->host_arg, t->faults.reason);
	if (is_at_boot(t))
		timer_set(&t->retry_timer, t->all->loop, t->tally.retry_at, on_retry);
}

static void crash(struct tenant *t)
{
	if (t->all->is_ending)
		return;
	t->restarts++;
	remember_error(t);
	free(t->faults.last_crash);
	t->faults.last_crash = t->faults.reason ? xstrdup(t->faults.reason) : NULL;
	log_state(t, LOG_WARN, "tenant crashed");
	t->life.is_wanted |= is_at_boot(t);
}

/* Requests that come during the back-off are refused with the reason; the first one after it is a
 * new try. */
static void reconsider(struct tenant *t)
{
	if (t->run)
		return;
	if (loop_now(t->all->loop) >= t->tally.retry_at) {
		tenant_event(t, EVENT_RETRY);
		return;
	}
	t->life.is_wanted = false;
	announce_state(t);
}

static void rest(struct tenant *t)
{
	bool is_clean = t->life.state != TENANT_FAILED && !t->faults.reason;

	if (is_clean && t->run)
		log_state(t, LOG_INFO, "tenant stopped");
	run_free(t);
	admission_rest(t);
	if (is_clean) {
		tally_succeed(&t->tally);
		output_done(&t->output);
	} else {
		output_shrink(&t->output);
	}
	t->all->host->on_rest(t->all->host_arg);
	if (t->is_removed)
		tenant_retire(t);
	else if (t->life.is_wanted && !t->all->is_ending)
		tenant_event(t, EVENT_WAKE);
}

static void after(struct tenant *t)
{
	waiters_check(t);
	handover_check(t);
	replace_check(t);
	roll_check(t);
}

static tenant_fn *const effects[] = {
	[EFFECT_FAIL] = fail,
	[EFFECT_CRASH] = crash,
	[EFFECT_LEAVE] = admission_leave,
	[EFFECT_ENQUEUE] = admission_enqueue,
	[EFFECT_RESTORE] = wake_restore,
	[EFFECT_PREPARE] = wake_prepare,
	[EFFECT_START] = start_application,
	[EFFECT_SERVE] = serve_application,
	[EFFECT_WATCH] = stop_watch,
	[EFFECT_CANCEL] = wake_cancel,
	[EFFECT_SIGNAL] = stop_signal,
	[EFFECT_KILL] = stop_kill,
	[EFFECT_DETACH] = detach_databases,
	[EFFECT_SETTLE] = stop_settle,
	[EFFECT_RECONSIDER] = reconsider,
	[EFFECT_REST] = rest,
};
static_assert(NITEMS(effects) == LIFECYCLE_NEFFECTS, "each effect has its function");

const struct effects tenant_effects = {.of = effects, .after = after};
