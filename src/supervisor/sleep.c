/* sleep.c - from the last use of the machine to the word of the platform, step by step. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/sleep.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/number.h"
#include "supervisor/resume.h"
#include "supervisor/supervisor_int.h"

#define TRIES	       3    /* of one way to sleep */
#define PAUSE_FIRST    1000 /* msec after the first refusal; then twice as long each time */
#define PAUSE_LAST     60000
#define PAUSE_FAULT    10000  /* after a hook that failed, or a store that does not answer */
#define PAUSE_HELPLESS 600000 /* nothing here puts us to sleep */
#define EMPTYING_PAUSE 100
#define SIGNAL_LIMIT   10000 /* for the signal that follows an accepted stop */
/* We still run so long after the platform has accepted: then we have been asleep, or will not be.
 */
#define STILL_HERE 2000
/* The same once a request has come: before we sleep it would not have come, but for the last. */
#define STILL_HERE_STIRRED 250

/* What a call was made for. */
struct ticket {
	struct supervisor *sup;
	unsigned serial;
};

static struct ticket *ticket_new(struct supervisor *s)
{
	struct ticket *t = xmalloc(sizeof(*t));

	*t = (struct ticket){s, s->sleeping.serial};
	return t;
}

/* The supervisor, if the sequence still is at this step; else NULL. */
static struct supervisor *ticket_use(struct ticket *take_t, enum sleep_step step)
{
	struct supervisor *s = take_t->sup;
	bool is_valid = take_t->serial == s->sleeping.serial && s->sleeping.step == step &&
			!s->end.is_ending;

	free(take_t);
	return is_valid ? s : NULL;
}

static void set_phase(struct supervisor *s, enum activity_phase phase)
{
	atomic_store(&s->board.activity->phase, phase);
}

/* --- is anybody there? --- */

static bool counts(const struct config *conf, str word)
{
	const struct str_list *list = &conf->machine.busy;

	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i], word))
			return true;
	return false;
}

/* *ret_since: the last moment at which somebody was. */
static bool is_unused(const struct supervisor *s, msec *ret_since)
{
	const struct sleeping *z = &s->sleeping;
	msec now = loop_now(s->loop);

	*ret_since = MAX(z->awake_since, activity_last_use(s->board.activity));
	*ret_since = MAX(*ret_since, holds_last(&z->holds));
	return !activity_in_flight(s->board.activity) && holds_last(&z->holds) <= now &&
	       tenants_are_idle(s->tenants, counts(s->conf, STR("tenants")), ret_since);
}

static void on_look(struct timer *timer);
static void begin_sleep(struct supervisor *s);

static bool is_wanted(const struct supervisor *s)
{
	return s->conf->machine.on_idle != ON_IDLE_NONE && s->conf->machine.idle_timeout &&
	       !s->end.is_ending;
}

/* While it is in use its end is unknown, but not before now: one look a whole idle_timeout later is
 * early enough, and finds the exact moment. */
static void look(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;
	msec idle = s->conf->machine.idle_timeout, now = loop_now(s->loop), since, due;

	if (z->step != SLEEP_AWAKE)
		return; /* the timer is another step's */
	timer_cancel(&z->timer);
	if (!is_wanted(s))
		return;
	if (is_unused(s, &since)) {
		due = MAX(since + idle, z->not_before);
	} else {
		due = now + idle;
		log_debug("this machine is in use");
		z->ops->ask(s); /* a hanging request would be counted forever */
	}
	if (due <= now)
		begin_sleep(s);
	else
		timer_set(&z->timer, s->loop, due, on_look);
}

static void on_look(struct timer *timer)
{
	look(container_of(timer, struct supervisor, sleeping.timer));
}

/* --- the end of a sequence --- */

static void stay_awake(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;

	z->serial++;
	z->step = SLEEP_AWAKE;
	z->asked_at = z->stirred_at = 0;
	slept_expect(&z->slept, false);
	set_phase(s, ACTIVITY_AWAKE);
	look(s);
}

static void note_fault(struct supervisor *s, const char *text)
{
	free(s->sleeping.fault);
	s->sleeping.fault = text ? xstrdup(text) : NULL;
}

static void try_later(struct supervisor *s, msec pause)
{
	s->sleeping.not_before = loop_now(s->loop) + pause;
	stay_awake(s);
}

