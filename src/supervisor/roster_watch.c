/* roster_watch.c - looks for a newer roster, and takes it over. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/roster_watch.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "loop/work.h"
#include "supervisor/fleet_secret.h"
#include "supervisor/proxy_child.h"
#include "supervisor/reload.h"
#include "supervisor/roster_watch_int.h"
#include "supervisor/supervisor_int.h"
#include "tenant/environment.h"

/* msec */
#define FIRST_LIMIT  3000u /* for the look at the start, before anything is served */
#define LOOK_LIMIT   3000u
#define PAUSE_WELL   1000u  /* between two looks */
#define PAUSE_SILENT 5000u  /* after one that the store did not answer */
#define RENEW_AFTER  60000u /* while requests come: somebody may have tried to tell us in vain */
#define KEEP_AFTER   600    /* seconds: what was kept says how old it is */

static struct roster_text *roster_as_text(const struct roster *r)
{
	struct roster_text *t = roster_text_new(roster_version(r));

	roster_write(r, &t->text);
	return t;
}

static int64_t wall_seconds(void)
{
	return (int64_t)time(NULL);
}

/* --- those who wait --- */

static void tell_awaiting(void *arg)
{
	struct awaiting *t = arg;

	if (t->done)
		t->done(t->arg, t->err, t->version, str_of(t->reason ? t->reason : ""));
	free(t->reason);
	free(t);
}

static void end_told(struct roster_watch *w, struct awaiting *t, int err, const char *reason)
{
	if (t->is_spread)
		herald_tell(w->sup, w->sup->roster.newest->version);
	list_remove(&t->link);
	t->err = err;
	t->version = w->sup->roster.in_force;
	t->reason = err ? xstrdup(reason) : NULL;
	loop_defer(w->sup->loop, tell_awaiting, t);
}

static void end_all_told(struct roster_watch *w, bool only_covered, int err, const char *reason)
{
	list_foreach_safe (t, &w->waiting, struct awaiting, link)
		if (t->is_covered || !only_covered)
			end_told(w, t, err, reason);
}

/* --- a look --- */

/* Without it no machine believes another; the roster can be had all the same. */
static void find_secret(struct roster_look *l)
{
	struct why why;

	if (l->wants_secret && fleet_secret_find(l->conf, l->watch->sup->roster.work, l->until,
				       &l->secret, &why) < 0)
		log_warn("the fleet has no secret yet: %s", why.text);
}

static void look_now(void *arg)
{
	struct roster_look *l = arg;

	l->result = l->edit ? edit_run(l)
			    : roster_update(l->watch->place, l->roster, l->until, &l->why);
	if (l->result >= 0)
		find_secret(l);
	if (roster_version(l->roster) != l->known)
		l->text = roster_as_text(l->roster);
}

static void end_look(struct roster_watch *w)
{
	w->is_busy = false;
	ending_check_soon(w->sup);
	if (w->is_wanted || !list_is_empty(&w->edits))
		roster_watch_want(w);
}

static void keep_now(void *arg)
{
	struct roster_look *l = arg;

	l->result = roster_keep(l->conf, l->roster, &l->why);
}

static void on_kept(void *arg)
{
	struct roster_look *l = arg;
	struct roster_watch *w = l->watch;

	if (l->result < 0)
		log_warn("the roster cannot be kept on this disk: %s", l->why.text);
	else
		w->kept_at = w->read_at;
	w->roster = l->roster;
	config_unref(l->conf);
	free(l);
	end_look(w);
}

/* It is in force, or it was confirmed that it is the newest.  What does not fit is not kept: with
 * it we could not start. */
static void keep_on_disk(struct roster_watch *w, bool is_new)
{
	bool is_due = is_new || (!w->is_silent && w->read_at >= w->kept_at + KEEP_AFTER);
	struct roster_look *l;

	if (w->sup->end.is_ending || w->sup->roster.in_force != w->sup->roster.newest->version ||
		!is_due) {
		end_look(w);
		return;
	}
	l = xcalloc(1, sizeof(*l));
	*l = (struct roster_look){
		.watch = w, .roster = w->roster, .conf = config_ref(w->sup->conf)};
	w->roster = NULL;
	work_run(w->sup->roster.work, keep_now, on_kept, l);
}

static bool is_in_force(const struct roster_watch *w)
{
	return w->sup->roster.in_force == w->sup->roster.newest->version;
}

