/* reload.c - reads a configuration on a thread, compares, hands it to the proxy, and waits for
 * that. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/reload.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/log.h"
#include "control/events.h"
#include "loop/work.h"
#include "process/guard.h"
#include "supervisor/opening_thread.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"
#include "target/target.h"
#include "tenant/environment.h"

/* How long the proxy is given to take a configuration over; it needs some milliseconds. */
#define USE_LIMIT 10000

struct outcome {
	struct list link;   /* of reloading.to_load, then of to_use */
	struct timer limit; /* while it waits for the proxy */
	struct supervisor *sup;
	/* The thread's, while it reads: */
	struct config *before; /* in force; one reference */
	struct found_set *found;
	struct roster_text *roster;
	str fleet_secret;
	struct slot_claim *claims;
	size_t nclaims;
	struct config *conf; /* what was read; NULL: it has faults */
	int snapshot_fd;     /* of it */
	struct config_faults faults;
	uint32_t added, removed, changed;
	struct buf needs_restart;
	bool is_in_use;
	const char *why_not;
	control_reload_fn *done;
	void *arg;
};

/* --- what cannot change --- */

static void refuse_config(struct outcome *o, const struct config *c, const char *text)
{
	struct arena *arena = xcalloc(1, sizeof(*arena));
	struct config_fault *fault = xcalloc(1, sizeof(*fault));

	fault->where = arena_dup(arena, c->file.n ? c->file : STR("environment"));
	fault->text = str_of(text);
	config_faults_done(&o->faults);
	o->faults = (struct config_faults){.items = fault, .count = 1, .errors = 1, .arena = arena};
}

/* Some settings cannot change while this process lives; the configuration shows what is in
 * force. */
static void keep_restart_settings(const struct outcome *o, struct config *c)
{
	const struct server_conf *before = &o->before->server;

	c->server.http_port = before->http_port;
	c->server.target_port = before->target_port;
	c->server.threads = before->threads;
	own_paths_keep(&o->sup->own, c);
}

static const char *const no_room =
	"there are more tenants than fit while those that were removed still end; reload again later";