static enum target_sleep configured_way(const struct supervisor *s)
{
	switch ((enum on_idle)s->conf->machine.on_idle) {
	case ON_IDLE_SUSPEND:
		return TARGET_SUSPEND;
	case ON_IDLE_STOP:
		return TARGET_STOP;
	case ON_IDLE_EXIT:
	case ON_IDLE_NONE:
		break;
	}
	return TARGET_EXIT;
}

static const char *way_text(enum target_sleep how)
{
	switch (how) {
	case TARGET_SUSPEND:
		return "suspend";
	case TARGET_STOP:
		return "stop";
	case TARGET_EXIT:
		break;
	}
	return "exit";
}

/* Somebody is there again. */
static void abort_sleep(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;

	log_info("a request has come: this machine stays awake");
	z->how = configured_way(s);
	z->refusals = 0;
	stay_awake(s);
}

/* --- the platform --- */

static void on_asked(void *arg, const struct target_result *r);
static void on_asked_time(struct timer *timer);

static void end_unused(struct supervisor *s)
{
	s->sleeping.step = SLEEP_LEAVING;
	log_info("nobody uses this machine: fly-atc ends");
	s->sleeping.ops->end(s);
}

/* Each way is tried a few times, if that may help, and then the next one. */
static void on_refused(struct supervisor *s, const struct target_result *r)
{
	struct sleeping *z = &s->sleeping;
	bool may_help = r->error == -EAGAIN || r->error == -EIO || r->error == -ETIMEDOUT;
	msec pause = MIN((msec)PAUSE_FIRST << z->refusals, (msec)PAUSE_LAST);

	log_warn("this machine was not put to sleep (%s): %s", way_text(z->how), r->reason);
	note_fault(s, r->reason);
	if (may_help && ++z->refusals < TRIES) {
		try_later(s, MAX(pause, r->retry_after));
		return;
	}
	z->refusals = 0;
	switch (z->how) {
	case TARGET_SUSPEND:
		z->how = TARGET_STOP;
		break;
	case TARGET_STOP:
		z->how = TARGET_EXIT;
		break;
	case TARGET_EXIT:
		z->how = configured_way(s);
		try_later(s, PAUSE_HELPLESS);
		return;
	}
	log_info("it will be tried in another way: %s", way_text(z->how));
	try_later(s, MAX(pause, r->retry_after));
}

static void on_signal_limit(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, sleeping.timer);

	log_warn("the platform has accepted to stop this machine, and no signal came");
	end_unused(s);
}

static void on_accepted(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;
	msec now = loop_now(s->loop);

	note_fault(s, NULL);
	z->asked_at = now;
	z->sleeps++;
	switch (z->how) {
	case TARGET_SUSPEND:
		z->step = SLEEP_ASKED;
		timer_set(&z->timer, s->loop, now + SLEPT_PERIOD_SOON, on_asked_time);
		break;
	case TARGET_STOP:
		z->step = SLEEP_LEAVING;
		timer_set(&z->timer, s->loop, now + SIGNAL_LIMIT, on_signal_limit);
		break;
	case TARGET_EXIT:
		end_unused(s);
		break;
	}
}

static void on_asked(void *arg, const struct target_result *r)
{
	struct supervisor *s = arg;
	struct sleeping *z = &s->sleeping;

	z->is_ask_pending = false;
	if (z->ask_serial != z->serial || z->step != SLEEP_ASKING)
		return; /* we have slept since */
	if (r->error)
		on_refused(s, r);
	else
		on_accepted(s);
}

/* Time may stand still while we sleep, so what is counted is how long we have run. */
static void on_asked_time(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, sleeping.timer);
	struct sleeping *z = &s->sleeping;
	msec now = loop_now(s->loop);

	if (now >= z->asked_at + STILL_HERE ||
		(z->stirred_at && now >= z->stirred_at + STILL_HERE_STIRRED))
		resume_begin(s, "it was to be suspended, and runs", 0);
	else
		timer_set(&z->timer, s->loop, now + SLEPT_PERIOD_SOON, on_asked_time);
}