/* All that the look can tell is known. */
static void answer(struct roster_watch *w)
{
	if (w->edit)
		edit_end(w, w->edit, is_in_force(w) ? "" : w->misfit.text);
	w->edit = NULL;
	if (w->sup->end.is_ending)
		return;
	if (w->covered) {
		proxy_child_tell_roster(w->sup->proxy, w->covered);
		if (w->asked == w->covered)
			w->asked = 0;
		w->covered = 0;
	}
	if (w->is_silent)
		end_all_told(w, true, -EIO, w->why.text);
	else if (!is_in_force(w))
		end_all_told(w, true, -EBADMSG, w->misfit.text);
	else
		end_all_told(w, true, 0, "");
}

static void note_misfit(struct roster_watch *w, const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct config_fault *f = &faults->items[i];

		if (f->is_warning)
			continue;
		why_set(&w->misfit, STR_FMT ": " STR_FMT, STR_ARG(f->where), STR_ARG(f->text));
		break;
	}
	log_error("version %llu of the roster does not fit the configuration, and changes nothing "
		  "here: %s",
		(unsigned long long)w->sup->roster.newest->version, w->misfit.text);
}

static void on_reloaded(void *arg, const struct control_reload *r)
{
	struct roster_watch *w = arg;

	MAGIC_CHECK(w, ROSTER_WATCH_MAGIC);
	if (r->faults->errors)
		note_misfit(w, r->faults);
	answer(w);
	keep_on_disk(w, true);
}

static void note_result(struct roster_watch *w, const struct roster_look *l)
{
	bool was_silent = w->is_silent;

	w->is_silent = l->result < 0;
	if (l->result >= 0) {
		w->read_at = wall_seconds();
		w->why.text[0] = '\0';
		if (was_silent)
			log_info("the roster can be read again: %s", roster_place_name(w->place));
		return;
	}
	if (!was_silent || strcmp(w->why.text, l->why.text) != 0)
		log_warn("the roster cannot be read, the last known one serves: %s", l->why.text);
	w->why = l->why;
}

static void on_look(void *arg)
{
	struct roster_look *l = arg;
	struct roster_watch *w = l->watch;
	struct roster_text *text = l->text;
	bool has_secret = l->secret != NULL;

	MAGIC_CHECK(w, ROSTER_WATCH_MAGIC);
	w->roster = l->roster;
	w->edit = l->edit;
	note_result(w, l);
	if (has_secret)
		w->sup->roster.fleet_secret = l->secret;
	config_unref(l->conf);
	free(l);
	if (!text && !has_secret) {
		answer(w);
		keep_on_disk(w, false);
		return;
	}
	if (text) {
		roster_text_unref(w->sup->roster.newest);
		w->sup->roster.newest = text;
		w->misfit.text[0] = '\0';
		log_info("version %llu of the roster", (unsigned long long)text->version);
	}
	if (w->sup->end.is_ending) {
		answer(w);
		end_look(w);
		return;
	}
	reload_start(w->sup, on_reloaded, w);
}

static bool lacks_secret(const struct supervisor *s)
{
	return !s->roster.fleet_secret && fleet_secret_is_missing(s->conf);
}

static void begin_look(struct roster_watch *w)
{
	struct roster_look *l = xcalloc(1, sizeof(*l));

	w->is_wanted = false;
	w->is_busy = true;
	w->began = loop_now(w->sup->loop);
	w->covered = w->asked;
	list_foreach (t, &w->waiting, struct awaiting, link)
		t->is_covered = true;
	*l = (struct roster_look){.watch = w,
		.roster = w->roster,
		.until = w->began + LOOK_LIMIT,
		.known = w->sup->roster.newest->version,
		.conf = config_ref(w->sup->conf),
		.wants_secret = lacks_secret(w->sup),
		.edit = edit_next(w)};
	w->roster = NULL;
	work_run(w->sup->roster.work, look_now, on_look, l);
}

static msec earliest(const struct roster_watch *w)
{
	return w->began + (w->is_silent ? PAUSE_SILENT : PAUSE_WELL);
}

static void on_next(struct timer *timer)
{
	roster_watch_want(container_of(timer, struct roster_watch, next));
}

void roster_watch_want(struct roster_watch *w)
{
	msec now = loop_now(w->sup->loop);

	MAGIC_CHECK(w, ROSTER_WATCH_MAGIC);
	w->is_wanted = true;
	if (w->is_busy || w->sup->end.is_ending)
		return;
	if (now >= earliest(w) || !list_is_empty(&w->edits))
		begin_look(w);
	else
		timer_set(&w->next, w->sup->loop, earliest(w), on_next);
}

