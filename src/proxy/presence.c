/* presence.c - counts requests for the whole machine, and holds those for tenants while it sleeps
 * or wakes. */
/* SPDX-License-Identifier: MIT */
#include "proxy/presence.h"

#include "base/number.h"
#include "link/activity.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/seeking.h"
#include "proxy/shared.h"
#include "proxy/wall.h"

#define GATE_PAUSE 20 /* msec between two looks whether the gate is open */
/* msec that the edge's clock is ahead of ours after a sleep, at least; while we sleep at any
 * moment, a shorter one is telling, too. */
#define SLEPT	   5000
#define SLEPT_SOON 1000
#define TELL_PAUSE 1000 /* msec between two reports of the same */

/* "t=1723800000123456", in microseconds; 0 for anything else. */
static msec moment_of(str text)
{
	uint64_t usec;

	if (!str_starts(text, STR("t=")) ||
		number_parse(str_slice(text, 2, text.n), UINT64_MAX, &usec) < 0)
		return 0;
	return usec / 1000;
}

/* By how much the edge's clock is ahead of ours.  Of several fields the earliest counts: a client
 * can add one, but not take the edge's away. */
static msec edge_ahead(const struct exchange *x)
{
	const struct arrival *a = x->wish.arrival;
	msec now, moment = MSEC_NEVER;

	if (!a || !a->remote.has_edge || !arrival_has(a, HEADER_X_REQUEST_START))
		return 0;
	for (size_t i = 0; i < a->head->nheaders; i++)
		if (a->head->headers[i].id == HEADER_X_REQUEST_START)
			moment = MIN(moment, moment_of(a->head->headers[i].value));
	now = wall_exact();
	return moment > now ? moment - now : 0;
}

static void stir(struct exchange *x, msec ahead)
{
	struct worker *w = x->worker;

	w->machine.stirred = loop_now(w->loop);
	w->shared->ops->stir(w->shared, ahead);
}

/* By the clock of somebody who is believed, which is so far ahead of ours. */
static bool is_sign(const struct activity *all, msec ahead, bool is_soon)
{
	msec known = atomic_load_explicit(&all->known_ahead, memory_order_relaxed);

	return ahead > known + (is_soon ? SLEPT_SOON : SLEPT);
}

void presence_hear(struct exchange *x, msec ahead)
{
	struct worker *w = x->worker;

	if (is_sign(w->machine.activity, ahead, false) &&
		loop_now(w->loop) >= w->machine.stirred + TELL_PAUSE)
		stir(x, ahead);
}

msec presence_ahead(const struct exchange *x)
{
	msec known = atomic_load_explicit(
		&x->worker->machine.activity->known_ahead, memory_order_relaxed);

	return MAX(known, edge_ahead(x));
}

void presence_begin(struct exchange *x)
{
	struct worker *w = x->worker;
	const struct activity *all = w->machine.activity;
	msec ahead;

	if (x->is_present)
		return;
	x->is_present = true;
	activity_enter(w->machine.cell);
	ahead = edge_ahead(x);
	switch (activity_phase(all)) {
	case ACTIVITY_AWAKE:
		presence_hear(x, ahead);
		return;
	case ACTIVITY_DROWSY:
	case ACTIVITY_GATED:
		stir(x, is_sign(all, ahead, true) ? ahead : 0);
		return;
	}
}

/* A refusal is no use: not of a path that only robots know, nor of a password that is wrong.  What
 * 409 and 422 say is said to somebody who has filled in a form. */
static bool is_refusal(unsigned status)
{
	return status >= 400 && status < 500 && status != 409 && status != 422;
}

static enum activity_use use_of(const struct exchange *x)
{
	if (is_refusal(x->record.status))
		return ACTIVITY_REFUSED;
	return x->trip.was_here ? ACTIVITY_REQUESTS : ACTIVITY_FILES;
}

void presence_end(struct exchange *x)
{
	struct worker *w = x->worker;

	if (!x->is_present)
		return;
	x->is_present = false;
	if (atomic_load_explicit(&w->machine.activity->uses, memory_order_relaxed) & use_of(x))
		activity_note_use(w->machine.cell, loop_now(w->loop));
	activity_leave(w->machine.cell);
}

bool presence_is_gated(const struct exchange *x)
{
	return activity_phase(x->worker->machine.activity) == ACTIVITY_GATED;
}

/* They lie in the bytes that the head came in, in which others will lie meanwhile. */
static void keep_paths(struct exchange *x)
{
	struct route *route = &x->wish.kept->route;

	*route = x->wish.arrival->route;
	route->path = arena_dup(&x->arena, route->path);
	route->before = arena_dup(&x->arena, route->before);
	x->wish.path = arena_dup(&x->arena, x->wish.path);
}

enum step presence_wait(struct exchange *x)
{
	if (!x->wish.kept)
		x->wish.kept = seeking_keep(x);
	keep_paths(x);
	return STEP_GATE;
}

/* What was begun for a tenant that is not here any more. */
static enum step place_anew(struct exchange *x)
{
	if (x->reply.caching)
		caching_done(x);
	worker_leave_tenant(x->trip.tenant);
	x->trip.tenant = NULL;
	x->wish.conf = NULL;
	x->wish.is_by_referer = false;
	x->reply.rewrite = (struct rewrite){0};
	x->record.tenant = STR_EMPTY;
	view_unref(x->view);
	x->view = view_ref(x->worker->view);
	return STEP_AGAIN;
}

enum step presence_step(struct exchange *x)
{
	struct worker *w = x->worker;

	if (x->happened & EVENT_CLIENT_EOF || x->client->in.saw_eof)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (w->is_draining)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (!presence_is_gated(x)) {
		client_deadline(x->client, MSEC_NEVER);
		x->wish.arrival = x->wish.kept;
		return exchange_has_moved(x) ? place_anew(x) : STEP_REST;
	}
	client_deadline(x->client, loop_now(w->loop) + GATE_PAUSE);
	return WAIT;
}
