/* action.c - actions on tenants: begun, and answered when they are done. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/magic.h"
#include "control/control_int.h"

enum { ACTION_MAGIC = MAGIC('a', 'c', 't', 'n') };

/* Outlives its session and the server: the supervisor calls back in any case. */
struct action {
	uint32_t magic;
	struct session *session; /* NULL: no session waits for the end */
};

static struct action *action_new(struct session *s, bool waits)
{
	struct action *a = xcalloc(1, sizeof(*a));

	MAGIC_BEGIN(a, ACTION_MAGIC);
	if (waits)
		session_wait(s, &a->session);
	return a;
}

/* The session that still waits for it, if any. */
static struct session *action_end(struct action *a)
{
	struct session *s = session_waited(&a->session);

	MAGIC_END(a, ACTION_MAGIC);
	free(a);
	return s;
}

static unsigned status_of_error(int err)
{
	switch (err) {
	case 0:
		return 200;
	case -ENOENT:
		return 404;
	case -ECANCELED:
		return 409;
	default:
		return 503;
	}
}

static void on_action_done(void *arg, int err, str reason)
{
	struct session *s = action_end(arg);
	struct buf body = {0}, tenant = {0};
	struct json j = {.out = &body};

	if (!s)
		return;
	report_tenant_json(s->control, s->tenant, &tenant);
	if (err) {
		json_open_object(&j, NULL);
		json_str(&j, "error", reason);
		if (buf_len(&tenant))
			json_raw(&j, "tenant", buf_str(&tenant));
		json_close_object(&j);
	} else if (buf_len(&tenant)) {
		json_raw(&j, NULL, buf_str(&tenant));
	} else {
		buf_add(&body, STR("{}")); /* a reload removed it meanwhile */
	}
	buf_add_char(&body, '\n');
	session_answer(s, status_of_error(err), JSON_TYPE, buf_str(&body));
	buf_done(&body);
	buf_done(&tenant);
}

void action_start(struct session *s, control_action_fn *op, bool waits)
{
	struct control *c = s->control;

	MAGIC_CHECK(s, SESSION_MAGIC);
	op(c->arg, s->tenant, on_action_done, action_new(s, waits));
	if (!waits)
		session_answer(s, 202, JSON_TYPE, STR("{}\n"));
}

void action_busy(struct session *s, str hold, msec length)
{
	struct control *c = s->control;

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->busy(c->arg, s->tenant, hold, length, on_action_done, action_new(s, true));
}

void action_hold(struct session *s, str hold, msec length)
{
	struct control *c = s->control;
	int r = c->ops->hold(c->arg, hold, length);
	struct buf body = {0};
	struct json j = {.out = &body};

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (r == -ECANCELED) {
		session_refuse(s, 409, STR("fly-atc is about to end"));
		return;
	}
	if (r < 0) {
		session_refuse(s, 503,
			r == -EPERM ? STR("busy_max is 0: nothing can be busy without requests")
				    : STR("too many others say so already"));
		return;
	}
	json_open_object(&j, NULL);
	report_sleep_fields(c, &j);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

static void on_purged(void *arg, int err, uint32_t entries)
{
	struct session *s = action_end(arg);

	if (s)
		cached_answer_purged(s, err, entries);
}

void action_purge(struct session *s, str path)
{
	struct control *c = s->control;

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->purge(c->arg, s->tenant, path, on_purged, action_new(s, true));
}

static const str rolled_names[] = {
#define ROLLED(name, text, doc) STR_INIT(text),
#include "control/rolled.def"
};
static_assert(NITEMS(rolled_names) == CONTROL_NROLLED, "one text for each");

static void add_over(struct json *j, const struct control_rolled_tenant *t)
{
	const struct control_roll_counts *c = &t->counts;

	json_number(j, "replaced", c->replaced);
	json_number(j, "asleep", c->asleep);
	json_number(j, "failed", c->failed);
	json_number(j, "kept", c->kept);
	json_number(j, "waiting", c->waiting);
	json_bool(j, "goes_on", t->goes_on);
}

static void add_rolled(struct buf *out, const struct control_rolled_tenant *t)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	json_str(&j, "what", rolled_names[t->what]);
	if (t->what != ROLLED_OVER)
		json_str(&j, "tenant", t->id);
	else
		add_over(&j, t);
	if (t->what == ROLLED_REPLACED)
		json_number(&j, "wake_ms",
			t->wake.restore + t->wake.prepare + t->wake.start + t->wake.ready);
	json_str_or_null(&j, "reason", t->reason);
	json_close_object(&j);
	buf_add_char(out, '\n');
}

/* The last line always comes, and says that it is the last. */
static void on_rolled(void *arg, const struct control_rolled_tenant *t)
{
	struct action *a = arg;
	bool is_over = t->what == ROLLED_OVER;
	struct session *s = is_over ? action_end(a) : a->session;
	struct buf line = {0};

	if (!s)
		return;
	add_rolled(&line, t);
	if (is_over) {
		session_stream_piece(s, buf_str(&line));
		session_stream_end(s);
	} else {
		session_stream_line(s, buf_str(&line));
	}
	buf_done(&line);
}

void action_restart_all(struct session *s, const struct control_roll *how, bool waits)
{
	struct control *c = s->control;
	struct action *a = action_new(s, waits);
	const char *why_not = c->ops->restart_all(c->arg, how, on_rolled, a);

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (why_not) {
		action_end(a);
		session_refuse(s, 409, str_of(why_not));
	} else if (waits) {
		session_stream(s, LINES_TYPE, NULL);
	} else {
		session_answer(s, 202, JSON_TYPE, STR("{}\n"));
	}
}

static void add_fault(struct json *j, const struct config_fault *f)
{
	json_open_object(j, NULL);
	json_str(j, "where", f->where);
	if (f->line) {
		json_number(j, "line", f->line);
		json_number(j, "column", f->column);
	}
	json_str(j, "text", f->text);
	json_close_object(j);
}

void action_faults(
	struct json *j, const char *key, const struct config_faults *faults, bool are_warnings)
{
	json_open_array(j, key);
	for (size_t i = 0; i < faults->count; i++)
		if (faults->items[i].is_warning == are_warnings)
			add_fault(j, &faults->items[i]);
	json_close_array(j);
}

static void on_reloaded(void *arg, const struct control_reload *r)
{
	struct session *s = action_end(arg);
	struct buf body = {0};
	struct json j = {.out = &body};

	if (!s)
		return;
	json_open_object(&j, NULL);
	if (r->faults->errors) {
		json_str(&j, "error",
			STR("the new configuration has faults; the old one stays in force"));
		action_faults(&j, "faults", r->faults, false);
	} else {
		json_number(&j, "added", r->added);
		json_number(&j, "removed", r->removed);
		json_number(&j, "changed", r->changed);
		json_str_or_null(&j, "needs_restart", r->needs_restart);
		json_bool(&j, "in_use", r->is_in_use);
		if (!r->is_in_use)
			json_str(&j, "error", str_of(r->why_not));
	}
	action_faults(&j, "warnings", r->faults, true);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s,
		r->faults->errors ? 422
		: r->is_in_use	  ? 200
				  : 202,
		JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

void action_reload(struct session *s)
{
	struct control *c = s->control;

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->reload(c->arg, on_reloaded, action_new(s, true));
}
