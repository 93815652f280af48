/* fly_wake.c - starts a machine by the Machines API, through whatever state it is in. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/fly.h"

#define WAKE_LIMIT  60000 /* msec */
#define PAUSE_FIRST 250
#define PAUSE_LAST  4000
#define WAIT_MAX    60 /* seconds of one question to wait for a state */
#define WAIT_GRACE  5000

/* It becomes part of a query. */
static void copy_word(str from, char to[FLY_WORD_MAX])
{
	bool is_word = fly_is_machine(from);

	snprintf(to, FLY_WORD_MAX, STR_FMT, STR_ARG(is_word ? from : STR_EMPTY));
}

int fly_state(struct target_call *call, str machine, msec until, struct fly_shown *ret)
{
	json_t *j = fly_get(
		call, xasprintf("/machines/" STR_FMT, STR_ARG(machine)), until, "show the machine");
	str state = fly_member(j, "state");
	int error = j ? 0 : call->result.error;

	if (j && !state.n) {
		error = -EIO;
		target_call_set(
			call, error, "the Machines API answered something that is no machine");
	}
	snprintf(ret->state, sizeof(ret->state), STR_FMT, STR_ARG(state));
	copy_word(fly_member(j, "instance_id"), ret->instance);
	json_decref(j);
	return error;
}

int fly_await(
	struct target_call *call, str machine, const char *state, const char *instance, msec until)
{
	int error = -ETIMEDOUT;
	msec now;

	while (error == -ETIMEDOUT && (now = clock_now()) < until) {
		unsigned seconds = (unsigned)MIN((until - now + 999) / 1000, (msec)WAIT_MAX);
		struct fly_request r = {.method = "GET",
			.path = xasprintf("/machines/" STR_FMT "/wait?state=%s&timeout=%u%s%s",
				STR_ARG(machine), state, seconds,
				instance && *instance ? "&instance_id=" : "",
				instance ? instance : ""),
			.until = now + seconds * 1000 + WAIT_GRACE};
		struct fly_answer a = {0};

		error = fly_ask(call, &r, &a);
		if (error == 0 && !fly_accept(call, &a, "wait for the machine"))
			error = call->result.error;
		buf_done(&a.body);
	}
	if (error == -ETIMEDOUT)
		target_call_set(call, error, STR_FMT " is not %s in time", STR_ARG(machine), state);
	return error;
}

static bool is_one_of(const char *state, const char *const *states)
{
	while (*states && strcmp(*states, state) != 0)
		states++;
	return *states != NULL;
}

/* What the state says after a start that was not accepted.  True: it is over, for good or bad. */
static bool judge_state(struct target_call *call, msec until)
{
	static const char *const gone[] = {"destroyed", "destroying", "replaced", NULL};
	static const char *const resting[] = {"stopped", "suspended", "created", "failed", NULL};
	struct fly_shown shown;
	const char *state = shown.state;
	int r = fly_state(call, call->machine, until, &shown);

	if (r < 0)
		return r == -ENOENT || r == -EACCES || r == -ECANCELED;
	if (is_one_of(state, gone)) {
		target_call_set(call, -ENOENT, STR_FMT " is %s", STR_ARG(call->machine), state);
		return true;
	}
	if (strcmp(state, "started") == 0) {
		target_call_set(call, 0, "%s", "");
		return true;
	}
	/* It is on its way to somewhere, from where it can be started. */
	if (!is_one_of(state, resting))
		(void)!fly_await(
			call, call->machine, "settled", NULL, MIN(until, clock_now() + WAIT_GRACE));
	return false;
}

enum started { START_ASKED, START_REFUSED, START_HOPELESS };

static enum started ask_to_start(struct target_call *call, msec until)
{
	struct fly_request r = {.method = "POST",
		.path = xasprintf("/machines/" STR_FMT "/start", STR_ARG(call->machine)),
		.until = until};
	struct fly_answer a = {0};
	int error = fly_ask(call, &r, &a);
	bool is_asked = error == 0 && fly_accept(call, &a, "start the machine");

	buf_done(&a.body);
	if (is_asked)
		return START_ASKED;
	error = call->result.error;
	return target_call_is_over(call) || error == -ENOENT || error == -EACCES ? START_HOPELESS
										 : START_REFUSED;
}

/* The reason of the last refusal stands, since no later one says more. */
static void end_refused(struct target_call *call, const char *refusal)
{
	target_call_set(call, -EAGAIN, "%s; it was tried again until the time was over", refusal);
}

void fly_wake_by_api(struct target_call *call)
{
	msec until = clock_now() + WAKE_LIMIT, pause = PAUSE_FIRST;

	for (;;) {
		const char *refusal;

		switch (ask_to_start(call, until)) {
		case START_ASKED:
			if (fly_await(call, call->machine, "started", NULL, until) == 0)
				target_call_set(call, 0, "%s", "");
			return;
		case START_HOPELESS:
			return;
		case START_REFUSED:
			break;
		}
		refusal = call->result.reason;
		if (judge_state(call, until))
			return;
		if (clock_now() + pause >= until) {
			end_refused(call, refusal);
			return;
		}
		if (!fly_pause(call, pause))
			return;
		pause = MIN(pause * 2, (msec)PAUSE_LAST);
	}
}