/* --- reasons for one --- */

void roster_watch_asked(struct supervisor *s, uint64_t number)
{
	struct roster_watch *w = s->roster.watch;

	/* What is silent is not asked on behalf of every path that somebody tries. */
	if (!w || s->end.is_ending ||
		(w->is_silent && !w->is_busy && loop_now(s->loop) < earliest(w))) {
		proxy_child_tell_roster(s->proxy, number);
		return;
	}
	w->asked = number;
	roster_watch_want(w);
}

void roster_watch_forget_proxy(struct supervisor *s)
{
	if (s->roster.watch)
		s->roster.watch->asked = s->roster.watch->covered = 0;
}

void roster_watch_busy(struct supervisor *s)
{
	struct roster_watch *w = s->roster.watch;

	if (w && !w->is_busy && !w->is_wanted && loop_now(s->loop) >= w->began + RENEW_AFTER)
		roster_watch_want(w);
}

void roster_watch_wake(struct supervisor *s)
{
	struct roster_watch *w = s->roster.watch;

	if (w && s->roster.is_shared && s->conf->target != TARGET_NONE && !w->is_busy &&
		!w->is_wanted)
		roster_watch_want(w);
}

static void take_word(
	struct supervisor *s, uint64_t version, bool is_spread, control_roster_fn *done, void *arg)
{
	struct roster_watch *w = s->roster.watch;
	struct awaiting *t = xcalloc(1, sizeof(*t));

	*t = (struct awaiting){.done = done, .arg = arg, .is_spread = is_spread};
	list_init(&t->link);
	if (!w || s->end.is_ending) {
		t->err = -ENOTSUP;
		t->reason = xstrdup(w ? "fly-atc is about to end" : NO_ROSTER);
		loop_defer(s->loop, tell_awaiting, t);
	} else if (version && version <= w->sup->roster.in_force) {
		end_told(w, t, 0, "");
	} else {
		list_append(&w->waiting, &t->link);
		roster_watch_want(w);
	}
}

void roster_watch_told(struct supervisor *s, uint64_t version)
{
	struct roster_watch *w = s->roster.watch;

	if (w && !s->end.is_ending && !(version && version <= s->roster.in_force))
		roster_watch_want(w);
}

void roster_watch_resume(struct supervisor *s, control_roster_fn *done, void *arg)
{
	struct roster_watch *w = s->roster.watch;

	if (w) { /* connections of before may be dead, and the pauses are over */
		roster_place_forget_connections(w->place);
		w->began = 0;
	}
	take_word(s, 0, false, done, arg);
}

void roster_watch_spread(struct supervisor *s, uint64_t version, control_roster_fn *done, void *arg)
{
	take_word(s, version, true, done, arg);
}

void roster_watch_show(const struct supervisor *s, struct control_roster *ret)
{
	const struct roster_watch *w = s->roster.watch;
	int64_t now = wall_seconds();

	*ret = (struct control_roster){
		.place = STR_EMPTY, .silence = STR_EMPTY, .misfit = STR_EMPTY};
	if (!w)
		return;
	*ret = (struct control_roster){
		.place = str_of(roster_place_name(w->place)),
		.version = w->sup->roster.in_force,
		.newest = w->sup->roster.newest->version,
		.is_known = w->read_at > 0,
		.age = w->read_at > 0 && now > w->read_at ? (uint64_t)(now - w->read_at) : 0,
		.silence = str_of(w->why.text),
		.misfit = str_of(is_in_force(w) ? "" : w->misfit.text),
	};
}

/* --- the start --- */

/* 0; 1: what was kept cannot be read, and only the store can tell what it was. */
static int recall(struct roster_watch *w)
{
	struct why why;
	int r = roster_recall(w->sup->conf, &w->roster, &w->read_at, &why);

	w->kept_at = r == 0 ? w->read_at : 0;
	if (r == 0)
		return 0;
	w->roster = roster_new();
	w->read_at = 0;
	if (r == -ENOENT)
		return 0;
	log_error("the roster that was kept on this disk cannot be read: %s", why.text);
	return 1;
}

static int refuse_roster(
	const struct roster_watch *w, struct config_faults *faults, char **ret_reason)
{
	config_faults_print(faults, STDERR_FILENO);
	config_faults_done(faults);
	*ret_reason = xasprintf(
		"version %llu of the roster %s does not fit the configuration file; correct the file, or see `fly-atc roster history`",
		(unsigned long long)w->sup->roster.newest->version, roster_place_name(w->place));
	return -EINVAL;
}

