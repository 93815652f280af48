/* reload.c - a new configuration, all of it or nothing. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/reload.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/log.h"
#include "process/guard.h"
#include "supervisor/opening_thread.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

/* Changed tenants that are in use are looked at again, at first often. */
#define STALE_PAUSE_FIRST 50
#define STALE_PAUSE_LAST  1000

/* What the proxy is given to take a configuration over; it is some milliseconds. */
#define USE_LIMIT 10000

struct outcome {
	struct list in_reloads; /* while it waits for the proxy */
	struct timer limit;
	struct supervisor *sup;
	struct config_faults faults;
	uint32_t added, removed, changed;
	struct buf needs_restart;
	bool is_in_use;
	const char *why_not;
	control_reload_fn *done;
	void *arg;
};

/* --- slots --- */

bool tenant_is_here(const struct config *c, const struct tenant_conf *t)
{
	if (!c->fly_machine.n && !c->fly_region.n)
		return true;
	if (t->machine.n)
		return str_eq(t->machine, c->fly_machine);
	return !t->region.n || str_list_has(t->region, c->fly_region);
}

void reload_index(struct supervisor *s)
{
	uint32_t n = s->nslots;

	for (size_t i = 0; i < s->conf->ntenants; i++)
		n = MAX(n, s->conf->tenants[i].slot + 1);
	s->index_of_slot = xrealloc(s->index_of_slot, n * sizeof(*s->index_of_slot));
	s->tenants = xrealloc(s->tenants, n * sizeof(struct tenant *));
	for (uint32_t i = s->nslots; i < n; i++)
		s->tenants[i] = NULL;
	s->nslots = n;
	for (uint32_t i = 0; i < n; i++)
		s->index_of_slot[i] = UINT32_MAX;
	for (size_t i = 0; i < s->conf->ntenants; i++)
		s->index_of_slot[s->conf->tenants[i].slot] = (uint32_t)i;
}

void reload_wake_at_boot(struct supervisor *s)
{
	for (size_t i = 0; i < s->conf->ntenants; i++) {
		const struct tenant_conf *conf = &s->conf->tenants[i];

		if (conf->app->start != START_AT_BOOT || !tenant_is_here(s->conf, conf))
			continue;
		if (!s->tenants[conf->slot] || s->tenants[conf->slot]->life.state == TENANT_ABSENT)
			tenant_event(tenant_at(s, conf->slot), EVENT_WAKE);
	}
}

/* A tenant may come back while its former copy still ends: it must find that again, or there would
 * be two. */
static void keep_slot(struct config *c, struct tenant_conf *back, uint32_t slot)
{
	for (size_t i = 0; i < c->ntenants; i++)
		if (c->tenants[i].slot == slot)
			c->tenants[i].slot = back->slot;
	back->slot = slot;
}

static struct tenant_conf *find(const struct config *c, str id)
{
	const struct tenant_conf *found = config_find_tenant(c, id);

	return found ? &c->tenants[found - c->tenants] : NULL;
}

static void keep_slots_of_leavers(struct supervisor *s, struct config *c)
{
	list_foreach (t, &s->awake, struct tenant, in_awake) {
		struct tenant_conf *back = t->is_removed ? find(c, t->run->conf->id) : NULL;

		if (!back)
			continue;
		if (back->slot != t->slot)
			keep_slot(c, back, t->slot);
		t->is_removed = false;
	}
}

/* --- what cannot change --- */

static void refuse(struct outcome *o, const struct config *c, const char *text)
{
	struct arena *arena = xcalloc(1, sizeof(*arena));
	struct config_fault *fault = xcalloc(1, sizeof(*fault));

	fault->where = arena_dup(arena, c->file.n ? c->file : STR("environment"));
	fault->text = str_of(text);
	config_faults_done(&o->faults);
	o->faults = (struct config_faults){.items = fault, .count = 1, .errors = 1, .arena = arena};
}

/* Some settings hold for the life of this process; the configuration says what is in force. */
static void keep_restart_settings(const struct supervisor *s, struct config *c)
{
	c->server.http_port = s->conf->server.http_port;
	c->server.target_port = s->conf->server.target_port;
	c->server.threads = s->conf->server.threads;
	c->server.run_dir = str_of(s->run_dir);
	c->server.control_socket = str_of(s->control_path);
}

