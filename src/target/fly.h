/* fly.h - Fly.io: what the files of this target share.
 *
 * Everything that asks the platform blocks, and runs on a thread with the call that it is for; it
 * reads a struct fly, whose members never change after fly_new. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "backup/curl_library.h"
#include "target/names.h"
#include "target/target_int.h"

struct fly {
	struct target target;
	char *app, *machine, *region, *group;
	char *api;	 /* URL of the Machines API, up to "/v1" */
	char *authority; /* value of Authorization; NULL: there is no token */
	char *socket;	 /* by which a machine may put itself to sleep */
	char *edge;	 /* URL at which requests reach the edge; NULL: see fly_knock */
	struct name_server names;
	struct curl_library
		curl; /* valid if has_curl; the loop loads it before a thread needs it */
	bool has_curl;
	struct list sleeps; /* struct fly_sleep: requests on the way to the socket */
};

static inline struct fly *fly_of(const struct target_call *call)
{
	return container_of(call->target, struct fly, target);
}

/* --- fly_api.c: one request to the Machines API, tried again where that does no harm --- */

struct fly_request {
	const char *method;
	char *path;	   /* below /v1/apps/<app>; freed by fly_ask */
	str body;	   /* JSON; empty: "{}" where the method has one */
	const char *nonce; /* of a lease that we hold, or NULL */
	msec until;
};

struct fly_answer {
	long status;
	struct buf body;
	msec retry_after; /* 0: not said */
	char id[64];	  /* of the request, for those who ask Fly; or empty */
};

/* 0 and the answer, whatever its status but 429 (or 5xx to a GET), which is tried again until there
 * is no time left, and then the answer too.  -EIO when there was none, or -ECANCELED; the call has
 * the reason.  The caller releases the body in any case. */
int fly_ask(struct target_call *call, struct fly_request *take_r, struct fly_answer *ret) MUST_USE;
/* Whether the answer is a success; if not the call says so, with what was wanted ("start it"). */
bool fly_accept(struct target_call *call, const struct fly_answer *a, const char *doing);
/* False when the call is given up meanwhile. */
bool fly_pause(const struct target_call *call, msec length);
/* For the target's loop: libcurl is there.  If not the call says what to do. */
bool fly_has_curl(struct target_call *call);

/* --- fly_json.c: the same, answered in JSON; a new reference, or NULL and the call says why --- */

json_t *fly_json(struct target_call *call, struct fly_request *take_r, const char *doing) MUST_USE;
json_t *fly_get(struct target_call *call, char *take_path, msec until, const char *doing) MUST_USE;
json_t *fly_post(struct target_call *call, char *take_path, str body, msec until,
	const char *doing) MUST_USE;
/* A member that is a string, which lives as long as the object; or empty. */
str fly_member(const json_t *j, const char *key);

/* --- the calls, each for a thread --- */

/* fly_machines.c */
target_call_fn fly_list_by_api, fly_list_by_names, fly_addresses;
/* Whether a name can be that of a machine; it becomes part of paths and of names in DNS. */
bool fly_is_machine(str name);
/* fly_wake.c */
target_call_fn fly_wake_by_api;
/* What a machine shows of itself. */
#define FLY_WORD_MAX 32
struct fly_shown {
	char state[FLY_WORD_MAX];
	char instance[FLY_WORD_MAX]; /* id of its present version; or empty */
};
/* 0, or why not is said. */
int fly_state(struct target_call *call, str machine, msec until, struct fly_shown *ret) MUST_USE;
/* Until it is in this state (or "settled").  For "stopped" Fly wants the instance, which is NULL
 * else.  0, -ETIMEDOUT, or what fly_ask says. */
int fly_await(struct target_call *call, str machine, const char *state, const char *instance,
	msec until) MUST_USE;
/* fly_knock.c: wakes without a token, by a small request that the edge brings to that machine. */
void fly_knock(struct target_call *call); /* in the loop */
/* fly_sleep.c: in the loop. */
void fly_sleep(struct target_call *call);
void fly_sleep_stop(struct fly *f);
target_call_fn fly_sleep_by_api;
/* fly_create.c, fly_destroy.c */
target_call_fn fly_create, fly_destroy;
