/* health.c - asks the health check of an application that leaves requests unanswered. */
/* SPDX-License-Identifier: MIT */
#include "tenant/health.h"

#include "base/log.h"
#include "base/number.h"
#include "tenant/tenant_int.h"

/* For the answer; less if requests have less. */
#define HEALTH_LIMIT 10000

void health_forget(struct tenant_run *run)
{
	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	timer_cancel(&run->health.limit);
	probe_free(run->health.probe);
	run->health.probe = NULL;
}

static void on_healthy(void *arg, bool is_ipv6)
{
	struct tenant *t = arg;
	LOG_LEVEL_HERE(tenant_log_level(t));

	MAGIC_CHECK(t, TENANT_MAGIC);
	(void)is_ipv6;
	checkup_keep(t->run, &t->run->health.probe);
	health_forget(t->run);
	atomic_store(&tenant_slot(t)->timeouts, 0);
	log_info("tenant " STR_FMT " answers its health check: it is slow, and left alone",
		STR_ARG(t->run->conf->id));
}

static msec limit_of(const struct tenant *t)
{
	msec limit = t->all->conf->server.response_timeout;

	return limit ? MIN(limit, (msec)HEALTH_LIMIT) : HEALTH_LIMIT;
}

static void on_health_limit(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant_run, health.limit)->tenant;
	char why[128], limit[NUMBER_TEXT_MAX];

	MAGIC_CHECK(t, TENANT_MAGIC);
	probe_describe(t->run->health.probe, why, sizeof(why));
	number_duration_text(limit_of(t), limit);
	tenant_blame(t,
		"it hangs: %u requests in a row were not answered in time, and neither was its "
		"health check within %s: %s",
		atomic_load(&tenant_slot(t)->timeouts), limit, why);
	health_forget(t->run);
	t->run->is_hung = true;
	tenant_event(t, tenant_count_crash(t) ? EVENT_HUNG : EVENT_HUNG_OUT);
}

void health_suspect(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct tenant_run *run = t->run;

	if (t->life.state != TENANT_RUNNING || t->all->conf->is_single || run->health.probe ||
		!run->conf->app->max_timeouts)
		return;
	log_warn("tenant " STR_FMT
		 " did not answer %u requests in a row: its health check is asked",
		STR_ARG(run->conf->id), atomic_load(&tenant_slot(t)->timeouts));
	run->health.probe = checkup_begin(t, on_healthy);
	timer_set(&run->health.limit, t->all->loop, loop_now(t->all->loop) + limit_of(t),
		on_health_limit);
}
