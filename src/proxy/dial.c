/* dial.c - a request's way to its tenant: is the tenant awake, and on which connection to send. */
/* SPDX-License-Identifier: MIT */
#include "proxy/exchange_int.h"
#include "proxy/forward.h"
#include "proxy/held.h"
#include "proxy/no_wake.h"
#include "proxy/presence.h"
#include "proxy/upstream.h"
#include "proxy/waiting.h"
#include "proxy/wall.h"

/* The head for the tenant is made now, since the received one is gone after this turn. */
static void write_head(struct exchange *x)
{
	const struct server_conf *server = exchange_settings(x);
	const struct arrival *a = x->wish.arrival;
	struct forward_in in = {
		.head = a->head,
		.route = &a->route,
		.remote = &a->remote,
		.request_id = x->record.request_id,
		.now = wall_exact(),
		.keeps_forwarded = server->forward_headers,
		.keeps_underscores = server->underscores_in_headers,
		.keeps_expect = a->head->expects_continue,
		.sends_files = server->x_sendfile_enabled,
	};

	in.fields = arena_alloc(
		&x->arena, (a->head->nheaders + FORWARD_ADDED_MAX) * sizeof(*in.fields));
	buf_clear(&x->trip.request);
	x->trip.asked.nfields = forward_head(&x->trip.request, &in);
	x->trip.asked.fields = in.fields;
}

enum step dial_rest(struct exchange *x)
{
	if (no_wake_is_meant(x))
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	x->wish.wants_page = arrival_has(x->wish.arrival, HEADER_ACCEPT) &&
			     waiting_wants_page(x->wish.arrival->head);
	if (presence_is_gated(x))
		return presence_wait(x);
	write_head(x);
	return STEP_JOIN;
}

enum step dial_tenant(struct exchange *x)
{
	struct slot *slot = exchange_slot(x);

	if (!exchange_has_tenant(x))
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	if (!slot_enter(slot, x->wish.conf->owner)) {
		if (held_is_hopeless(x))
			return exchange_fail(x, ERROR_START_FAILED, held_reason(x));
		return held_begin(x, MSEC_NEVER);
	}
	x->trip.is_counted = true;
	if (!x->trip.was_here) /* it may get here more than once: held, refused, sent again */
		atomic_fetch_add_explicit(&slot->requests, 1, memory_order_relaxed);
	x->trip.was_here = true;
	return STEP_DIAL;
}

/* The port refused: the tenant may be about to end, or not listening yet.  Nothing was sent. */
static enum step refused(struct exchange *x)
{
	msec now = loop_now(x->worker->loop);

	x->trip.is_refused = false;
	trip_end(x);
	if (now >= x->trip.connect_until)
		return exchange_fail(x, ERROR_CONNECT_FAILED, STR_EMPTY);
	return held_begin(x, now + x->trip.tenant->origin.limits->retry);
}

/* A connection that is idle, or NULL. */
static struct upstream *take_idle(const struct exchange *x, struct origin *o)
{
	if (x->trip.is_retried)
		return NULL;
	return upstream_take(o, method_is_idempotent(x->wish.method) && x->trip.up.is_done);
}

enum step dial_step(struct exchange *x)
{
	struct worker *w = x->worker;
	struct origin *o = &x->trip.tenant->origin;
	struct upstream *u;
	int r = 0;

	if (x->trip.is_refused)
		return refused(x);
	if (!x->trip.connect_until)
		x->trip.connect_until = msec_limit(loop_now(w->loop), o->limits->connect);
	origin_follow(o, atomic_load(&exchange_slot(x)->generation));
	u = take_idle(x, o);
	if (!u) {
		worker_locate_tenant(w, x->trip.tenant);
		r = upstream_connect(o, &u);
	}
	if (r == -EMFILE || r == -ENFILE)
		w->shortage.wants_descriptors = true; /* and then it tries again */
	if (r < 0)
		return refused(x);
	u->exchange = x;
	x->trip.upstream = u;
	x->trip.is_begun = false;
	return STEP_RELAY;
}
