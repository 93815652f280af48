/* checkup.c - makes the request that is an application's health check. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tenant/tenant_int.h"

void checkup_forget(struct tenant_run *run)
{
	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	probe_free(run->answered);
	run->answered = NULL;
}

void checkup_keep(struct tenant_run *run, struct probe **take_probe)
{
	MAGIC_CHECK(run, TENANT_RUN_MAGIC);
	checkup_forget(run);
	run->answered = *take_probe;
	*take_probe = NULL;
}

static void on_probe_end(void *arg)
{
	struct tenant *t = arg;

	MAGIC_CHECK(t, TENANT_MAGIC);
	t->run->answered = NULL; /* it frees itself */
}

static char *probe_request(const struct tenant_conf *t)
{
	bool knows_prefix = t->app->prefix == PREFIX_PASS;

	return xasprintf("GET " STR_FMT STR_FMT " HTTP/1.1\r\n"
			 "Host: " STR_FMT "\r\n"
			 "User-Agent: fly-atc\r\n"
			 "Accept: */*\r\n"
			 "X-Forwarded-Proto: https\r\n"
			 "Connection: close\r\n\r\n",
		STR_ARG(knows_prefix ? t->prefix : STR_EMPTY), STR_ARG(t->app->health_check),
		STR_ARG(t->host.n ? t->host : STR("localhost")));
}

struct probe *checkup_at(struct tenant *t, struct probe_target *target, probe_fn *on_answer)
{
	char *request = probe_request(t->run->conf);
	struct probe *probe;

	MAGIC_CHECK(t, TENANT_MAGIC);
	target->request = str_of(request);
	probe = probe_start(t->all->loop, target, on_answer, on_probe_end, t);
	free(request);
	return probe;
}

struct probe *checkup_begin(struct tenant *t, probe_fn *on_answer)
{
	struct probe_target target = {.port = atomic_load(&tenant_slot(t)->port),
		.is_ipv6 = atomic_load(&tenant_slot(t)->is_ipv6),
		.may_be_ipv6 = t->run->port.may_be_ipv6 && t->life.state == TENANT_STARTING};
	char path[256];

	MAGIC_CHECK(t, TENANT_MAGIC);
	tenant_socket_path(t, path, sizeof(path));
	target.socket_path = path;
	if (t->all->conf->is_single)
		return probe_start(t->all->loop, &target, on_answer, on_probe_end, t);
	return checkup_at(t, &target, on_answer);
}
