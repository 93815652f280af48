/* tenants.c - tenants by slot: events become steps in the table, and their effects are done. */
/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "link/channel.h"
#include "supervisor/busy.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"
#include "supervisor/waiters.h"

/* --- the record --- */

struct tenant *tenant_at(struct supervisor *s, uint32_t slot)
{
	struct tenant *t;

	if (slot >= s->nslots)
		return NULL;
	t = s->tenants[slot];
	if (t || s->index_of_slot[slot] == UINT32_MAX)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->sup = s;
	t->slot = slot;
	list_init(&t->waiters);
	list_init(&t->in_queue);
	list_init(&t->in_awake);
	list_init(&t->in_untold);
	s->tenants[slot] = t;
	return t;
}

void tenant_free(struct tenant *t)
{
	if (!t)
		return;
	assert(!t->run);
	waiters_cancel(t, "it was removed from the configuration");
	replace_forget(t);
	list_remove(&t->in_queue);
	list_remove(&t->in_untold);
	timer_cancel(&t->retry_timer);
	timer_cancel(&t->output_timer);
	output_done(&t->output);
	tally_done(&t->tally);
	free(t->reason);
	free(t->error);
	free(t->last_crash);
	free(t->public_reason);
	free(t->warning);
	t->sup->tenants[t->slot] = NULL;
	loop_defer_free(t->sup->loop, t);
}

const struct tenant_conf *tenant_conf(const struct tenant *t)
{
	const struct supervisor *s = t->sup;
	uint32_t index;

	if (t->run)
		return t->run->conf;
	index = s->index_of_slot[t->slot];
	return index == UINT32_MAX ? NULL : &s->conf->tenants[index];
}

struct slot *tenant_slot(const struct tenant *t)
{
	return &t->sup->board.slots[t->slot];
}

bool tenant_is_asleep(const struct tenant *t)
{
	return t->life.state == TENANT_ABSENT || t->life.state == TENANT_STOPPED;
}

static void PRINTF(3, 0) blame(struct tenant *t, const char *public, const char *fmt, va_list ap)
{
	char *reason;

	if (vasprintf(&reason, fmt, ap) < 0)
		abort();
	free(t->reason);
	free(t->public_reason);
	t->reason = reason;
	t->public_reason = public ? xstrdup(public) : NULL;
}

void tenant_blame(struct tenant *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	blame(t, NULL, fmt, ap);
	va_end(ap);
}

void tenant_blame_privately(struct tenant *t, const char *public, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	blame(t, public, fmt, ap);
	va_end(ap);
}

/* --- telling the proxy --- */

static bool is_among_output(const struct tenant *t, uint32_t first, str line)
{
	for (uint32_t i = first; i < t->output.last.count; i++)
		if (str_starts(output_at(&t->output, i).text, line))
			return true;
	return false;
}

/* The lines that say why, unless they are to be seen among the last ones. */
static void add_error(const struct tenant *t, uint32_t first, struct buf *text)
{
	str rest = str_of(t->error ? t->error : ""), line;

	if (str_split(&rest, '\n', &line) && !is_among_output(t, first, line))
		buf_printf(text, "\n%s\n\n…", t->error);
}

/* In development the page shows what the application said last. */
static void add_last_words(const struct tenant *t, struct buf *text)
{
	uint32_t first = t->output.last.count > OUTPUT_LAST_LINES
				 ? t->output.last.count - OUTPUT_LAST_LINES
				 : 0;
	size_t size = buf_len(text) + (t->error ? strlen(t->error) : 0) + sizeof("\n\n\n…");

	for (uint32_t i = t->output.last.count; i > first; i--) {
		size += output_at(&t->output, i - 1).text.n + 1;
		if (size > CHANNEL_TEXT_MAX)
			first = i;
	}
	add_error(t, first, text);
	for (uint32_t i = first; i < t->output.last.count; i++) {
		buf_add_char(text, '\n');
		buf_add(text, output_at(&t->output, i).text);
	}
}

/* The reason as everybody may read it: that for operators names files, programs and addresses. */
static const char *reason_for_all(enum tenant_state failed_in)
{
	switch (failed_in) {
	case TENANT_RESTORING:
		return "Its data could not be brought here.";
	case TENANT_PREPARING:
		return "Its data could not be prepared.";
	case TENANT_STARTING:
		return "It did not become ready.";
	case TENANT_RUNNING:
		return "It ended again and again.";
	case TENANT_ABSENT:
	case TENANT_QUEUED:
	case TENANT_DRAINING:
	case TENANT_STOPPING:
	case TENANT_STOPPED:
	case TENANT_FAILED:
	case TENANT_NSTATES:
		break;
	}
	return "It failed.";
}