/* The configuration with the roster, instead of that without. */
static int apply(struct roster_watch *w, char **ret_reason)
{
	struct supervisor *s = w->sup;
	struct config_source source = *s->source;
	struct config_faults faults;
	struct config *conf;

	if (!w->sup->roster.newest->version && !s->roster.fleet_secret)
		return 0;
	source.fleet_secret = str_of(s->roster.fleet_secret ? s->roster.fleet_secret : "");
	source.roster = buf_str(&w->sup->roster.newest->text);
	conf = config_load(&source, &faults);
	if (!conf)
		return refuse_roster(w, &faults, ret_reason);
	config_faults_done(&faults);
	environment_wipe(environ, &conf->secret_variables);
	own_paths_keep(&s->own, conf);
	config_unref(s->conf);
	s->conf = conf;
	w->sup->roster.in_force = w->sup->roster.newest->version;
	return 0;
}

static void first_secret(struct roster_watch *w)
{
	struct supervisor *s = w->sup;
	struct why why;

	if (w->is_silent || fleet_secret_find(s->conf, w->sup->roster.work,
				    clock_now() + FIRST_LIMIT, &s->roster.fleet_secret, &why) < 0)
		s->roster.fleet_secret = fleet_secret_recall(s->conf);
	if (!s->roster.fleet_secret)
		log_warn("the fleet has no secret yet: the store cannot be reached");
}

static int read_first(struct roster_watch *w, bool is_damaged, char **ret_reason)
{
	struct roster_look l = {.watch = w};
	int n, r;

	w->began = clock_now();
	n = l.result = roster_update(w->place, w->roster, w->began + FIRST_LIMIT, &l.why);
	if (n < 0 && is_damaged) {
		*ret_reason = xasprintf(
			"nobody knows who lives here: the roster that was kept on this disk is damaged, and %s cannot be read: %s",
			roster_place_name(w->place), l.why.text);
		return -EINVAL;
	}
	note_result(w, &l);
	w->sup->roster.newest = roster_as_text(w->roster);
	if (fleet_secret_is_missing(w->sup->conf))
		first_secret(w);
	r = apply(w, ret_reason);
	if (r == 0 && n >= 0 && (n > 0 || is_damaged) &&
		roster_keep(w->sup->conf, w->roster, &l.why) < 0)
		log_warn("the roster cannot be kept on this disk: %s", l.why.text);
	else if (r == 0 && n > 0)
		w->kept_at = w->read_at;
	return r;
}

int roster_watch_open(struct supervisor *s, char **ret_reason)
{
	struct roster_watch *w;
	char *why = NULL;
	int r;

	if (s->conf->is_single)
		return 0;
	w = xcalloc(1, sizeof(*w));
	MAGIC_BEGIN(w, ROSTER_WATCH_MAGIC);
	w->sup = s;
	w->conf = config_ref(s->conf);
	list_init(&w->waiting);
	list_init(&w->edits);
	s->roster.watch = w;
	s->roster.work = work_new(s->loop, 2);
	w->place = roster_place_new(w->conf, s->roster.work, &why);
	if (!w->place) {
		log_debug("there is no roster: %s", why);
		free(why);
		roster_watch_free(s);
		return 0;
	}
	s->roster.is_shared = s->conf->backup.url.n;
	r = recall(w);
	return read_first(w, r > 0, ret_reason);
}

/* --- the end --- */

void roster_watch_stop(struct supervisor *s)
{
	struct roster_watch *w = s->roster.watch;

	if (!w)
		return;
	timer_cancel(&w->next);
	work_stop(s->roster.work);
	end_all_told(w, false, -ECANCELED, "fly-atc is about to end");
	edit_refuse_all(w, -ECANCELED, "fly-atc is about to end");
}

void roster_watch_free(struct supervisor *s)
{
	struct roster_watch *w = s->roster.watch;

	if (!w)
		return;
	timer_cancel(&w->next);
	roster_place_free(w->place);
	work_free(s->roster.work);
	roster_free(w->roster);
	roster_text_unref(s->roster.newest);
	config_unref(w->conf);
	s->roster.watch = NULL;
	s->roster.work = NULL;
	s->roster.newest = NULL;
	MAGIC_END(w, ROSTER_WATCH_MAGIC);
	free(w);
}
