/* elsewhere.c - finds an application that does not listen where it was told to, by looking at its
 * sockets. */
/* SPDX-License-Identifier: MIT */
#include "tenant/elsewhere.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "loop/work.h"
#include "tenant/tenant_int.h"

/* msec.  A look costs a millisecond or more; most applications are where they were told. */
#define LOOK_FIRST 250
#define LOOK_PAUSE 500
#define LOOK_LAST  5000
/* For this long the same socket must be the only one: some open a second one a moment after the
 * first. */
#define STEADY 1000

/* Counted in run->backups, so that the run waits for it. */
struct sighting {
	struct tenant *tenant;
	pid_t leader;
	msec began;
	struct listening found; /* the thread's until it ends */
};

/* --- what is reported --- */

static void describe_told(const struct tenant *t, struct buf *out)
{
	char path[256];

	if (t->run->port.told) {
		buf_printf(out, ", was told 127.0.0.1:%u", t->run->port.told);
		return;
	}
	tenant_socket_path(t, path, sizeof(path));
	buf_printf(out, ", was told %s", path);
}

static const char *why_not_candidate(const struct tenant *t, const struct open_port *l);

static void add_way_out(const struct tenant *t, const struct listening *l, struct buf *out)
{
	const struct app_conf *app = t->run->conf->app;
	const char *why = NULL;
	const struct open_port *only = listening_choose(l, &why);

	if (app->port == CONFIG_PORT_AUTO) {
		if (only)
			why = why_not_candidate(t, only);
		buf_printf(out, "; `port: auto` does not use it: %s",
			why ? why : "it did not answer there, or not for long enough");
	} else if (only && app->port == CONFIG_PORT_ANY && !t->all->conf->is_single &&
		   !why_not_candidate(t, only)) {
		buf_printf(out, "; if it is there each time: `port: %u`, else `port: auto`",
			only->port);
	}
}

/* With `listen: fd` the port is open in any case. */
static bool is_where_it_was_told(const struct tenant *t, const struct listening *l)
{
	char path[256];

	if (t->run->port.told)
		return t->run->conf->app->listen != LISTEN_FD &&
		       listening_is_at(l, t->run->port.told);
	tenant_socket_path(t, path, sizeof(path));
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].text, path) == 0)
			return true;
	return false;
}

/* It did not make the socket that it inherited. */
static void forget_inherited(const struct tenant *t, struct listening *l)
{
	size_t kept = 0;

	if (t->run->conf->app->listen != LISTEN_FD || t->all->conf->is_single)
		return;
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].port != t->run->port.told)
			l->items[kept++] = l->items[i];
	l->count = kept;
}

static void tell_elsewhere(struct tenant *t, struct listening *l)
{
	elsewhere_fn *to_tell = t->run->elsewhere.to_tell;
	struct buf words = {0};

	t->run->elsewhere.to_tell = NULL;
	forget_inherited(t, l);
	if (l->count && !is_where_it_was_told(t, l)) {
		buf_add(&words, STR("; it listens on "));
		listening_describe(l, &words);
		describe_told(t, &words);
		add_way_out(t, l, &words);
	}
	to_tell(t, buf_str(&words));
	buf_done(&words);
}

/* --- the candidate --- */

static const struct tenant *tenant_with_port(const struct tenant *t, unsigned port)
{
	list_foreach (it, &t->all->awake, struct tenant, in_awake) {
		if (it != t && it->run->process && atomic_load(&tenant_slot(it)->port) == port)
			return it;
	}
	return NULL;
}

/* What the sockets alone do not show. */
static const char *why_not_candidate(const struct tenant *t, const struct open_port *l)
{
	if (l->port == t->all->own_port)
		return "it is fly-atc's own port";
	if (config_port_is_said(t->all->conf, l->port))
		return "it is the `port` of another tenant";
	if (tenant_with_port(t, l->port))
		return "it is the port of another tenant";
	return NULL;
}

static void drop_candidate(struct elsewhere *e)
{
	probe_free(e->probe);
	e->probe = NULL;
	e->candidate = (struct open_port){0};
	e->is_answered = false;
}

static void on_look_time(struct timer *timer);

static void look_at(struct tenant *t, msec when)
{
	timer_set(&t->run->elsewhere.timer, t->all->loop, when, on_look_time);
}

/* It speaks HTTP; one more look decides whether it is still the only one. */
static void on_candidate_ready(void *arg, bool is_ipv6)
{
	struct tenant *t = arg;
	struct elsewhere *e = &t->run->elsewhere;

	MAGIC_CHECK(t, TENANT_MAGIC);
	checkup_keep(t->run, &e->probe);
	e->is_answered = true;
	e->answers_ipv6 = is_ipv6;
	if (!e->is_looking)
		look_at(t, MAX(loop_now(t->all->loop), e->found_at + STEADY));
}

static void ask_candidate(struct tenant *t)
{
	struct elsewhere *e = &t->run->elsewhere;
	struct probe_target target = {.port = e->candidate.port,
		.is_ipv6 = !e->candidate.is_at_ipv4,
		.may_be_ipv6 = e->candidate.is_at_ipv4 && e->candidate.is_at_ipv6};

	e->probe = checkup_at(t, &target, on_candidate_ready);
}