/* For the page that is seen meanwhile, and once for the log. */
static void add_gap(struct tenant *t, const struct tenant_conf *conf, struct buf *text)
{
	struct buf gap = {0};

	backup_add_gap(t->sup->backup, conf, &gap);
	if (buf_len(&gap))
		buf_printf(text, "Not backed up: " STR_FMT ".", STR_ARG(buf_str(&gap)));
	if (buf_len(&gap) && t->life.state == TENANT_STARTING && !t->has_told_gap) {
		t->has_told_gap = true;
		log_warn("tenant " STR_FMT ": not backed up: " STR_FMT, STR_ARG(conf->id),
			STR_ARG(buf_str(&gap)));
	}
	buf_done(&gap);
}

void tenant_announce(struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);
	struct buf text = {0};

	list_remove(&t->in_untold);
	if (t->life.state == TENANT_FAILED && t->reason) {
		if (conf && str_eq(conf->app->environment, STR("development"))) {
			buf_add(&text, str_of(t->reason));
			add_last_words(t, &text);
		} else {
			buf_add(&text, str_of(t->public_reason ? t->public_reason
							       : reason_for_all(t->failed_in)));
		}
	}
	if (conf && state_is_on_its_way(t->life.state) && wake_uses_backup(t))
		add_gap(t, conf, &text);
	proxy_child_send_state(t->sup->proxy, t->slot, t->life.state, buf_str(&text));
	buf_done(&text);
}

void tenants_tell(struct supervisor *s)
{
	while (!list_is_empty(&s->untold))
		tenant_announce(list_first(&s->untold, struct tenant, in_untold));
}

/* The steps on the way up may follow each other at once: only the last is worth a message, which
 * takes time from the start under way.  Who waits for the other states is told of each. */
static void publish(struct tenant *t)
{
	struct slot *slot = tenant_slot(t);

	if (atomic_load(&slot->state) == t->life.state)
		return;
	atomic_store(&slot->since, loop_now(t->sup->loop));
	atomic_store(&slot->state, t->life.state);
	if (!state_is_on_its_way(t->life.state)) {
		tenant_announce(t);
		return;
	}
	list_remove(&t->in_untold);
	list_append(&t->sup->untold, &t->in_untold);
}

/* --- effects that concern the record --- */

static void log_state(const struct tenant *t, enum log_level level, const char *msg)
{
	const struct tenant_conf *conf = tenant_conf(t);
	struct buf *line = log_line_open(level, msg);

	log_field_str(line, "tenant", conf ? conf->id : STR("?"));
	if (t->reason)
		log_field_str(line, "reason", str_of(t->reason));
	if (t->error)
		log_field_str(line, "error", str_of(t->error));
	log_line_close(line);
}

static void remember_error(struct tenant *t)
{
	struct buf text = {0};

	free(t->error);
	output_add_error(&t->output, &text);
	t->error = buf_len(&text) ? str_dup(buf_str(&text)) : NULL;
	buf_done(&text);
}

static bool is_at_boot(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	return conf && conf->app->start == START_AT_BOOT && !t->sup->is_ending;
}

static void on_retry(struct timer *timer)
{
	tenant_event(container_of(timer, struct tenant, retry_timer), EVENT_WAKE);
}

static void fail(struct tenant *t)
{
	struct slot *slot = tenant_slot(t);

	if (!t->reason)
		tenant_blame(t, "it failed");
	remember_error(t);
	tally_fail(&t->tally, loop_now(t->sup->loop));
	atomic_store(&slot->fail_status, 503);
	atomic_store(&slot->retry_at, t->tally.retry_at);
	log_state(t, LOG_ERROR, "tenant failed");
	if (t->sup->conf->is_single)
		supervisor_on_single_failed(t->sup, t->reason);
	if (is_at_boot(t))
		timer_set(&t->retry_timer, t->sup->loop, t->tally.retry_at, on_retry);
}

static void crash(struct tenant *t)
{
	if (t->sup->is_ending)
		return;
	t->restarts++;
	remember_error(t);
	free(t->last_crash);
	t->last_crash = t->reason ? xstrdup(t->reason) : NULL;
	log_state(t, LOG_WARN, "tenant crashed");
	t->life.is_wanted |= is_at_boot(t);
}

