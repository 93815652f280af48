/* report.c - fly-atc and its tenants as JSON. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "control/control_int.h"
#include "control/memory.h"

/* This many tenants are shown even if they have only slept so far. */
#define SHORT_LIST 100
/* Last lines of output that are shown with a failure: of each tenant in a list, and of one
 * alone. */
#define FEW_LINES  5
#define MANY_LINES 50

struct tenant_report {
	struct json *j;
	struct control *control;
	const struct memory *memory; /* or NULL */
	msec now;
	size_t output_lines;
	size_t counts[TENANT_NSTATES];
};

struct pid_list {
	pid_t *items;
	size_t count, cap;
};

static void pid_add(struct pid_list *pids, pid_t pid)
{
	if (pid <= 0)
		return;
	if (pids->count == pids->cap) {
		pids->cap = pids->cap ? pids->cap * 2 : 64;
		pids->items = xrealloc(pids->items, pids->cap * sizeof(*pids->items));
	}
	pids->items[pids->count++] = pid;
}

static void on_tenant_pid(void *arg, const struct control_tenant *t)
{
	pid_add(arg, t->pid);
}

static msec since(msec now, msec moment)
{
	return now > moment ? now - moment : 0;
}

static void add_memory(struct json *j, const struct memory *m, pid_t pid)
{
	struct memory_use use;

	if (!m || !pid || !memory_of(m, pid, &use)) {
		json_none(j, "memory");
		return;
	}
	json_open_object(j, "memory");
	json_number(j, "pss", use.pss);
	json_number(j, "rss", use.rss);
	json_number(j, "processes", use.processes);
	json_close_object(j);
}

static void add_wake(struct json *j, const struct control_wake *w)
{
	json_open_object(j, "wake");
	json_number(j, "restore_ms", w->restore);
	json_number(j, "prepare_ms", w->prepare);
	json_number(j, "start_ms", w->start);
	json_number(j, "ready_ms", w->ready);
	json_number(j, "total_ms", w->restore + w->prepare + w->start + w->ready);
	json_close_object(j);
}

static void on_output_line(void *arg, const struct control_line *line)
{
	json_str(arg, NULL, line->text);
}

static void add_output(struct tenant_report *r, str id)
{
	struct control *c = r->control;

	json_open_array(r->j, "last_output");
	c->ops->tail(c->arg, id, r->output_lines, on_output_line, r->j);
	json_close_array(r->j);
}

/* Why it failed, in the application's own words. */
static void add_error_output(struct json *j, str rest)
{
	str line;

	json_open_array(j, "error_output");
	while (str_split(&rest, '\n', &line))
		json_str(j, NULL, line);
	json_close_array(j);
}

static void add_losses(struct json *j, const char *key, const struct log_losses *l)
{
	json_open_object(j, key);
	json_number(j, "lines", l->lines);
	json_number(j, "bytes", l->bytes);
	json_close_object(j);
}

static void add_replacement(struct tenant_report *r, const struct control_tenant *t)
{
	struct json *j = r->j;

	if (!t->replace.since) {
		json_none(j, "to_be_replaced");
		return;
	}
	json_open_object(j, "to_be_replaced");
	json_number(j, "for_ms", since(r->now, t->replace.since));
	json_str(j, "because_of", t->replace.why);
	json_str(j, "waits_for", t->replace.waits);
	if (t->replace.at == MSEC_NEVER)
		json_none(j, "within_ms");
	else
		json_number(j, "within_ms", since(t->replace.at, r->now));
	json_close_object(j);
}