static void use_candidate(struct tenant *t)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct elsewhere *e = &t->run->elsewhere;

	log_info("tenant " STR_FMT ": it listens on %s (pid %d), was told 127.0.0.1:%u; that is "
		 "used (port: auto)",
		STR_ARG(t->run->conf->id), e->candidate.text, (int)e->candidate.pid,
		t->run->port.told);
	e->on_found(t, e->candidate.port, e->answers_ipv6);
}

/* `began`: the look knows nothing of what came later. */
static void consider(struct tenant *t, const struct listening *l, msec began)
{
	struct elsewhere *e = &t->run->elsewhere;
	const char *why;
	const struct open_port *only =
		is_where_it_was_told(t, l) ? NULL : listening_choose(l, &why);

	if (only && why_not_candidate(t, only))
		only = NULL;
	if (e->candidate.port && (!only || strcmp(only->text, e->candidate.text) != 0))
		drop_candidate(e);
	if (only && !e->candidate.port) {
		e->candidate = *only;
		e->found_at = began;
		ask_candidate(t);
	} else if (only && e->is_answered && began >= e->found_at + STEADY) {
		use_candidate(t);
	}
}

/* --- the look --- */

static void run_look(void *arg)
{
	struct sighting *look = arg;

	listening_find(look->leader, &look->found);
}

static msec next_look(const struct tenant *t)
{
	const struct elsewhere *e = &t->run->elsewhere;
	msec now = loop_now(t->all->loop), began = (msec)(t->run->phase_began / 1000);

	if (e->is_answered)
		return MAX(now, e->found_at + STEADY);
	return now + MIN(MAX((now - began) / 4, (msec)LOOK_PAUSE), (msec)LOOK_LAST);
}

static void on_looked(void *arg)
{
	struct sighting *look = arg;
	struct tenant *t = look->tenant;
	struct elsewhere *e = &t->run->elsewhere;

	e->is_looking = false;
	if (!run_came_back(t) || e->is_over) {
		free(look);
		return;
	}
	if (t->run->conf->app->port == CONFIG_PORT_AUTO)
		consider(t, &look->found, look->began);
	if (!e->is_over && e->to_tell)
		tell_elsewhere(t, &look->found);
	if (!e->is_over && t->run->conf->app->port == CONFIG_PORT_AUTO)
		look_at(t, next_look(t));
	free(look);
}

static void start_listening_look(struct tenant *t)
{
	struct tenant_run *run = t->run;
	struct sighting *look = xcalloc(1, sizeof(*look));

	timer_cancel(&run->elsewhere.timer);
	run->elsewhere.is_looking = true;
	run->backups++;
	look->tenant = t;
	look->leader = process_pid(run->process);
	look->began = loop_now(t->all->loop);
	work_run(t->all->looking, run_look, on_looked, look);
}

static void on_look_time(struct timer *timer)
{
	struct tenant_run *run = container_of(timer, struct tenant_run, elsewhere.timer);

	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	if (run->process && !run->elsewhere.is_looking)
		start_listening_look(run->tenant);
}

void elsewhere_begin(struct tenant *t, elsewhere_found_fn *on_found)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->elsewhere.on_found = on_found;
	if (t->run->conf->app->port == CONFIG_PORT_AUTO)
		look_at(t, clock_now() + LOOK_FIRST);
}

void elsewhere_end(struct tenant_run *run)
{
	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	run->elsewhere.is_over = true;
	run->elsewhere.to_tell = NULL;
	timer_cancel(&run->elsewhere.timer);
	drop_candidate(&run->elsewhere);
}

void elsewhere_tell(struct tenant *t, elsewhere_fn *fn)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->elsewhere.to_tell = fn;
	if (!t->run->elsewhere.is_looking)
		start_listening_look(t);
}

/* --- which process has a port --- */

struct owner_search {
	struct tenant *tenant;
	unsigned port;
	pid_t found; /* the thread's until it ends */
	char name[17];
};

static bool is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* The name that the process gives itself, as far as it is printable. */
static void read_name(struct owner_search *s)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)s->found);
	n = file_read_kernel(path, s->name, sizeof(s->name) - 1);
	s->name[MAX(n, 0)] = '\0';
	for (char *c = s->name; *c; c++)
		if (!is_printable(*c))
			*c = '\0';
}

static void run_search(void *arg)
{
	struct owner_search *s = arg;

	s->found = listening_owner(s->port);
	if (s->found)
		read_name(s);
}

static void on_found(void *arg)
{
	struct owner_search *s = arg;
	struct tenant *t = s->tenant;
	const struct tenant *other = tenant_with_port(t, s->port);

	run_came_back(t);
	if (other)
		tenant_blame(t, "its port %u is taken by tenant " STR_FMT, s->port,
			STR_ARG(other->run->conf->id));
	else if (s->found)
		tenant_blame(
			t, "its port %u is taken by pid %d (%s)", s->port, (int)s->found, s->name);
	else
		tenant_blame(t,
			"its port %u is taken by somebody else, who cannot be seen from here",
			s->port);
	free(s);
	tenant_event(t, EVENT_BROKEN);
}

void elsewhere_blame_owner(struct tenant *t, unsigned port)
{
	struct owner_search *s = xcalloc(1, sizeof(*s));

	MAGIC_CHECK(t, TENANT_MAGIC);
	s->tenant = t;
	s->port = port;
	t->run->backups++;
	work_run(t->all->looking, run_search, on_found, s);
}