/* A request that comes within the back-off is refused by what it is told; later it is a new try. */
static void reconsider(struct tenant *t)
{
	if (t->run)
		return;
	if (loop_now(t->sup->loop) >= t->tally.retry_at) {
		tenant_event(t, EVENT_RETRY);
		return;
	}
	t->life.is_wanted = false;
	tenant_announce(t);
}

static void run_free(struct tenant *t)
{
	struct tenant_run *run = t->run;

	if (!run)
		return;
	assert(run_is_over(run));
	run_forget_answered(run);
	busy_forget(run);
	timer_cancel(&run->timer);
	timer_cancel(&run->look_timer);
	close_fd(&run->port_fd);
	close_fd(&run->port6_fd);
	config_unref(run->config);
	list_remove(&t->in_awake);
	t->run = NULL;
	loop_defer_free(t->sup->loop, run);
}

static void rest(struct tenant *t)
{
	bool is_clean = t->life.state != TENANT_FAILED && !t->reason;

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
	supervisor_on_rest(t->sup, t);
	if (t->is_removed)
		tenant_retire(t);
	else if (t->life.is_wanted && !t->sup->is_ending)
		tenant_event(t, EVENT_WAKE);
}

static void serve(struct tenant *t)
{
	free(t->reason);
	free(t->error);
	free(t->public_reason);
	t->reason = t->error = t->public_reason = NULL;
	run_serve(t);
}

/* --- the step --- */

typedef void effect_fn(struct tenant *t);
static effect_fn *const effects[] = {
	[EFFECT_FAIL] = fail,
	[EFFECT_CRASH] = crash,
	[EFFECT_LEAVE] = admission_leave,
	[EFFECT_ENQUEUE] = admission_enqueue,
	[EFFECT_RESTORE] = wake_restore,
	[EFFECT_PREPARE] = wake_prepare,
	[EFFECT_START] = run_start,
	[EFFECT_SERVE] = serve,
	[EFFECT_WATCH] = stop_watch,
	[EFFECT_CANCEL] = wake_cancel,
	[EFFECT_SIGNAL] = stop_signal,
	[EFFECT_KILL] = stop_kill,
	[EFFECT_DETACH] = stop_detach,
	[EFFECT_SETTLE] = stop_settle,
	[EFFECT_RECONSIDER] = reconsider,
	[EFFECT_REST] = rest,
};
static_assert(NITEMS(effects) == LIFECYCLE_NEFFECTS, "each effect has its function");

/* What a new state is announced with must be known before. */
#define BEFORE_PUBLISHING (EFFECT_BIT(FAIL) | EFFECT_BIT(CRASH))

static void do_effects(struct tenant *t, uint32_t todo)
{
	for (unsigned e = 0; e < LIFECYCLE_NEFFECTS; e++)
		if (todo & (1u << e))
			effects[e](t);
}

static void step(struct tenant *t, enum lifecycle_event event)
{
	enum tenant_state before = t->life.state;
	uint32_t todo = lifecycle_step(&t->life, event);

	if (log_is_on(LOG_DEBUG)) {
		const struct tenant_conf *conf = tenant_conf(t);

		log_debug("tenant " STR_FMT ": %s -- %s -> %s", STR_ARG(conf ? conf->id : STR("?")),
			tenant_state_name(before), lifecycle_event_name(event),
			tenant_state_name(t->life.state));
	}
	if (todo & EFFECT_BIT(FAIL))
		t->failed_in = before;
	do_effects(t, todo & BEFORE_PUBLISHING);
	publish(t);
	do_effects(t, todo & ~BEFORE_PUBLISHING);
	waiters_check(t);
	replace_check(t);
}

/* Effects bring about events; those wait until all effects of the step before are done. */
void tenant_event(struct tenant *t, enum lifecycle_event event)
{
	assert(t->npending < NITEMS(t->pending));
	t->pending[t->npending++] = event;
	if (t->is_stepping)
		return;
	t->is_stepping = true;
	while (t->npending) {
		enum lifecycle_event next = (enum lifecycle_event)t->pending[0];

		t->npending--;
		memmove(t->pending, t->pending + 1, t->npending * sizeof(t->pending[0]));
		step(t, next);
	}
	t->is_stepping = false;
}
