/* events.h - what happens to the tenants and to fly-atc, reported as it happens to subscribers of
 * GET /v1/events.
 *
 * A stream begins with a snapshot, and misses nothing after that: it has every event, or ends with
 * one that says that it has not.  Without subscribers each of these functions does nothing.  NULL
 * is fine for the server. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

enum control_event {
#define EVENT(NAME, text, doc) CONTROL_EVENT_##NAME,
#include "control/events.def"
	CONTROL_NEVENTS
};
const char *control_event_name(enum control_event event);

/* A tenant's state has changed.  Strings are borrowed. */
struct control_change {
	str id, user;
	enum tenant_state before, state;
	pid_t pid;	     /* of the application; 0: none (yet) */
	uint32_t generation; /* of its copies: the number of this one; 0 without pid */
	str reason;	     /* of a failure or a crash; or empty */
};
void control_on_change(struct control *c, const struct control_change *change);

/* A configuration has replaced another. */
struct control_reloaded {
	const struct config *before, *after;
	uint32_t added, removed, changed; /* tenants */
};
void control_on_reload(struct control *c, const struct control_reloaded *r);
/* The proxy serves; or it has ended. */
void control_on_proxy(struct control *c, bool serves);
/* fly-atc was told to end. */
void control_on_ending(struct control *c);
