/* fly_destroy.c - removes a machine and its volumes, after its fly-atc has ended as it should.
 *
 * A machine that sleeps is woken for that: what it keeps in memory may not be in the store yet, and
 * its disk is gone afterwards.  At the first doubt nothing is removed. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "target/fly.h"

#define DESTROY_LIMIT 420000 /* msec; Fly lets a machine end for 5 minutes at most */
#define SETTLE_LIMIT  60000
#define LEASE_TIME    120   /* seconds */
#define LEASE_RENEWAL 45000 /* msec */
#define VOLUME_PAUSE  1000
#define VOLUMES_MAX   4

struct fly_removal {
	struct target_call *call;
	msec until;
	str machine;
	const char *nonce; /* of our lease */
	str volumes[VOLUMES_MAX];
	size_t nvolumes;
};

/* A request of ours, under our lease.  0 or an error that was said. */
static int order(struct fly_removal *r, const char *method, char *take_path, const char *doing)
{
	struct fly_request request = {
		.method = method, .path = take_path, .nonce = r->nonce, .until = r->until};
	struct fly_answer a = {0};
	int error = fly_ask(r->call, &request, &a);

	if (error == 0 && !fly_accept(r->call, &a, doing))
		error = r->call->result.error;
	buf_done(&a.body);
	return error;
}

static char *machine_path(const struct fly_removal *r, const char *tail)
{
	return xasprintf("/machines/" STR_FMT "%s", STR_ARG(r->machine), tail);
}

/* --- the lease: nobody else changes the machine meanwhile --- */

static bool is_header_text(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n;
}

/* With the nonce of one that we have it is renewed. */
static json_t *ask_lease(struct fly_removal *r)
{
	struct buf wish = {0};
	struct json j = {.out = &wish};
	struct fly_request request = {.method = "POST",
		.path = machine_path(r, "/lease"),
		.nonce = r->nonce,
		.until = r->until};
	json_t *answer;

	json_open_object(&j, NULL);
	json_number(&j, "ttl", LEASE_TIME);
	json_str(&j, "description", STR("fly-atc removes it"));
	json_close_object(&j);
	request.body = buf_str(&wish);
	answer = fly_json(r->call, &request, "lease the machine");
	buf_done(&wish);
	return answer;
}

/* The lease stands in an envelope, or alone: both are documented. */
static int take_lease(struct fly_removal *r)
{
	json_t *answer = ask_lease(r), *inner = json_object_get(answer, "data");
	str nonce = fly_member(inner ? inner : answer, "nonce");
	int error = answer ? 0 : r->call->result.error;

	if (answer && !is_header_text(nonce)) {
		error = -EIO;
		target_call_set(r->call, error, "the Machines API gave a lease without a nonce");
	}
	if (error == 0)
		r->nonce = arena_dup(&r->call->arena, nonce).p;
	json_decref(answer);
	return error;
}

static int renew_lease(struct fly_removal *r)
{
	json_t *answer = ask_lease(r);
	int error = answer ? 0 : r->call->result.error;

	json_decref(answer);
	return error;
}

/* What was said before stands. */
static void end_lease(struct fly_removal *r)
{
	struct target_result before = r->call->result;

	if (r->nonce)
		(void)!order(r, "DELETE", machine_path(r, "/lease"), "end the lease");
	r->call->result = before;
}

/* --- what the machine is and did --- */

static void note_volumes(struct fly_removal *r, const json_t *machine)
{
	const json_t *config = json_object_get(machine, "config"), *mount;
	size_t i;

	if (!json_is_object(config))
		config = json_object_get(machine, "incomplete_config");
	r->nvolumes = 0;
	json_array_foreach(json_object_get(config, "mounts"), i, mount)
	{
		str id = fly_member(mount, "volume");

		if (id.n && str_find_char(id, '/') < 0 && r->nvolumes < VOLUMES_MAX)
			r->volumes[r->nvolumes++] = arena_dup(&r->call->arena, id);
	}
}

