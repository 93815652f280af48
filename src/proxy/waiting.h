/* waiting.h - what a browser sees while a tenant starts: a page with the phases, kept up to date by
 * events. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "http/head.h"
#include "link/scoreboard.h"

/* Below the tenant's prefix: where the page listens for events (text/event-stream). */
#define WAITING_EVENTS_PATH "/.fly-atc/wait"

/* True if a path (normal form) is a tenant's event stream.  Such a request never reaches the
 * application. */
bool waiting_is_events(str prefix, str path);
/* True for a request whose answer a person is about to look at: GET, Accept names text/html, and
 * where the browser says so (Sec-Fetch-*) a navigation.  Anything else is held. */
bool waiting_wants_page(const struct request_head *head);

struct waiting_in {
	str name;   /* of the tenant, for people */
	str prefix; /* of the tenant; empty at the root */
	enum tenant_state state;
	str reason;  /* why it failed, if it did; else empty */
	msec waited; /* since the first request that waits */
	unsigned minor;
	bool is_head, keep_alive;
	str request_id, date;
};

/* Appends the whole answer: 503 with Retry-After and no-store, so that no program takes it for the
 * application's answer.  Without JavaScript the page asks again every two seconds. */
void waiting_page(struct buf *out, const struct waiting_in *in);

/* The head of the event stream (its body lasts until the connection is closed), and one event.  An
 * event gives the state and how long it has lasted; the stream may be closed after RUNNING or
 * FAILED. */
void waiting_events_head(struct buf *out, str date);
void waiting_event(struct buf *out, enum tenant_state state, msec since, str reason);
/* Sent now and then so that no proxy on the way takes the stream for dead. */
#define WAITING_HEARTBEAT STR(": still here\n\n")