static bool is_acceptable(struct supervisor *s, struct config *c, struct outcome *o)
{
	if (s->is_ending)
		refuse(o, c, "fly-atc is about to end");
	else if (c->is_single != s->conf->is_single)
		refuse(o, c,
			"a single application cannot become tenants, or tenants one, by a reload; restart fly-atc");
	else if (!str_eq(c->server.storage, s->conf->server.storage))
		refuse(o, c, "server.storage cannot be changed by a reload; restart fly-atc");
	else if (config_assign_slots(c, s->conf, SCOREBOARD_SLOTS) < 0)
		refuse(o, c, "there are more tenants than fit");
	else
		return true;
	return false;
}

/* --- the difference --- */

static void count_differences(
	const struct config *before, const struct config *after, struct outcome *o)
{
	for (size_t i = 0; i < before->ntenants; i++) {
		const struct tenant_conf *now = config_find_tenant(after, before->tenants[i].id);

		if (!now)
			o->removed++;
		else if (now->fingerprint != before->tenants[i].fingerprint)
			o->changed++;
	}
	o->added = (uint32_t)(after->ntenants + o->removed - before->ntenants);
}

/* Before the new configuration is in force, and before the proxy has it: no new request can reach
 * them. */
static void remove_tenants(struct supervisor *s, const struct config *after)
{
	for (uint32_t slot = 0; slot < s->nslots; slot++) {
		struct tenant *t = s->tenants[slot];
		const struct tenant_conf *conf = t ? tenant_conf(t) : NULL;

		if (!conf || config_find_tenant(after, conf->id))
			continue;
		t->is_removed = true;
		if (t->run || t->life.state == TENANT_QUEUED)
			tenant_event(t, EVENT_STOP);
		else
			tenant_retire(t);
	}
}

void tenant_retire(struct tenant *t)
{
	struct supervisor *s = t->sup;
	bool is_wanted = t->life.is_wanted && !s->is_ending;
	uint32_t slot = t->slot;

	t->life = (struct lifecycle){0};
	atomic_store(&tenant_slot(t)->since, loop_now(s->loop));
	atomic_store(&tenant_slot(t)->state, TENANT_ABSENT);
	tenant_free(t);
	t = is_wanted ? tenant_at(s, slot) : NULL; /* of a new tenant that has got its slot */
	if (t)
		tenant_event(t, EVENT_WAKE);
}

static void on_stale(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, stale_timer);
	bool is_any_left = false;

	list_foreach_safe (t, &s->awake, struct tenant, in_awake) {
		if (!t->run->is_stale || t->life.state != TENANT_RUNNING) {
			is_any_left |= t->run->is_stale && t->life.state < TENANT_RUNNING;
			continue;
		}
		if (run_try_idle(t))
			tenant_event(t, EVENT_WAKE); /* with its new settings */
		else
			is_any_left = true;
	}
	s->stale_pause = MIN(s->stale_pause * 2, (msec)STALE_PAUSE_LAST);
	if (is_any_left)
		timer_set(timer, s->loop, loop_now(s->loop) + s->stale_pause, on_stale);
}

/* Awake tenants that are the same go on under the new configuration, so that the old one can go. */
static void adopt(struct tenant *t, struct config *c)
{
	const struct tenant_conf *now = config_find_tenant(c, t->run->conf->id);

	if (!now)
		return;
	t->run->is_stale = now->fingerprint != t->run->conf->fingerprint;
	if (t->run->is_stale)
		return;
	config_ref(c);
	config_unref(t->run->config);
	t->run->config = c;
	t->run->conf = now;
	if (t->life.state == TENANT_RUNNING)
		run_rearm_idle(t);
}

