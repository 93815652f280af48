/* exchange_int.h - what the steps of an exchange share: its request while that still exists, its
 * tenant, and the two ways to fail. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/trust.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "route/table.h"

/* A client that closes its side may be gone, or may only have sent everything.  While bytes of its
 * request or answer move it is served (if it is gone, they are answered by a reset); when none have
 * moved for this long, it is taken to be gone. */
#define CLIENT_GONE_AFTER 2000

/* The request as it came; valid until the exchange first waits. */
struct arrival {
	const struct request_head *head;
	struct remote remote;
	struct route route;
	char peer_text[ADDRESS_TEXT_MAX];
	struct header_set fields;
};

static inline bool arrival_has(const struct arrival *a, enum header_id id)
{
	return header_set_has(&a->fields, id);
}

#define STEP(name, run, ...) enum step run(struct exchange *x);
#include "proxy/exchange.def"

/* The route of what was kept, under another configuration: PLACE, or why not. */
enum step routing_again(struct exchange *x);

/* The exchange fails: the client gets an error page, unless part of an answer has been sent
 * already. `reason` is for the log and for developers; it may be empty. */
static inline enum step exchange_fail(struct exchange *x, enum error error, str reason)
{
	x->reply.failure = error;
	x->reply.reason = arena_dup(&x->arena, reason);
	return STEP_FAIL;
}

/* Ends both connections. */
static inline enum step exchange_cut(struct exchange *x, enum error error)
{
	x->record.error = error;
	x->is_cut = true;
	return STEP_END;
}

/* Before others use the scratch. */
static inline void keep_unread(struct inbox *in)
{
	if (in->unread.n || in->kept.p)
		inbox_keep(in);
}

/* The request as it came is no longer needed. */
static inline void exchange_forget_arrival(struct exchange *x)
{
	x->wish.arrival = NULL;
	scratch_headers_return(&x->worker->scratch.headers);
}

/* Sends what is gathered; the buffer in which the head was made is free for another one. */
static inline MUST_USE int exchange_send(struct exchange *x)
{
	int r = client_send(x->client);

	scratch_return(&x->worker->scratch.head_out);
	return r;
}

/* In the configuration under which it began, or in the present one (trip_forget_view). */
static inline const struct server_conf *exchange_settings(const struct exchange *x)
{
	const struct view *view = x->view ? x->view : x->worker->view;

	return &view->conf->server;
}

/* The state of the exchange's tenant, as the supervisor sees it now. */
static inline struct slot *exchange_slot(const struct exchange *x)
{
	return &x->worker->by_slot.slots[x->trip.tenant->slot];
}

static inline enum tenant_state exchange_tenant_state(const struct exchange *x)
{
	return slot_state(exchange_slot(x), x->trip.tenant->owner);
}

/* Places on the scoreboard are reused: what was meant for a tenant that has been removed must not
 * reach the one that has its place now. */
static inline bool exchange_has_tenant(const struct exchange *x)
{
	return slot_is_of(exchange_slot(x), x->trip.tenant->owner);
}

/* By the newest configuration the tenant lives on another machine. */
static inline bool exchange_has_moved(const struct exchange *x)
{
	const struct config *conf = x->worker->view->conf;
	const struct tenant_conf *now = config_find_tenant(conf, x->wish.conf->id);

	return now && !config_is_here(conf, now);
}

/* --- what it has borrowed, and gives back --- */

/* Lets go of the upstream connection, which is reused if that is safe. */
static inline void trip_drop_upstream(struct exchange *x, bool can_reuse)
{
	struct upstream *u = x->trip.upstream;

	x->trip.upstream = NULL;
	if (!u)
		return;
	if (can_reuse && x->trip.tenant) { /* the next request goes to the copy that runs */
		const struct slot *slot = exchange_slot(x);

		origin_follow(u->origin, atomic_load(&slot->generation));
		can_reuse = state_serves(slot_state(slot, x->trip.tenant->owner));
	}
	if (can_reuse)
		upstream_give_back(u);
	else
		upstream_close(u);
}

/* It is no longer counted among the tenant's requests. */
static inline void trip_leave_tenant(struct exchange *x)
{
	struct slot *slot;

	if (!x->trip.is_counted)
		return;
	x->trip.is_counted = false;
	slot = exchange_slot(x);
	atomic_store(&slot->last_activity, loop_now(x->worker->loop));
	if (x->trip.is_tunnel)
		atomic_fetch_sub(&slot->upgrades, 1);
	slot_leave(slot);
}

/* Both: nothing more is read from the tenant, and its connection is not reused. */
static inline void trip_end(struct exchange *x)
{
	trip_drop_upstream(x, false);
	trip_leave_tenant(x);
}

/* The buffers for a large body, if it took any; a spare one is reused. */
static inline void trip_give_pipe(struct worker *w, struct splice_pipe *p)
{
	if (!p->is_open)
		return;
	if (p->held || w->pipes.nspare == SPARE_PIPES)
		splice_close(p);
	else
		w->pipes.spare[w->pipes.nspare++] = *p;
	*p = (struct splice_pipe){0};
}

/* The head of its answer has been written, and from now on it needs no configuration, however long
 * it lasts. */
static inline void trip_forget_view(struct exchange *x)
{
	x->record.tenant = x->is_logged ? arena_dup(&x->arena, x->record.tenant) : STR_EMPTY;
	x->wish.conf = NULL;
	view_unref(x->view);
	x->view = NULL;
}

/* --- what was asked --- */

/* Its path in normal form below the tenant's prefix; one that came by referer is not below it. */
static inline str exchange_path_below(const struct exchange *x)
{
	str path = x->record.path, prefix = x->wish.conf->prefix;

	if (prefix.n && path.n > prefix.n && str_starts(path, prefix) && path.p[prefix.n] == '/')
		return str_slice(path, prefix.n, path.n);
	return path;
}

/* The client's connection, after an answer that is made now: what is left of the request's body
 * would be read as the next request. */
static inline bool exchange_keeps_alive(const struct exchange *x)
{
	return x->reply.keep_alive && x->trip.up.is_done && !x->worker->is_draining;
}

static inline bool exchange_is_read(const struct exchange *x)
{
	return x->wish.method == METHOD_GET || x->wish.method == METHOD_HEAD;
}
