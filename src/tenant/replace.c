/* replace.c - looks for the moment at which a marked tenant can be replaced. */
/* SPDX-License-Identifier: MIT */
#include "tenant/replace.h"

#include "base/log.h"
#include "tenant/busy.h"
#include "tenant/tenant_int.h"

/* Those in use are looked at again, often at first: nobody reports when they become idle. */
#define PAUSE_FIRST 50
#define PAUSE_LAST  1000

void replacing_init(struct replacing *r, void (*on_waiting)(struct tenant *t))
{
	*r = (struct replacing){.on_waiting = on_waiting};
}

void replacing_done(struct replacing *r)
{
	timer_cancel(&r->timer);
}

bool replace_is_marked(const struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	return t->run && (t->run->mark.is_stale || t->run->mark.is_outdated);
}

void replace_mark(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!t->run->mark.at)
		t->run->mark.at = loop_now(t->all->loop);
}

void replace_unmark(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!replace_is_marked(t))
		t->run->mark.at = 0;
}

/* By the configuration in force: that of the run may be the former one. */
msec replace_due(const struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf_in_force(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!conf)
		conf = t->run->conf;
	if (t->run->mark.is_hurried)
		return t->run->mark.at;
	return msec_limit(t->run->mark.at, conf->app->replace_after);
}

static void add_count(struct buf *out, uint32_t n, const char *what)
{
	if (n)
		buf_printf(out, "%s%u %s%s", buf_len(out) ? ", " : "", n, what, n == 1 ? "" : "s");
}

void replace_describe(const struct tenant *t, struct buf *out)
{
	const struct slot *slot = tenant_slot(t);
	uint32_t all = atomic_load(&slot->in_flight), tunnels = atomic_load(&slot->upgrades);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->life.state != TENANT_RUNNING) {
		buf_printf(out, "it is %s", tenant_state_name(t->life.state));
		return;
	}
	add_count(out, all > tunnels ? all - tunnels : 0, "open request");
	add_count(out, tunnels, "open tunnel");
	if (busy_is(t))
		buf_printf(out, "%sthe work that it is busy with", buf_len(out) ? ", " : "");
	if (!buf_len(out))
		buf_add(out, STR("its turn"));
}

static void begin_replacing(struct tenant *t)
{
	t->replacement.is_under_way = true;
	t->all->replacing.under_way++;
}

static void end_replacing(struct tenant *t)
{
	t->replacement.is_under_way = false;
	t->all->replacing.under_way--;
}

static void log_late(const struct tenant *t)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct buf users = {0};

	replace_describe(t, &users);
	log_info("tenant " STR_FMT " is replaced though it is in use: " STR_FMT,
		STR_ARG(t->run->conf->id), STR_ARG(buf_str(&users)));
	buf_done(&users);
}

static bool is_due(const struct tenant *t)
{
	return loop_now(t->all->loop) >= replace_due(t);
}

/* False if it must be looked at again.  Requests that come meanwhile are held, and meet the new
 * copy. */
static bool replace(struct tenant *t)
{
	begin_replacing(t);
	if (!idle_stop(t)) {
		if (!is_due(t)) {
			end_replacing(t);
			t->all->replacing.on_waiting(t);
			return false;
		}
		log_late(t);
		tenant_event(t, EVENT_STOP);
	}
	tenant_event(t, EVENT_WAKE);
	return true;
}

/* Those being replaced; they have to wait until another tenant sleeps. */
static size_t count_without_place(const struct tenants *all)
{
	size_t n = 0;

	list_foreach (t, &all->admission.queue, struct tenant, waits.in_queue)
		n += t->replacement.is_under_way;
	return n && admission_lacks_room(all) ? n : 0;
}

/* Where no tenant gets a place until another sleeps, one that is due does not wait for those
 * without a place: it may be the one that must make room. */
static bool may_begin(const struct tenant *t)
{
	const struct tenants *all = t->all;
	size_t most = admission_max_starting(all), under_way = all->replacing.under_way;

	return under_way < most || (is_due(t) && under_way - count_without_place(all) < most);
}

static void on_replace_time(struct timer *timer)
{
	struct tenants *all = container_of(timer, struct tenants, replacing.timer);
	struct replacing *r = &all->replacing;
	bool is_any_left = false;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (all->is_ending)
		return;
	list_foreach_safe (t, &all->awake, struct tenant, in_awake) {
		bool may;

		if (!replace_is_marked(t) || t->life.state != TENANT_RUNNING)
			continue;
		may = may_begin(t);
		is_any_left |= !may || !replace(t);
		if (!may && is_due(t))
			break; /* nor may any other; asking for each would read files of the
				  kernel's */
	}
	r->pause = MIN(r->pause * 2, (msec)PAUSE_LAST);
	if (is_any_left)
		timer_set(timer, all->loop, loop_now(all->loop) + r->pause, on_replace_time);
}

void replace_soon(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	all->replacing.pause = PAUSE_FIRST;
	timer_set(&all->replacing.timer, all->loop, loop_now(all->loop), on_replace_time);
}

/* Nothing comes of it by itself any more. */
static bool is_settled(const struct tenant *t)
{
	return t->life.state == TENANT_RUNNING ||
	       (!t->life.is_wanted &&
		       (state_is_asleep(t->life.state) || t->life.state == TENANT_FAILED));
}

void replace_check(struct tenant *t)
{
	bool is_over = t->replacement.is_under_way && is_settled(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (is_over)
		end_replacing(t);
	if (is_over || (t->life.state == TENANT_RUNNING && replace_is_marked(t)))
		replace_soon(t->all);
}

void replace_forget(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->replacement.is_under_way)
		end_replacing(t);
}
