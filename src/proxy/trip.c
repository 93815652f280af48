/* trip.c - what an exchange has of others while it is under way. */
/* SPDX-License-Identifier: MIT */
#include "proxy/trip.h"

#include "proxy/exchange_int.h"
#include "proxy/upstream.h"

void trip_drop_upstream(struct exchange *x, bool can_reuse)
{
	struct upstream *u = x->trip.upstream;

	x->trip.upstream = NULL;
	if (!u)
		return;
	if (can_reuse) { /* the next request goes to the copy that runs */
		const struct slot *slot = exchange_slot(x);

		origin_follow(u->origin, atomic_load(&slot->generation));
		can_reuse = state_serves(slot_state(slot, x->trip.tenant->owner));
	}
	if (can_reuse)
		upstream_give_back(u);
	else
		upstream_close(u);
}

void trip_leave_tenant(struct exchange *x)
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

void trip_end(struct exchange *x)
{
	trip_drop_upstream(x, false);
	trip_leave_tenant(x);
}

void trip_forget_view(struct exchange *x)
{
	x->record.tenant = x->is_logged ? arena_dup(&x->arena, x->record.tenant) : STR_EMPTY;
	x->wish.conf = NULL;
	view_unref(x->view);
	x->view = NULL;
}
