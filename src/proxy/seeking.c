/* seeking.c - requests that wait for a look at the roster. */
/* SPDX-License-Identifier: MIT */
#include "proxy/seeking.h"

#include "base/budget.h"
#include "base/hash.h"
#include "proxy/exchange_int.h"

/* --- what was not found --- */

static str first_segment(str path)
{
	ssize_t end;

	path = str_slice(path, 1, path.n);
	end = str_find_char(path, '/');
	return end < 0 ? path : str_slice(path, 0, (size_t)end);
}

/* A key of this process: nobody can choose names that fall together. */
static uint64_t hash_sought(str host, str path, uint64_t serial)
{
	uint64_t parts[3] = {hash_bytes(host), hash_bytes(first_segment(path)), serial};

	return hash_bytes((str){(const char *)parts, sizeof(parts)});
}

/* Under the configuration of this serial. */
static void absent_note(struct absent *a, str host, str path, uint64_t serial, msec now)
{
	uint64_t hash = hash_sought(host, path, serial);

	atomic_store_explicit(&a->cells[hash % ABSENT_CELLS],
		(hash >> 32 << 32) | (uint32_t)(now + ABSENT_FOR), memory_order_relaxed);
}

static bool absent_has(const struct absent *a, str host, str path, uint64_t serial, msec now)
{
	uint64_t hash = hash_sought(host, path, serial);
	uint64_t cell = atomic_load_explicit(&a->cells[hash % ABSENT_CELLS], memory_order_relaxed);

	/* Both are 49 days and more apart only for a cell that nobody has written since. */
	return cell >> 32 == hash >> 32 && (uint32_t)cell - (uint32_t)now <= ABSENT_FOR;
}

/* With an empty one the host may be somebody's. */
static bool can_be_user(str path)
{
	str segment = first_segment(path);

	return !segment.n || config_segment_is_legal(segment);
}

/* --- the request --- */

/* It outlives the bytes that it came in. */
struct arrival *seeking_keep(struct exchange *x)
{
	struct arena *a = &x->arena;
	struct arrival *kept = arena_alloc(a, sizeof(*kept));

	*kept = *x->wish.arrival;
	kept->head = request_head_copy(a, kept->head);
	kept->remote.peer = arena_dup(a, kept->remote.peer);
	kept->remote.address = arena_dup(a, kept->remote.address);
	kept->remote.fly_client = arena_dup(a, kept->remote.fly_client);
	return kept;
}

static bool is_worth_a_look(const struct exchange *x)
{
	const struct seeking *all = &x->worker->shared->seeking;

	return atomic_load(&all->is_on) && !x->client->is_background &&
	       can_be_user(x->record.path) &&
	       !config_path_matches(&x->view->conf->app.no_wake, x->record.path) &&
	       !absent_has(&all->absent, x->wish.arrival->head->host, x->record.path,
		       x->view->snapshot->serial, loop_now(x->worker->loop));
}

static enum step begin_look(struct exchange *x)
{
	struct worker *w = x->worker;
	struct seeking *all = &w->shared->seeking;

	if (w->is_draining)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (budget_is_over())
		return exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
	if (atomic_load(&all->nwaiting) >= SEEK_MOST)
		return exchange_fail(x, ERROR_TOO_MANY_HELD,
			STR("Too many requests ask for what is not known here."));
	x->wish.kept = seeking_keep(x);
	x->wish.seek_until = loop_now(w->loop) + SEEK_LIMIT;
	x->wish.sought = w->shared->ops->seek(w->shared);
	return STEP_SEEK;
}

bool seeking_may_help(const struct exchange *x)
{
	if (x->wish.sought) /* the look may still be under way */
		return x->worker->exchanges.looked < x->wish.sought;
	return is_worth_a_look(x);
}

enum step seeking_begin(struct exchange *x, enum error otherwise)
{
	x->wish.otherwise = otherwise;
	if (!seeking_may_help(x))
		return exchange_fail(x, otherwise, STR_EMPTY);
	return x->wish.sought ? STEP_SEEK : begin_look(x);
}

void seeking_enter(struct exchange *x)
{
	atomic_fetch_add(&x->worker->shared->seeking.nwaiting, 1);
	list_append(&x->worker->exchanges.seeking, &x->link);
	client_deadline(x->client, x->wish.seek_until);
}

void seeking_leave(struct exchange *x)
{
	list_remove(&x->link);
	atomic_fetch_sub(&x->worker->shared->seeking.nwaiting, 1);
	client_deadline(x->client, MSEC_NEVER);
}

/* Under the new configuration it may be somebody's. */
static enum step route_anew(struct exchange *x)
{
	view_unref(x->view);
	x->view = view_ref(x->worker->view);
	x->happened &= ~(unsigned)EVENT_VIEW; /* it may come back in this turn */
	x->wish.arrival = x->wish.kept;
	return STEP_AGAIN;
}

static enum step note_absence(struct exchange *x)
{
	struct worker *w = x->worker;

	absent_note(&w->shared->seeking.absent, x->wish.kept->head->host, x->record.path,
		w->view->snapshot->serial, loop_now(w->loop));
	return exchange_fail(x, x->wish.otherwise, STR_EMPTY);
}

enum step seeking_step(struct exchange *x)
{
	unsigned events = x->happened;

	if (events & EVENT_GIVE_UP)
		return exchange_fail(x, ERROR_DRAINING, STR_EMPTY);
	if (events & EVENT_VIEW)
		return route_anew(x);
	if (x->worker->exchanges.looked >= x->wish.sought)
		return note_absence(x);
	/* The store does not answer in time: what was known last holds. */
	if (events & EVENT_CLIENT_TIME && loop_now(x->worker->loop) >= x->wish.seek_until)
		return exchange_fail(x, x->wish.otherwise, STR_EMPTY);
	return WAIT;
}
