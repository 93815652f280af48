/* restart.c - restart --all: reports what becomes of each tenant, line by line. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "command/live.h"
#include "command/text.h"

struct progress {
	bool is_over, is_early, goes_on;
	bool has_failed;
};

static json_int_t signed_at(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void add_count(struct buf *out, const json_t *over, const char *key, const char *text)
{
	json_int_t n = signed_at(over, key);

	if (n)
		buf_printf(out, "%s%lld %s", buf_len(out) ? ", " : "", (long long)n, text);
}

static void tell_end(struct progress *p, const json_t *over)
{
	const char *why = json_string_value(json_object_get(over, "reason"));
	struct buf line = {0};

	p->is_over = true;
	p->is_early = why != NULL;
	p->goes_on = json_is_true(json_object_get(over, "goes_on"));
	p->has_failed = signed_at(over, "failed") != 0;
	add_count(&line, over, "replaced", "replaced");
	add_count(&line, over, "asleep", "asleep meanwhile");
	add_count(&line, over, "failed", "failed");
	add_count(&line, over, "kept", "still as before");
	add_count(&line, over, "waiting", "still to be replaced");
	printf(STR_FMT "\n", STR_ARG(buf_len(&line) ? buf_str(&line) : STR("no tenant is awake")));
	if (why)
		tell_fault("restart --all: %s%s", why,
			p->goes_on ? "; who still waits is replaced when it can be" : "");
	buf_done(&line);
}

static void tell_tenant(const char *id, const char *what, const json_t *j)
{
	const char *reason = json_string_value(json_object_get(j, "reason"));
	char duration[TEXT_MAX];

	text_duration((msec)signed_at(j, "wake_ms"), duration);
	if (strcmp(what, "waits") == 0)
		printf("%s waits for %s\n", id, reason ? reason : "?");
	else if (strcmp(what, "replaced") == 0)
		printf("%s is replaced (woke in %s)\n", id, duration);
	else if (strcmp(what, "asleep") == 0)
		printf("%s sleeps%s%s\n", id, reason ? ": " : "", reason ? reason : "");
	else if (strcmp(what, "failed") == 0)
		tell_fault("%s failed: %s", id, reason ? reason : "?");
	else if (strcmp(what, "kept") == 0)
		printf("%s is still as before\n", id);
}

static void on_progress_line(void *arg, str line)
{
	struct progress *p = arg;
	json_t *j = live_json_of(line);
	const char *what = json_string_value(json_object_get(j, "what"));
	const char *id = json_string_value(json_object_get(j, "tenant"));
	json_int_t dropped = signed_at(j, "dropped");

	if (what && strcmp(what, "over") == 0)
		tell_end(p, j);
	else if (what && id)
		tell_tenant(id, what, j);
	else if (dropped)
		printf("... %lld lines were lost: they came faster than they were read here\n",
			(long long)dropped);
	json_decref(j);
}

static int judge_answer(const struct progress *p, const struct live_answer *answer)
{
	if (answer->status == 202)
		return 0;
	if (answer->status != 200)
		return live_refused(answer, "restart all");
	if (!p->is_over)
		tell_fault("restart --all: the answer ended too early");
	if (!p->is_over || p->has_failed || (p->is_early && !p->goes_on))
		return EXIT_RUNTIME;
	return p->is_early ? EXIT_WAITING : 0;
}

int restart_all(const struct options *o)
{
	char *target = xasprintf("/v1/restart?wait=%d&keep_going=%d&now=%d&timeout=%s", !o->no_wait,
		o->keeps_going, o->is_hurried, o->timeout ? o->timeout : "0");
	struct progress progress = {0};
	struct live_answer answer = {0};
	int r = live_ask_lines(o, "POST", str_of(target), on_progress_line, &progress, &answer);

	if (r == 0)
		r = judge_answer(&progress, &answer);
	buf_done(&answer.body);
	free(target);
	return r;
}
