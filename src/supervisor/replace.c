/* replace.c - awake tenants that are to be replaced by a new copy. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/replace.h"

#include "base/log.h"
#include "supervisor/busy.h"
#include "supervisor/roll.h"
#include "supervisor/supervisor_int.h"

/* Those that are in use are looked at again, at first often: nobody tells us of idleness. */
#define PAUSE_FIRST 50
#define PAUSE_LAST  1000

bool replace_is_marked(const struct tenant *t)
{
	return t->run && (t->run->is_stale || t->run->is_outdated);
}

void replace_mark(struct tenant *t)
{
	if (!t->run->marked_at)
		t->run->marked_at = loop_now(t->sup->loop);
}

void replace_unmark(struct tenant *t)
{
	if (!replace_is_marked(t))
		t->run->marked_at = 0;
}

/* By the configuration in force: that of the run may be the former one. */
msec replace_due(const struct tenant *t)
{
	const struct supervisor *s = t->sup;
	uint32_t index = s->index_of_slot[t->slot];
	const struct tenant_conf *conf =
		index == UINT32_MAX ? t->run->conf : &s->conf->tenants[index];

	if (t->run->is_hurried)
		return t->run->marked_at;
	return msec_limit(t->run->marked_at, conf->app->replace_after);
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

static void begin(struct tenant *t)
{
	t->is_being_replaced = true;
	t->sup->replacing.under_way++;
}

static void end(struct tenant *t)
{
	t->is_being_replaced = false;
	t->sup->replacing.under_way--;
}

static void log_late(const struct tenant *t)
{
	struct buf users = {0};

	replace_describe(t, &users);
	log_info("tenant " STR_FMT " is replaced though it is in use: " STR_FMT,
		STR_ARG(t->run->conf->id), STR_ARG(buf_str(&users)));
	buf_done(&users);
}

static bool is_due(const struct tenant *t)
{
	return loop_now(t->sup->loop) >= replace_due(t);
}

/* False if it must be looked at again.  Who asks for it meanwhile is held, and meets the new copy.
 */
static bool replace(struct tenant *t)
{
	begin(t);
	if (!run_try_idle(t)) {
		if (!is_due(t)) {
			end(t);
			roll_on_waiting(t);
			return false;
		}
		log_late(t);
		tenant_event(t, EVENT_STOP);
	}
	tenant_event(t, EVENT_WAKE);
	return true;
}

/* Of those under way; they have to wait until somebody else sleeps. */
static size_t count_without_place(const struct supervisor *s)
{
	size_t n = 0;

	list_foreach (t, &s->admission.queue, struct tenant, in_queue)
		n += t->is_being_replaced;
	return n && admission_lacks_room(s) ? n : 0;
}

/* Where nobody gets a place before another sleeps, who is due does not wait for those that have
 * none: it may be the one that must make room. */
static bool may_begin(const struct tenant *t)
{
	const struct supervisor *s = t->sup;
	size_t most = admission_max_starting(s), under_way = s->replacing.under_way;

	return under_way < most || (is_due(t) && under_way - count_without_place(s) < most);
}

static void on_time(struct timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, replacing.timer);
	struct replacing *r = &s->replacing;
	bool is_any_left = false;

	if (s->is_ending)
		return;
	list_foreach_safe (t, &s->awake, struct tenant, in_awake) {
		bool may;

		if (!replace_is_marked(t) || t->life.state != TENANT_RUNNING)
			continue;
		may = may_begin(t);
		is_any_left |= !may || !replace(t);
		if (!may && is_due(t))
			break; /* nor may any other; to ask for each reads files of the kernel's */
	}
	r->pause = MIN(r->pause * 2, (msec)PAUSE_LAST);
	if (is_any_left)
		timer_set(timer, s->loop, loop_now(s->loop) + r->pause, on_time);
}

void replace_soon(struct supervisor *s)
{
	s->replacing.pause = PAUSE_FIRST;
	timer_set(&s->replacing.timer, s->loop, loop_now(s->loop), on_time);
}

/* Nothing comes of it by itself any more. */
static bool is_settled(const struct tenant *t)
{
	return t->life.state == TENANT_RUNNING ||
	       (!t->life.is_wanted && (tenant_is_asleep(t) || t->life.state == TENANT_FAILED));
}

void replace_check(struct tenant *t)
{
	bool is_over = t->is_being_replaced && is_settled(t);

	if (is_over)
		end(t);
	if (is_over || (t->life.state == TENANT_RUNNING && replace_is_marked(t)))
		replace_soon(t->sup);
	roll_check(t);
}

void replace_forget(struct tenant *t)
{
	roll_forget(t);
	if (t->is_being_replaced)
		end(t);
}
