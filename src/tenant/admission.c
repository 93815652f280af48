/* admission.c - a queue, two limits, and the memory that is left. */
/* SPDX-License-Identifier: MIT */
#include "tenant/admission.h"

#include <sched.h>

#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "tenant/busy.h"
#include "tenant/handover.h"
#include "tenant/tenant_int.h"

/* Without an idle tenant to stop, we look again after this long: nobody reports when one becomes
 * idle. */
#define RECHECK 100
/* A tenant that has become ready but has not been used yet gets this long: its first request is on
 * its way. */
#define SETTLE_TIME 1000

/* --- memory --- */

static bool read_memory_text(const char *path, char *out, size_t size, str *ret)
{
	ssize_t n = file_read_kernel(path, out, size);

	*ret = (str){out, n > 0 ? (size_t)n : 0};
	return n > 0;
}

/* The number after `key` in a text of lines "key: 123 kB" or "key 123". */
static uint64_t value_of(str text, str key, uint64_t otherwise)
{
	ssize_t at = str_find(text, key);
	uint64_t value = 0;
	size_t from, to;

	if (at < 0)
		return otherwise;
	from = (size_t)at + key.n;
	while (from < text.n && (text.p[from] == ' ' || text.p[from] == ':'))
		from++;
	for (to = from; to < text.n && text.p[to] >= '0' && text.p[to] <= '9';)
		to++;
	return number_parse(str_slice(text, from, to), UINT64_MAX / 1024, &value) == 0 ? value
										       : otherwise;
}

static uint64_t machine_memory(void)
{
	char bytes[4096];
	str text;

	if (!read_memory_text("/proc/meminfo", bytes, sizeof(bytes), &text))
		return UINT64_MAX;
	return value_of(text, STR("MemAvailable"), UINT64_MAX / 1024) * 1024;
}

/* Where a container gives us less than the machine has (cgroup v2); pages of files do not count. */
static uint64_t group_memory(void)
{
	char limit_bytes[64], used_bytes[64], stat_bytes[8192];
	str limit_text, used_text, stat_text;
	uint64_t limit, used, reclaimable;

	if (!read_memory_text(
		    "/sys/fs/cgroup/memory.max", limit_bytes, sizeof(limit_bytes), &limit_text) ||
		!read_memory_text("/sys/fs/cgroup/memory.current", used_bytes, sizeof(used_bytes),
			&used_text) ||
		!read_memory_text(
			"/sys/fs/cgroup/memory.stat", stat_bytes, sizeof(stat_bytes), &stat_text))
		return UINT64_MAX;
	limit_text.n -= limit_text.p[limit_text.n - 1] == '\n';
	used_text.n -= used_text.p[used_text.n - 1] == '\n';
	if (number_parse(limit_text, UINT64_MAX, &limit) < 0 ||
		number_parse(used_text, UINT64_MAX, &used) < 0)
		return UINT64_MAX;
	reclaimable = MIN(value_of(stat_text, STR("inactive_file"), 0), used);
	used -= reclaimable;
	return limit > used ? limit - used : 0;
}

/* Bytes that may still be used on this machine, or in our control group if that is less. */
static uint64_t free_memory(void)
{
	uint64_t machine = machine_memory(), group = group_memory();

	return MIN(machine, group);
}

/* --- room --- */

size_t admission_max_starting(const struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	cpu_set_t cores;

	if (all->conf->server.max_starting > 0)
		return (size_t)all->conf->server.max_starting;
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	return (size_t)MAX(CPU_COUNT(&cores), 1);
}

bool admission_lacks_room(const struct tenants *all)
{
	size_t max = (size_t)MAX(all->conf->server.max_running, 0);
	const struct admission *a = &all->admission;

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (max && a->awake >= max)
		return true;
	return a->awake && all->conf->server.min_free_memory &&
	       free_memory() < all->conf->server.min_free_memory;
}

static bool may_be_stopped(const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);
	msec since = atomic_load(&slot->since);

	if (t->life.state != TENANT_RUNNING || !t->run->conf->app->idle_timeout ||
		atomic_load(&slot->in_flight) || atomic_load(&slot->held) || busy_is(t))
		return false;
	return atomic_load(&slot->last_activity) >= since ||
	       loop_now(t->all->loop) >= since + SETTLE_TIME;
}

static msec last_used(const struct tenant *t)
{
	const struct slot *slot = tenant_slot(t);

	return MAX(atomic_load(&slot->last_activity), atomic_load(&slot->since));
}

/* Stops the least recently used idle tenant, unless one is stopping already. */
static void stop_oldest(struct tenants *all)
{
	struct tenant *oldest = NULL;

	list_foreach (t, &all->awake, struct tenant, in_awake) {
		if (state_is_ending(t->life.state))
			return;
		if (may_be_stopped(t) && (!oldest || last_used(t) < last_used(oldest)))
			oldest = t;
	}
	if (oldest && idle_stop(oldest)) {
		LOG_LEVEL_HERE(tenant_log_level(oldest));

		log_info("tenant " STR_FMT " is stopped to make room",
			STR_ARG(oldest->run->conf->id));
	}
}

static void admit(struct tenant *t)
{
	struct admission *a = &t->all->admission;

	list_remove(&t->waits.in_queue);
	t->is_starting = t->is_awake = true;
	a->starting++;
	a->awake++;
	tenant_event(t, EVENT_ADMITTED);
}

static void on_timer(struct timer *timer);

static void admit_all(struct tenants *all)
{
	struct admission *a = &all->admission;

	while (!list_is_empty(&a->queue) &&
		(all->conf->is_single || a->starting < admission_max_starting(all))) {
		if (!all->conf->is_single && admission_lacks_room(all)) {
			stop_oldest(all);
			timer_set(&a->timer, all->loop, loop_now(all->loop) + RECHECK, on_timer);
			return;
		}
		admit(list_first(&a->queue, struct tenant, waits.in_queue));
	}
}

static void on_timer(struct timer *timer)
{
	admit_all(container_of(timer, struct tenants, admission.timer));
}

/* Not from inside a step of another tenant: at the end of this turn. */
static void look_at_queue_later(struct tenants *all)
{
	if (!list_is_empty(&all->admission.queue))
		timer_set(&all->admission.timer, all->loop, loop_now(all->loop), on_timer);
}

void admission_init(struct admission *a, struct custody *custody)
{
	*a = (struct admission){.custody = custody};
	list_init(&a->wanted);
	list_init(&a->queue);
}

static void on_ours(void *arg)
{
	struct tenant *t = arg;

	list_append(&t->all->admission.queue, &t->waits.in_queue);
	admit_all(t->all);
}

void admission_enqueue(struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (handover_is_due(t))
		return; /* it comes back when it was given away */
	if (custody_take(t->all->admission.custody, &t->waits.claim, conf->id, on_ours, t))
		on_ours(t);
}

void admission_yield(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	custody_forget(&t->waits.claim);
	list_remove(&t->waits.in_queue);
}

void admission_leave(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	admission_yield(t);
	if (t->is_starting)
		t->all->admission.starting--;
	t->is_starting = false;
	look_at_queue_later(t->all);
}

void admission_rest(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	if (t->is_awake)
		t->all->admission.awake--;
	t->is_awake = false;
	look_at_queue_later(t->all);
}

void admission_done(struct admission *a)
{
	timer_cancel(&a->timer);
}
