/* events.c - what happens to the tenants, a line each. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "command/live.h"
#include "control/client.h"
#include "control/events.h"

#define DATA STR("data: ")

struct follower {
	const struct options *options;
	bool is_over, is_dropped;
};

static const char *text_at(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "?";
}

static int int_at(const json_t *j, const char *key)
{
	return (int)json_integer_value(json_object_get(j, key));
}

static void print_state(const char *time, const json_t *tenant)
{
	const char *reason = json_string_value(json_object_get(tenant, "reason"));
	int pid = int_at(tenant, "pid");

	printf("%s %s %s", time, text_at(tenant, "tenant"), text_at(tenant, "state"));
	if (pid)
		printf(" (pid %d)", pid);
	printf("%s%s\n", reason ? ": " : "", reason ? reason : "");
}

static bool sleeps(const json_t *tenant)
{
	const char *state = text_at(tenant, "state");

	return strcmp(state, tenant_state_name(TENANT_ABSENT)) == 0 ||
	       strcmp(state, tenant_state_name(TENANT_STOPPED)) == 0;
}

static void print_snapshot(const struct follower *f, const char *time, const json_t *j)
{
	const json_t *tenants = json_object_get(j, "tenants"), *tenant;
	int sleeping = int_at(j, "sleeping");
	size_t i;

	json_array_foreach(tenants, i, tenant)
	{
		if (f->options->nwords || !sleeps(tenant))
			print_state(time, tenant);
		else
			sleeping++;
	}
	if (sleeping)
		printf("%s %d tenant%s asleep\n", time, sleeping, sleeping == 1 ? " is" : "s are");
}

static void print_proxy(const char *time, const json_t *j)
{
	const char *reason = json_string_value(json_object_get(j, "reason"));

	if (json_is_true(json_object_get(j, "serves")))
		printf("%s the proxy serves (pid %d)\n", time, int_at(j, "pid"));
	else
		printf("%s the proxy %s; it is started again\n", time, reason ? reason : "ended");
}

static void print_event(struct follower *f, enum control_event event, const json_t *j)
{
	const char *time = text_at(j, "time");

	switch (event) {
	case CONTROL_EVENT_SNAPSHOT:
		print_snapshot(f, time, j);
		return;
	case CONTROL_EVENT_STATE:
		print_state(time, j);
		return;
	case CONTROL_EVENT_ADDED:
		printf("%s %s added\n", time, text_at(j, "tenant"));
		return;
	case CONTROL_EVENT_REMOVED:
		printf("%s %s removed\n", time, text_at(j, "tenant"));
		return;
	case CONTROL_EVENT_RELOADED:
		printf("%s reloaded: tenants %d added, %d removed, %d changed\n", time,
			int_at(j, "added"), int_at(j, "removed"), int_at(j, "changed"));
		return;
	case CONTROL_EVENT_PROXY:
		print_proxy(time, j);
		return;
	case CONTROL_EVENT_ENDING:
		printf("%s fly-atc is ending\n", time);
		return;
	case CONTROL_EVENT_DROPPED:
		return;
	case CONTROL_EVENT_END:
		printf("%s fly-atc has ended\n", time);
		return;
	case CONTROL_NEVENTS:
		break;
	}
}

/* CONTROL_NEVENTS: of a later release. */
static enum control_event event_of(const json_t *j)
{
	const char *name = text_at(j, "event");
	unsigned event = 0;

	while (event < CONTROL_NEVENTS &&
		strcmp(name, control_event_name((enum control_event)event)) != 0)
		event++;
	return (enum control_event)event;
}

/* For an event, the line with its data, which has the event's name in it. */
static void on_event_line(void *arg, str line)
{
	struct follower *f = arg;
	str data = str_starts(line, DATA) ? str_slice(line, DATA.n, line.n) : STR_EMPTY;
	enum control_event event;
	json_t *j;

	if (!data.n)
		return;
	j = live_json_of(data);
	event = event_of(j);
	f->is_over |= event == CONTROL_EVENT_END;
	f->is_dropped |= event == CONTROL_EVENT_DROPPED;
	if (f->options->as_json)
		printf(STR_FMT "\n", STR_ARG(data));
	else
		print_event(f, event, j);
	json_decref(j);
}

static int judge_end(const struct follower *f, const struct live_answer *a)
{
	if (a->status != 200)
		return live_refused(a, "follow the events");
	if (f->is_over)
		return 0;
	tell_fault(
		f->is_dropped
			? "events: they came faster than they were read here; what followed is lost"
			: "events: the answer ended too early");
	return EXIT_RUNTIME;
}

int live_events(const struct options *o)
{
	struct follower follower = {.options = o};
	struct buf target = {0};
	struct live_answer answer = {0};
	int r;

	buf_add(&target, STR("/v1/events"));
	if (o->nwords) {
		buf_add(&target, STR("?tenant="));
		client_add_segment(&target, str_of(o->words[0]));
	}
	r = live_ask_lines(o, "GET", buf_str(&target), on_event_line, &follower, &answer);
	if (r == 0)
		r = judge_end(&follower, &answer);
	buf_done(&target);
	buf_done(&answer.body);
	return r;
}