/* 0, or -errno: the proxy cannot be told. */
static int take_over(struct supervisor *s, struct config *take_conf)
{
	struct config *before = s->conf;
	int r;

	remove_tenants(s, take_conf);
	s->conf = take_conf;
	reload_index(s);
	list_foreach_safe (t, &s->awake, struct tenant, in_awake)
		adopt(t, take_conf);
	log_set_level(take_conf->server.log_level);
	backup_configure(s->backup, take_conf);
	opening_thread_configure(s->opener, take_conf);
	r = proxy_child_configure(s->proxy);
	config_unref(before);
	malloc_trim(0); /* two large configurations were here for a moment */
	guard_renew();
	reload_wake_at_boot(s);
	s->stale_pause = STALE_PAUSE_FIRST;
	timer_set(&s->stale_timer, s->loop, loop_now(s->loop), on_stale);
	return r;
}

/* --- the outcome --- */

static void log_faults(const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct config_fault *f = &faults->items[i];

		if (f->is_warning)
			log_warn(STR_FMT ":%u:%u: " STR_FMT, STR_ARG(f->where), f->line, f->column,
				STR_ARG(f->text));
		else
			log_error(STR_FMT ":%u:%u: " STR_FMT, STR_ARG(f->where), f->line, f->column,
				STR_ARG(f->text));
	}
}

static void log_outcome(const struct outcome *o)
{
	log_faults(&o->faults);
	if (o->faults.errors) {
		log_error("the new configuration has faults; the old one stays in force");
		return;
	}
	log_info("new configuration: %u tenants added, %u removed, %u changed", o->added,
		o->removed, o->changed);
	if (!o->is_in_use)
		log_warn("%s", o->why_not);
	if (buf_len(&o->needs_restart))
		log_warn("waiting for a restart of fly-atc: " STR_FMT,
			STR_ARG(buf_str(&o->needs_restart)));
}

static void tell(void *arg)
{
	struct outcome *o = arg;
	struct control_reload r = {
		.faults = &o->faults,
		.is_in_use = o->is_in_use,
		.why_not = o->why_not,
		.added = o->added,
		.removed = o->removed,
		.changed = o->changed,
		.needs_restart = buf_str(&o->needs_restart),
	};

	if (o->done)
		o->done(o->arg, &r);
	config_faults_done(&o->faults);
	buf_done(&o->needs_restart);
	free(o);
}

static void end_reload(struct outcome *o)
{
	timer_cancel(&o->limit);
	list_remove(&o->in_reloads);
	log_outcome(o);
	loop_defer(o->sup->loop, tell, o);
}

void reload_on_configured(struct supervisor *s)
{
	list_foreach_safe (o, &s->reloads, struct outcome, in_reloads) {
		o->is_in_use = true;
		end_reload(o);
	}
}

static void end_unused(struct outcome *o, const char *why_not)
{
	o->why_not = why_not;
	end_reload(o);
}

void reload_give_up(struct supervisor *s)
{
	list_foreach_safe (o, &s->reloads, struct outcome, in_reloads)
		end_unused(o, "fly-atc ends before the proxy uses the new configuration");
}

static void on_use_limit(struct timer *t)
{
	struct outcome *o = container_of(t, struct outcome, limit);

	end_unused(o, proxy_child_pid(o->sup->proxy)
			      ? "the proxy does not use the new configuration yet: it is busy"
			      : "the proxy does not use the new configuration yet: it is being "
				"started again");
}

static void wait_for_proxy(struct outcome *o, int error)
{
	struct supervisor *s = o->sup;

	list_append(&s->reloads, &o->in_reloads);
	if (error)
		end_unused(o,
			"the proxy goes on with the old configuration: no memory for the new one");
	else
		timer_set(&o->limit, s->loop, loop_now(s->loop) + USE_LIMIT, on_use_limit);
}

void reload(struct supervisor *s, control_reload_fn *done, void *arg)
{
	struct outcome *o = xcalloc(1, sizeof(*o));
	struct config *c = config_load(s->source, &o->faults);

	o->sup = s;
	o->done = done;
	o->arg = arg;
	list_init(&o->in_reloads);
	if (!c || !is_acceptable(s, c, o)) {
		config_unref(c);
		end_reload(o);
		return;
	}
	environment_wipe(environ, &c->secret_variables);
	keep_slots_of_leavers(s, c);
	count_differences(s->conf, c, o);
	config_needs_restart(s->conf, c, &o->needs_restart);
	keep_restart_settings(s, c);
	wait_for_proxy(o, take_over(s, c));
}