static void add_life(struct tenant_report *r, const struct control_tenant *t)
{
	struct json *j = r->j;

	json_number(j, "state_ms", since(r->now, t->since));
	if (t->pid)
		json_number(j, "pid", (uint64_t)t->pid);
	else
		json_none(j, "pid");
	json_number(j, "in_flight", t->in_flight);
	json_number(j, "upgrades", t->upgrades);
	json_number(j, "held", t->held);
	json_number(j, "requests", t->requests);
	add_memory(j, r->memory, t->pid);
	add_wake(j, &t->wake);
	json_number(j, "starts", t->since_began.starts);
	json_number(j, "restarts", t->since_began.restarts);
	json_str_or_null(j, "reason", t->failure.reason);
	json_str_or_null(j, "last_crash", t->failure.last_crash);
	if (t->busy_until > r->now)
		json_number(j, "busy_ms", t->busy_until - r->now);
	json_str_or_null(j, "warning", t->warning);
	add_replacement(r, t);
	if (t->retry_at)
		json_number(j, "retry_ms", since(t->retry_at, r->now));
	if (t->failure.reason.n) {
		add_error_output(j, t->failure.error);
		add_output(r, t->id);
	}
	json_str_or_null(j, "isolation", t->isolation);
	add_losses(j, "output_dropped", &t->output_dropped);
}

static void add_reported_tenant(void *arg, const struct control_tenant *t)
{
	struct tenant_report *r = arg;

	r->counts[t->state]++;
	json_open_object(r->j, NULL);
	json_str(r->j, "id", t->id);
	json_str(r->j, "state", str_of(tenant_state_name(t->state)));
	json_bool(r->j, "here", t->home.is_here);
	json_str_or_null(r->j, "machine", t->home.machine);
	if (t->has_woken)
		add_life(r, t);
	json_str_or_null(r->j, "not_backed_up", t->unsaved.gap);
	json_str_or_null(r->j, "backup_pending", t->unsaved.pending);
	json_close_object(r->j);
}

static void add_proxy(struct json *j, const struct control_global *g, const struct memory *m)
{
	json_open_object(j, "proxy");
	if (g->proxy_pid)
		json_number(j, "pid", (uint64_t)g->proxy_pid);
	else
		json_none(j, "pid");
	json_number(j, "restarts", g->proxy_restarts);
	json_str_or_null(j, "reason", g->proxy_reason);
	json_number(j, "threads", g->threads);
	add_memory(j, m, g->proxy_pid);
	json_close_object(j);
}

static void add_config(struct json *j, const struct control_global *g)
{
	char version[17];

	snprintf(version, sizeof(version), "%016" PRIx64, g->conf->version);
	json_open_object(j, "config");
	json_str_or_null(j, "file", g->conf->file);
	json_str(j, "version", str_of(version));
	json_bool(j, "proxy_has_it", g->is_proxy_configured);
	json_close_object(j);
}

static void add_roster(struct json *j, const struct control_roster *r)
{
	if (!r->place.n) {
		json_none(j, "roster");
		return;
	}
	json_open_object(j, "roster");
	json_str(j, "place", r->place);
	json_number(j, "version", r->version);
	json_number(j, "newest", r->newest);
	if (r->is_known)
		json_number(j, "age_s", r->age);
	else
		json_none(j, "age_s");
	json_str_or_null(j, "silence", r->silence);
	json_str_or_null(j, "misfit", r->misfit);
	json_close_object(j);
}

static void add_backup(struct json *j, struct control *c)
{
	struct buf backup = {0};

	c->ops->backup(c->arg, &backup);
	if (buf_len(&backup))
		json_raw(j, "backup", buf_str(&backup));
	else
		json_none(j, "backup");
	buf_done(&backup);
}

void report_sleep_fields(struct control *c, struct json *j)
{
	struct control_sleep z = {0};
	msec now = loop_now(c->loop);

	c->ops->sleep(c->arg, &z);
	json_str(j, "state", z.step);
	json_str(j, "on_idle", z.how);
	json_number(j, "in_flight", z.in_flight);
	json_number(j, "holds", z.holds);
	json_number(j, "busy_ms", since(z.busy_until, now));
	json_number(j, "idle_ms", z.idle);
	json_number(j, "sleeps", z.sleeps);
	if (z.resumed)
		json_number(j, "resumed_ms", since(now, z.resumed));
	else
		json_none(j, "resumed_ms");
	json_str_or_null(j, "reason", z.fault);
}