/* From here on requests wait, unless one is there already. */
static void ask(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;
	msec since;

	set_phase(s, ACTIVITY_GATED);
	if (!is_unused(s, &since) || since >= z->began) {
		abort_sleep(s);
		return;
	}
	z->step = SLEEP_ASKING;
	z->stirred_at = 0;
	slept_expect(&z->slept, z->how == TARGET_SUSPEND);
	log_info("nobody uses this machine: it is put to sleep (%s)", way_text(z->how));
	log_publish();
	z->is_ask_pending = true;
	z->ask_serial = z->serial;
	target_sleep(s->target, z->how, on_asked, s);
}

/* --- nothing is lost --- */

static void on_saved(void *arg, const struct backup_result *r)
{
	struct supervisor *s = ticket_use(arg, SLEEP_SAVING);

	if (!s)
		return;
	if (r->is_ok) {
		ask(s);
		return;
	}
	if (!s->sleeping.fault || strcmp(s->sleeping.fault, r->reason) != 0)
		log_warn("this machine stays awake, since not everything is in the store: %s",
			r->reason);
	note_fault(s, r->reason);
	try_later(s, PAUSE_FAULT);
}

/* Those at rest, after those that run. */
static void on_running_saved(void *arg, const struct backup_result *r)
{
	struct ticket *t = arg;

	if (r->is_ok)
		backup_await(t->sup->backup, NULL, on_saved, t);
	else
		on_saved(t, r);
}

static void save(struct supervisor *s)
{
	s->sleeping.step = SLEEP_SAVING;
	tenants_confirm(s->tenants, on_running_saved, ticket_new(s));
}

/* --- tenants stop, but for a suspend --- */

static void on_emptying_time(struct timer *timer);

static void look_if_empty(struct supervisor *s)
{
	msec since;

	if (tenants_are_at_rest(s->tenants)) {
		timer_cancel(&s->sleeping.timer);
		save(s);
	} else if (tenants_are_idle(s->tenants, false, &since)) {
		abort_sleep(s); /* one of them runs again */
	} else {
		timer_set(&s->sleeping.timer, s->loop, loop_now(s->loop) + EMPTYING_PAUSE,
			on_emptying_time);
	}
}

static void on_emptying_time(struct timer *timer)
{
	look_if_empty(container_of(timer, struct supervisor, sleeping.timer));
}

static void empty(struct supervisor *s)
{
	/* A single application's end is ours, which follows anyway. */
	if (s->sleeping.how == TARGET_SUSPEND || s->conf->is_single) {
		save(s);
		return;
	}
	s->sleeping.step = SLEEP_EMPTYING;
	tenants_put_to_sleep(s->tenants);
	look_if_empty(s);
}

static void on_rest_soon(void *arg)
{
	struct supervisor *s = ticket_use(arg, SLEEP_EMPTYING);

	if (s)
		look_if_empty(s);
}

void sleep_on_rest(struct supervisor *s)
{
	if (s->sleeping.step == SLEEP_EMPTYING)
		loop_defer(s->loop, on_rest_soon, ticket_new(s));
}

/* --- the beginning --- */

static void on_idle_hook(void *arg, const char *fault)
{
	struct supervisor *s = ticket_use(arg, SLEEP_HOOK);

	if (!s)
		return;
	if (!fault) {
		empty(s);
		return;
	}
	note_fault(s, "idle_hook failed");
	try_later(s, MAX(s->conf->machine.idle_timeout, (msec)PAUSE_FIRST));
}

static void begin_sleep(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;
	msec since;

	if (z->is_ask_pending || hook_is_running(s, "idle_hook") ||
		hook_is_running(s, "resume_hook") || hook_is_running(s, "ready_hook")) {
		try_later(s, PAUSE_FIRST);
		return;
	}
	z->serial++;
	z->step = SLEEP_HOOK;
	z->began = loop_now(s->loop);
	set_phase(s, ACTIVITY_DROWSY);
	if (!is_unused(s, &since)) {
		stay_awake(s);
		return;
	}
	hook_run(s, "idle_hook", &s->conf->machine.idle_hook, on_idle_hook, ticket_new(s));
}

/* --- what comes from outside --- */

void sleep_on_stir(struct supervisor *s, msec ahead)
{
	struct sleeping *z = &s->sleeping;

	if (resume_is_told(s, ahead))
		return;
	switch (z->step) {
	case SLEEP_HOOK:
	case SLEEP_EMPTYING:
	case SLEEP_SAVING:
		abort_sleep(s);
		return;
	case SLEEP_ASKING:
	case SLEEP_ASKED:
		z->stirred_at = z->stirred_at ? z->stirred_at : loop_now(s->loop);
		return;
	case SLEEP_AWAKE:
	case SLEEP_RESUMING:
	case SLEEP_LEAVING:
	case SLEEP_BOOTING:
		return;
	}
}

