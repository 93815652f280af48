/* hop.c - writes and reads the hop marker of a request between machines. */
/* SPDX-License-Identifier: MIT */
#include "proxy/hop.h"

#include "base/log.h"
#include "proxy/exchange_int.h"
#include "proxy/presence.h"
#include "proxy/wall.h"
#include "route/marker.h"

/* Longer ones, and those that are no name, are no user's. */
#define NAME_MAX_SIZE 128

/* Both ends know it without a configuration: the first segment of the path, if it may be a user's
 * name; else it is empty. */
static str whose(const struct exchange *x)
{
	str path = str_slice(x->record.path, 1, x->record.path.n);
	size_t n = 0;

	for (; n < path.n && path.p[n] != '/'; n++) {
		char c = char_lower(path.p[n]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && !memchr("._~-", c, 4))
			return STR_EMPTY;
	}
	return n > NAME_MAX_SIZE ? STR_EMPTY : str_slice(path, 0, n);
}

str hop_write(struct exchange *x)
{
	const struct config *conf = x->view->conf;
	struct marker m = {
		.kind = MARKER_PEER,
		.hop = 1,
		.origin = conf->our_machine,
		.user = whose(x),
		.fleet = conf->fleet_version,
		/* The other machine may not have slept. */
		.time = wall_exact() + presence_ahead(x),
	};
	struct buf text = {0};
	str hop;

	marker_write(&text, conf->hop_key, &m);
	hop = arena_dup(&x->arena, buf_str(&text));
	buf_done(&text);
	return hop;
}

static enum step refuse_marker(struct exchange *x, const char *why)
{
	return exchange_fail(x, ERROR_HOP, str_of(why));
}

static enum step believe(struct exchange *x)
{
	struct arrival *a = x->wish.arrival;
	const struct request_head *head = a->head;
	const struct config *conf = x->view->conf;
	str machine = header_value(head->headers, head->nheaders, HEADER_FLY_ATC_MACHINE);

	trust_machine(x->view->snapshot->trust, head, &a->remote);
	client_is_machine(x->client);
	if (!str_eq(machine, conf->our_machine))
		return exchange_fail(x, ERROR_MISDIRECTED,
			str_of(arena_printf(&x->arena, "This is machine " STR_FMT ".",
				STR_ARG(conf->our_machine))));
	return WAIT;
}

static enum step take(struct exchange *x, const struct marker *m)
{
	if (!marker_is_for(m, whose(x)))
		return refuse_marker(x, "the marker is of another path");
	return believe(x);
}

void hop_note_clocks(struct exchange *x, const struct marker *m)
{
	size_t n = worker_note_seldom(x->worker, &x->worker->noted.ahead);

	presence_hear(x, m->time - wall_exact());
	if (n)
		log_warn("the clock of machine " STR_FMT
			 " is %llu ms ahead of ours, seen %zu times",
			STR_ARG(m->origin), (unsigned long long)(m->time - wall_exact()), n);
}

enum step hop_take(struct exchange *x)
{
	const struct arrival *a = x->wish.arrival;
	const struct request_head *head = a->head;
	const struct config *conf = x->view->conf;
	struct marker m;

	if (!arrival_has(a, HEADER_FLY_ATC_HOP))
		return WAIT;
	switch (marker_read(header_value(head->headers, head->nheaders, HEADER_FLY_ATC_HOP),
		conf->hop_key, MARKER_PEER, wall_exact(), &m)) {
	case MARKER_AHEAD:
		hop_note_clocks(x, &m);
		return take(x, &m);
	case MARKER_VALID:
		return take(x, &m);
	case MARKER_OLD:
		return exchange_fail(x, ERROR_CLOCKS,
			str_of(arena_printf(&x->arena, "Machine " STR_FMT " is %llu s behind.",
				STR_ARG(m.origin),
				(unsigned long long)(wall_exact() - m.time) / 1000)));
	case MARKER_NONE:
	case MARKER_BAD:
		break;
	}
	return refuse_marker(x, "the marker is not of this fleet's secret");
}