static void add_global(
	struct json *j, struct control *c, const struct control_global *g, const struct memory *m)
{
	json_str(j, "version", STR(FLY_ATC_VERSION));
	json_number(j, "pid", (uint64_t)getpid());
	json_number(j, "uptime_ms", since(loop_now(c->loop), g->started_at));
	json_str(j, "state", g->is_draining ? STR("ending") : STR("serving"));
	json_str(j, "address", g->address);
	json_str(j, "run_dir", g->conf->server.run_dir);
	add_memory(j, m, getpid());
	add_proxy(j, g, m);
	add_config(j, g);
	add_roster(j, &g->roster);
	json_str_or_null(j, "machine", g->conf->our_machine);
	json_str_or_null(j, "region", g->conf->our_region);
	json_open_object(j, "sleep");
	report_sleep_fields(c, j);
	json_close_object(j);
	json_str_or_null(j, "isolation", g->isolation);
	add_losses(j, "log_dropped", &g->log_dropped);
	add_backup(j, c);
}

/* Those that are not listed sleep. */
static void add_counts(struct json *j, const struct tenant_report *r, size_t ntenants)
{
	size_t listed = 0;

	for (size_t i = 0; i < TENANT_NSTATES; i++)
		listed += r->counts[i];
	json_open_object(j, "counts");
	json_number(j, "tenants", ntenants);
	json_number(j, "not_listed", ntenants > listed ? ntenants - listed : 0);
	for (unsigned i = 0; i < TENANT_NSTATES; i++)
		json_number(j, tenant_state_name((enum tenant_state)i), r->counts[i]);
	json_close_object(j);
}

static void on_status_surveyed(void *arg)
{
	struct session *s = arg;
	struct control *c = s->control;
	struct buf body = {0};
	struct json j = {.out = &body};
	struct tenant_report r = {.j = &j,
		.control = c,
		.memory = s->memory,
		.now = loop_now(c->loop),
		.output_lines = FEW_LINES};
	struct control_global g = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->global(c->arg, &g);
	json_open_object(&j, NULL);
	add_global(&j, c, &g, s->memory);
	json_open_array(&j, "tenants");
	c->ops->tenants(
		c->arg, s->is_for_all || g.conf->ntenants <= SHORT_LIST, add_reported_tenant, &r);
	json_close_array(&j);
	add_counts(&j, &r, g.conf->ntenants);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

void report_status(struct session *s)
{
	struct control *c = s->control;
	struct control_global g = {0};
	struct pid_list pids = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->global(c->arg, &g);
	pid_add(&pids, getpid());
	pid_add(&pids, g.proxy_pid);
	c->ops->tenants(c->arg, false, on_tenant_pid, &pids);
	s->state = SESSION_BUSY;
	s->memory = memory_survey(c->loop, pids.items, pids.count, on_status_surveyed, s);
	free(pids.items);
}

static void write_tenant(struct control *c, str id, const struct memory *m, struct buf *out)
{
	struct json j = {.out = out};
	struct tenant_report r = {.j = &j,
		.control = c,
		.memory = m,
		.now = loop_now(c->loop),
		.output_lines = MANY_LINES};

	c->ops->tenant(c->arg, id, add_reported_tenant, &r);
}

void report_tenant_json(struct control *c, str id, struct buf *out)
{
	MAGIC_CHECK(c, CONTROL_MAGIC);
	write_tenant(c, id, NULL, out);
}

static void on_tenant_surveyed(void *arg)
{
	struct session *s = arg;
	struct buf body = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	write_tenant(s->control, s->tenant, s->memory, &body);
	if (buf_len(&body)) {
		buf_add_char(&body, '\n');
		session_answer(s, 200, JSON_TYPE, buf_str(&body));
	} else {
		session_refuse(s, 404, STR("this tenant has just been removed"));
	}
	buf_done(&body);
}

void report_tenant(struct session *s)
{
	struct control *c = s->control;
	struct pid_list pids = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->tenant(c->arg, s->tenant, on_tenant_pid, &pids);
	s->state = SESSION_BUSY;
	s->memory = memory_survey(c->loop, pids.items, pids.count, on_tenant_surveyed, s);
	free(pids.items);
}

void report_config(struct session *s)
{
	struct control *c = s->control;
	struct control_global g = {0};
	struct buf text = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->global(c->arg, &g);
	config_dump(g.conf, &text);
	session_answer(s, 200, STR("text/yaml"), buf_str(&text));
	buf_done(&text);
}