static bool is_acceptable(struct outcome *o, struct config *c)
{
	if (c->is_single != o->before->is_single)
		refuse_config(o, c,
			"a single application cannot become tenants, or tenants one, by a reload; restart fly-atc");
	else if (!str_eq(c->server.storage, o->before->server.storage))
		refuse_config(
			o, c, "server.storage cannot be changed by a reload; restart fly-atc");
	else if (c->target != o->before->target || !str_eq(c->our_machine, o->before->our_machine))
		refuse_config(o, c,
			"this machine cannot become another one, or one of another kind of fleet (machine: name, target), "
			"by a reload; restart fly-atc");
	else if (c->ntenants > SCOREBOARD_TENANTS)
		refuse_config(o, c, "there are more tenants than fit");
	else if (config_assign_slots(c, o->before, o->claims, o->nclaims, SCOREBOARD_SLOTS) < 0)
		refuse_config(o, c, no_room);
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

/* Before the new configuration is in force, and before the proxy has it. */
static void remove_tenants(struct supervisor *s, const struct config *after)
{
	uint64_t serial = proxy_child_next(s->proxy);

	for (size_t i = 0; i < s->conf->ntenants; i++) {
		const struct tenant_conf *conf = &s->conf->tenants[i];

		if (config_find_tenant(after, conf->id))
			continue;
		places_retire(s, conf, serial);
		tenants_remove(s->tenants, conf->slot);
	}
}

struct former {
	struct supervisor *sup;
	struct config *conf;
};

static void free_config(void *arg)
{
	struct former *f = arg;

	config_unref(f->conf);
	malloc_trim(0); /* two large configurations were here for a moment */
}

static void on_freed(void *arg)
{
	struct former *f = arg;

	ending_check_soon(f->sup);
	free(f);
}

static void tell_subscribers(const struct outcome *o)
{
	const struct control_reloaded r = {.before = o->sup->conf,
		.after = o->conf,
		.added = o->added,
		.removed = o->removed,
		.changed = o->changed};

	control_on_reload(o->sup->control, &r);
}

static void take_over(struct supervisor *s, struct config *take_conf, int take_snapshot_fd,
	const struct roster_text *roster)
{
	struct former *before = xmalloc(sizeof(*before));

	*before = (struct former){s, s->conf};
	environment_wipe(environ, &take_conf->secret_variables);
	remove_tenants(s, take_conf);
	s->conf = take_conf;
	tenants_configure(s->tenants, take_conf);
	places_take(s, take_conf);
	tenants_adopt(s->tenants);
	target_configure(s->target, take_conf);
	s->roster.in_force = roster ? roster->version : 0;
	found_configure(s);
	log_set_level(take_conf->server.log_level);
	backup_configure(s->backup, take_conf);
	opening_thread_configure(s->opener, take_conf);
	proxy_child_configure(s->proxy, take_snapshot_fd);
	store_watch_asked(s);
	work_run(s->reloading.work, free_config, on_freed, before);
	guard_renew();
	if (custody_is_alone(s->own.custody) && s->sleeping.step != SLEEP_BOOTING)
		tenants_wake_at_boot(s->tenants); /* else after its hook */
	sleep_configure(s);
	tenants_replace_soon(s->tenants);
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

static void tell_operator(void *arg)
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
	list_remove(&o->link);
	log_outcome(o);
	loop_defer(o->sup->loop, tell_operator, o);
}

void reload_on_configured(struct supervisor *s)
{
	list_foreach_safe (o, &s->reloading.to_use, struct outcome, link) {
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
	list_foreach_safe (o, &s->reloading.to_use, struct outcome, link)
		end_unused(o, "fly-atc ends before the proxy uses the new configuration");
}

static void on_use_limit(struct timer *t)
{
	struct outcome *o = container_of(t, struct outcome, limit);

	proxy_child_ask(o->sup->proxy);
	end_unused(o, proxy_child_pid(o->sup->proxy)
			      ? "the proxy does not use the new configuration yet: it is busy"
			      : "the proxy does not use the new configuration yet: it is being "
				"started again");
}

/* --- reading it --- */

static void read_config(void *arg)
{
	struct outcome *o = arg;
	struct config_source source = *o->sup->source;
	struct config *c;
	int r;

	if (o->roster)
		source.roster = buf_str(&o->roster->text);
	source.fleet_secret = o->fleet_secret;
	found_add_to(o->found, &source);
	c = config_load(&source, &o->faults);
	if (c && !is_acceptable(o, c)) {
		config_unref(c);
		c = NULL;
	}
	if (!c)
		return;
	count_differences(o->before, c, o);
	config_needs_restart(o->before, c, &o->needs_restart);
	keep_restart_settings(o, c);
	r = proxy_child_snapshot(c, &o->snapshot_fd);
	if (r == 0) {
		o->conf = c;
		return;
	}
	refuse_config(o, c,
		r == -EMFILE || r == -ENFILE
			? "it cannot be told to the proxy: there are too many open files"
			: "it cannot be told to the proxy: there is no memory for it");
	config_unref(c);
}

static void read_next_config(struct supervisor *s);

static void on_config_read(void *arg)
{
	struct outcome *o = arg;
	struct supervisor *s = o->sup;

	config_unref(o->before);
	found_release(o->found);
	free(o->claims);
	list_remove(&o->link);
	if (s->end.is_ending && o->conf) {
		refuse_config(o, o->conf, "fly-atc is about to end");
		config_unref(o->conf);
		o->conf = NULL;
		close_fd(&o->snapshot_fd);
	}
	if (!o->conf) {
		end_reload(o);
	} else {
		tell_subscribers(o);
		take_over(s, o->conf, o->snapshot_fd, o->roster);
		list_append(&s->reloading.to_use, &o->link);
		timer_set(&o->limit, s->loop, loop_now(s->loop) + USE_LIMIT, on_use_limit);
	}
	roster_text_unref(o->roster);
	o->roster = NULL;
	read_next_config(s);
	ending_check_soon(s);
}

/* Everything that takes long with many tenants is done by a thread; meanwhile the loop wakes those
 * that are wanted, and answers operators.  One at a time, so that the configuration it compares
 * with is the one it replaces. */
static void read_next_config(struct supervisor *s)
{
	struct outcome *o;

	if (list_is_empty(&s->reloading.to_load))
		return;
	o = list_first(&s->reloading.to_load, struct outcome, link);
	o->before = config_ref(s->conf);
	o->found = found_take(s);
	o->claims = places_claims(s, &o->nclaims);
	o->roster = s->roster.newest ? roster_text_ref(s->roster.newest) : NULL;
	o->fleet_secret = str_of(s->roster.fleet_secret ? s->roster.fleet_secret : "");
	work_run(s->reloading.work, read_config, on_config_read, o);
}

void reload_start(struct supervisor *s, control_reload_fn *done, void *arg)
{
	struct outcome *o = xcalloc(1, sizeof(*o));
	bool is_idle = list_is_empty(&s->reloading.to_load);

	o->sup = s;
	o->done = done;
	o->arg = arg;
	o->snapshot_fd = -1;
	list_init(&o->link);
	list_append(&s->reloading.to_load, &o->link);
	if (is_idle)
		read_next_config(s);
}