/* The newest comes first.  -1: no end is known. */
static int last_exit_code(const json_t *machine)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(machine, "events"), i, event)
	{
		const json_t *code = json_object_get(
			json_object_get(json_object_get(event, "request"), "exit_event"),
			"exit_code");

		if (json_is_integer(code))
			return (int)json_integer_value(code);
	}
	return -1;
}

/* Its fly-atc says by its status whether everything is in the store. */
static int check_end(struct fly_removal *r)
{
	json_t *machine = fly_get(r->call, machine_path(r, ""), r->until, "show the machine");
	int code = machine ? last_exit_code(machine) : -1;

	if (!machine)
		return r->call->result.error;
	note_volumes(r, machine);
	json_decref(machine);
	if (code <= 0)
		return 0;
	target_call_set(r->call, -EAGAIN,
		STR_FMT " is stopped, but not removed: its fly-atc ended with %d, so that its last "
			"state may be on its disk only; wake it, and try again",
		STR_ARG(r->machine), code);
	return -EAGAIN;
}

/* --- its end --- */

static int wake_first(struct fly_removal *r)
{
	int error =
		order(r, "POST", machine_path(r, "/start"), "wake the machine, so that it can end");

	return error ? error : fly_await(r->call, r->machine, "started", NULL, r->until);
}

/* The lease is short, so that it does not outlive us for long, and renewed. */
static int await_end(struct fly_removal *r, const char *instance)
{
	int error;

	do {
		error = renew_lease(r);
		if (error == 0)
			error = fly_await(r->call, r->machine, "stopped", instance,
				MIN(r->until, clock_now() + LEASE_RENEWAL));
	} while (error == -ETIMEDOUT && clock_now() < r->until);
	return error;
}

static int stop_it(struct fly_removal *r)
{
	struct fly_shown shown;
	int error = fly_await(
		r->call, r->machine, "settled", NULL, MIN(r->until, clock_now() + SETTLE_LIMIT));

	if (error == 0)
		error = fly_state(r->call, r->machine, r->until, &shown);
	if (error == 0 && strcmp(shown.state, "suspended") == 0) {
		error = wake_first(r);
		snprintf(shown.state, sizeof(shown.state), "started");
	}
	if (error == 0 && strcmp(shown.state, "started") == 0) {
		error = order(r, "POST", machine_path(r, "/stop"), "stop the machine");
		if (error == 0)
			error = await_end(r, shown.instance);
	}
	return error ? error : check_end(r);
}

/* It takes a moment until the platform knows that nothing holds it any more. */
static int remove_volume(struct fly_removal *r, str id)
{
	int error;

	do {
		error = order(r, "DELETE", xasprintf("/volumes/" STR_FMT, STR_ARG(id)),
			"remove the volume");
		if (error == -ENOENT)
			return 0;
	} while (error == -EAGAIN && clock_now() + VOLUME_PAUSE < r->until &&
		 fly_pause(r->call, VOLUME_PAUSE));
	if (error) {
		const char *reason = r->call->result.reason;

		target_call_set(r->call, error,
			STR_FMT " is removed, but its volume " STR_FMT " is still there: %s",
			STR_ARG(r->machine), STR_ARG(id), reason);
	}
	return error;
}

void fly_destroy(struct target_call *call)
{
	struct fly_removal r = {
		.call = call, .until = clock_now() + DESTROY_LIMIT, .machine = call->machine};
	int error;

	if (str_eq(call->machine, str_of(fly_of(call)->machine))) {
		target_call_set(call, -ENOTSUP, "a machine cannot remove itself");
		return;
	}
	error = take_lease(&r);
	if (error == 0)
		error = stop_it(&r);
	if (error == 0)
		error = order(&r, "DELETE", machine_path(&r, "?force=true"), "remove the machine");
	if (error) {
		end_lease(&r);
		return;
	}
	r.nonce = NULL; /* gone with the machine */
	for (size_t i = 0; i < r.nvolumes && error == 0; i++)
		error = remove_volume(&r, r.volumes[i]);
	if (error == 0)
		target_call_set(call, 0, "%s", "");
}