int sleep_hold(struct supervisor *s, str name, msec length)
{
	msec max = s->conf->app.busy_max;
	int r = length && !max ? -EPERM : 0;

	if (r == 0)
		r = holds_set(&s->sleeping.holds, loop_now(s->loop), name, MIN(length, max));
	if (r == 0 && length)
		sleep_on_stir(s, 0);
	look(s);
	return r;
}

void sleep_awake(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;

	z->awake_since = loop_now(s->loop);
	z->how = configured_way(s);
	z->refusals = 0;
	stay_awake(s);
}

/* --- its life --- */

static uint32_t uses_of(const struct config *conf)
{
	return (counts(conf, STR("requests")) ? ACTIVITY_REQUESTS : 0u) |
	       (counts(conf, STR("files")) ? ACTIVITY_FILES : 0u) |
	       (counts(conf, STR("refused")) ? ACTIVITY_REFUSED : 0u);
}

void sleep_init(struct supervisor *s, const struct sleep_ops *ops)
{
	s->sleeping.ops = ops;
	s->sleeping.step = SLEEP_BOOTING;
	holds_init(&s->sleeping.holds);
	hooks_init(&s->sleeping.hooks);
}

static void on_ready_hook(void *arg, const char *fault)
{
	(void)arg, (void)fault; /* which has been reported */
}

static void on_boot_hook(void *arg, const char *fault)
{
	struct supervisor *s = arg;

	if (s->end.is_ending)
		return;
	if (fault) {
		s->ending.status = 1;
		s->sleeping.ops->end(s);
		return;
	}
	sleep_awake(s);
	s->sleeping.ops->start(s);
	hook_run(s, "ready_hook", &s->conf->machine.ready_hook, on_ready_hook, s);
}

void sleep_start(struct supervisor *s)
{
	const struct hook_conf *boot = &s->conf->machine.boot_hook;

	atomic_store(&s->board.activity->uses, uses_of(s->conf));
	resume_watch(s);
	if (!boot->command.count) {
		on_boot_hook(s, NULL);
		return;
	}
	set_phase(s, ACTIVITY_GATED); /* what is no tenant's is served meanwhile */
	hook_run(s, "boot_hook", boot, on_boot_hook, s);
}

void sleep_configure(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;

	atomic_store(&s->board.activity->uses, uses_of(s->conf));
	resume_watch(s);
	if (z->step != SLEEP_AWAKE)
		return;
	z->how = configured_way(s);
	z->refusals = 0;
	z->not_before = 0;
	look(s);
}

void sleep_show(const struct supervisor *s, struct control_sleep *ret)
{
	static const char *const steps[] = {"awake", "falling asleep", "falling asleep",
		"falling asleep", "asleep soon", "asleep soon", "resuming", "ending", "booting"};
	const struct sleeping *z = &s->sleeping;
	msec since, now = loop_now(s->loop);
	bool is_idle = is_unused(s, &since);

	*ret = (struct control_sleep){
		.step = str_of(steps[z->step]),
		.how = is_wanted(s) ? str_of(way_text(z->how)) : STR("none"),
		.in_flight = activity_in_flight(s->board.activity),
		.holds = holds_count(&z->holds, now),
		.busy_until = holds_last(&z->holds),
		.idle = is_idle && now > since ? now - since : 0,
		.sleeps = z->sleeps,
		.resumed = z->resumed,
		.fault = z->fault ? str_of(z->fault) : STR_EMPTY,
	};
}

void sleep_end(struct supervisor *s)
{
	struct sleeping *z = &s->sleeping;

	z->serial++;
	z->step = SLEEP_LEAVING;
	timer_cancel(&z->timer);
	timer_cancel(&z->asking);
	timer_cancel(&z->looking);
	slept_stop(&z->slept);
	hooks_kill(s);
}

void sleep_done(struct supervisor *s)
{
	timer_cancel(&s->sleeping.timer);
	timer_cancel(&s->sleeping.asking);
	timer_cancel(&s->sleeping.looking);
	slept_stop(&s->sleeping.slept);
	holds_done(&s->sleeping.holds);
	free(s->sleeping.fault);
}
