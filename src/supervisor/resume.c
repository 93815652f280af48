/* resume.c - after a sleep: connections, leases, timers, hooks; then requests go on. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/resume.h"

#include "base/log.h"
#include "base/number.h"
#include "supervisor/supervisor_int.h"

#define AHEAD	   5000	 /* msec by which the edge's clock is ahead after a sleep, at least */
#define AHEAD_SOON 1000	 /* the same, where a sleep was asked for */
#define TOLD_PAUSE 30000 /* between two resumes that only a request tells of: one may lie */
#define STEP_GRACE 60000 /* for the clock to be set after a resume */
#define LOOK_LIMIT 5000	 /* for the roster: requests wait for it */
#define ASK_AGAIN  10000 /* the store, which did not answer */

static bool is_expected(const struct supervisor *s)
{
	return s->sleeping.step == SLEEP_ASKING || s->sleeping.step == SLEEP_ASKED;
}

/* --- the signs --- */

/* A clock that is set right some seconds after a resume is no second one. */
static bool is_correction(struct supervisor *s, msec length)
{
	struct activity *a = s->board.activity;
	msec known = atomic_load(&a->known_ahead), now = loop_now(s->loop);

	atomic_store(&a->known_ahead, known > length ? known - length : 0);
	return s->sleeping.resumed && now < s->sleeping.resumed + STEP_GRACE;
}

static void on_slept(void *arg, const char *how, msec length, bool is_step)
{
	struct supervisor *s = arg;

	if (is_step && is_correction(s, length)) {
		log_info("the time of day was set forward by %llu s after the sleep",
			(unsigned long long)(length / 1000));
		return;
	}
	resume_begin(s, how, length);
}

static bool is_watched(const struct supervisor *s)
{
	return s->conf->target != TARGET_NONE || s->conf->machine.on_idle == ON_IDLE_SUSPEND;
}

void resume_watch(struct supervisor *s)
{
	static const struct slept_sources sources = {"/dev/kmsg", "/dev/ptp0"};
	bool is_on = s->sleeping.slept.loop;

	if (is_watched(s) == is_on)
		return;
	if (is_on)
		slept_stop(&s->sleeping.slept);
	else
		slept_start(&s->sleeping.slept, s->loop, &sources, on_slept, s);
}

bool resume_is_told(struct supervisor *s, msec ahead)
{
	struct activity *a = s->board.activity;
	msec known = atomic_load(&a->known_ahead), now = loop_now(s->loop);
	bool is_soon = is_expected(s);

	if (ahead <= known + (is_soon ? AHEAD_SOON : AHEAD)) {
		if (ahead && ahead < known)
			atomic_store(&a->known_ahead, ahead);
		return false;
	}
	atomic_store(&a->known_ahead, ahead);
	if (s->sleeping.step == SLEEP_LEAVING || s->sleeping.step == SLEEP_BOOTING ||
		(!is_soon && s->sleeping.resumed && now < s->sleeping.resumed + TOLD_PAUSE))
		return false;
	resume_begin(s, "the edge's clock is ahead of ours", ahead - known);
	return true;
}

/* --- what is done --- */

static void finish_one(struct supervisor *s)
{
	if (--s->sleeping.waits || s->sleeping.step != SLEEP_RESUMING || s->end.is_ending)
		return;
	log_info("this machine goes on");
	sleep_awake(s);
}

static void on_resume_hook(void *arg, const char *fault)
{
	(void)fault; /* which has been reported; requests cannot wait for ever */
	finish_one(arg);
}

static void on_ask_again(struct timer *timer);

static void ask_again(struct supervisor *s, const struct backup_result *r)
{
	if (r->is_ok || s->end.is_ending)
		return;
	log_warn("it is not known whether the databases are still this machine's: %s", r->reason);
	timer_set(&s->sleeping.asking, s->loop, loop_now(s->loop) + ASK_AGAIN, on_ask_again);
}

static void on_asked_again(void *arg, const struct backup_result *r)
{
	ask_again(arg, r);
}

static void on_ask_again(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, sleeping.asking);

	tenants_recheck(s->tenants, on_asked_again, s);
}

static void on_owned(void *arg, const struct backup_result *r)
{
	ask_again(arg, r);
	finish_one(arg);
}

/* --- who lives where --- */

static void stop_looking(struct supervisor *s)
{
	if (!s->sleeping.is_looking)
		return;
	s->sleeping.is_looking = false;
	timer_cancel(&s->sleeping.looking);
	finish_one(s);
}

/* A roster that cannot be read has been reported; the epochs in the store decide then. */
static void on_roster_known(void *arg, int err, uint64_t version, str reason)
{
	(void)err, (void)version, (void)reason;
	stop_looking(arg);
}

static void on_look_limit(struct timer *timer)
{
	log_warn("the roster has not been read in time; the last known one serves");
	stop_looking(container_of(timer, struct supervisor, sleeping.looking));
}

static void report(const char *how, msec length)
{
	char text[NUMBER_TEXT_MAX];

	if (!length) {
		log_info("this machine has slept: %s", how);
		return;
	}
	number_duration_text(length, text);
	log_info("this machine has slept: %s (%s)", how, text);
}

void resume_begin(struct supervisor *s, const char *how, msec length)
{
	struct sleeping *z = &s->sleeping;

	if (z->step == SLEEP_RESUMING || z->step == SLEEP_LEAVING || z->step == SLEEP_BOOTING ||
		s->end.is_ending || z->waits)
		return;
	atomic_store(&s->board.activity->phase, ACTIVITY_GATED);
	report(how, length);
	z->serial++;
	z->step = SLEEP_RESUMING;
	z->resumed = loop_now(s->loop);
	z->asked_at = z->stirred_at = 0;
	timer_cancel(&z->timer);
	timer_cancel(&z->asking);
	slept_expect(&z->slept, false);
	z->ops->tell(s);
	backup_forget_connections(s->backup);
	z->waits = 3;
	z->is_looking = true;
	timer_set(&z->looking, s->loop, loop_now(s->loop) + LOOK_LIMIT, on_look_limit);
	z->ops->look(s, on_roster_known);
	tenants_resume(s->tenants, on_owned, s);
	hook_run(s, "resume_hook", &s->conf->machine.resume_hook, on_resume_hook, s);
}
