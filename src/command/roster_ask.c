/* roster_ask.c - the fly-atc that runs here writes the roster, or is told of what was written. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "command/live.h"
#include "command/roster_int.h"

#define STATUS_NOT_YET	     202
#define STATUS_UNPROCESSABLE 422

static const char *answer_text(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* `raw`: with the ends of lines, which are not harmless. */
static void print_outcome(const struct options *o, const json_t *raw)
{
	const char *text = answer_text(raw, "text");
	json_int_t version = json_integer_value(json_object_get(raw, "version"));

	if (o->as_json) {
		roster_print_json((uint64_t)version, str_of(text ? text : ""), o->is_dry);
		return;
	}
	roster_print(str_of(text ? text : ""));
	if (!version)
		printf("nothing changes\n");
	else
		printf(o->is_dry ? "it would be version %lld; nothing was written\n"
				 : "version %lld\n",
			(long long)version);
}

static int tell_answer(const struct options *o, const struct live_answer *a)
{
	str body = buf_str(&a->body);
	json_t *j = live_json(a), *raw = json_loadb(body.p, body.n, 0, NULL);
	const char *reason = answer_text(j, "error"), *not_yet = answer_text(j, "not_yet");
	int r = 0;

	if (a->status == 200 || a->status == STATUS_NOT_YET) {
		print_outcome(o, raw);
		if (not_yet)
			tell_fault("%s", not_yet);
		r = not_yet ? EXIT_RUNTIME : 0;
	} else {
		live_print_faults(json_object_get(j, "faults"), "error");
		tell_fault("%s", reason ? reason : "the answer of fly-atc cannot be understood");
		r = a->status == STATUS_UNPROCESSABLE || a->status == 400 ? EXIT_USAGE
									  : EXIT_RUNTIME;
	}
	json_decref(j);
	json_decref(raw);
	return r;
}

int roster_ask(const struct options *o, const char *target, str body)
{
	CLEAN_FREE char *whole = xasprintf("/v1/roster/%s", target);
	struct options quiet = *o;
	struct live_answer answer = {0};
	int r;

	quiet.is_quiet = true;
	r = live_send(&quiet, "POST", str_of(whole), body, &answer);
	r = r == 0 ? tell_answer(o, &answer) : -ENOENT;
	buf_done(&answer.body);
	return r;
}

int roster_tell_running(const struct options *o, uint64_t version)
{
	CLEAN_FREE char *target =
		xasprintf("/v1/roster/changed?version=%llu", (unsigned long long)version);
	struct options quiet = *o;
	struct live_answer answer = {0};
	const char *reason;
	json_t *j = NULL;
	int r = 0;

	quiet.is_quiet = true;
	if (live_ask(&quiet, "POST", str_of(target), &answer) == 0)
		j = live_json(&answer);
	reason = answer_text(j, "error");
	if (reason && answer.status / 100 != 2) {
		tell_fault("the fly-atc that runs here does not use it yet: %s", reason);
		r = EXIT_RUNTIME;
	}
	json_decref(j);
	buf_done(&answer.body);
	return r;
}
