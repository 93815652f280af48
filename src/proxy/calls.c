/* calls.c - what another machine says to this one. */
/* SPDX-License-Identifier: MIT */
#include "proxy/calls.h"

#include "base/number.h"
#include "proxy/exchange_int.h"
#include "proxy/own_reply.h"
#include "proxy/pages.h"
#include "proxy/shared.h"
#include "proxy/wall.h"
#include "route/marker.h"

bool calls_is_one(const struct exchange *x)
{
	const struct request_head *head = x->wish.arrival->head;
	str key = x->view->conf->hop_key;
	enum marker_verdict verdict;

	if (!key.n || !str_starts(x->record.path, STR(MARKER_CALLS)))
		return false;
	verdict = marker_read(header_value(head->headers, head->nheaders, HEADER_FLY_ATC_HOP), key,
		MARKER_CALL, wall_exact(), NULL);
	return verdict == MARKER_VALID || verdict == MARKER_AHEAD;
}

/* ?version=N; 0: it is not said. */
static uint64_t version_of(str query)
{
	uint64_t version = 0;
	str parameter, name;

	while (str_split(&query, '&', &parameter))
		if (str_split(&parameter, '=', &name) && str_eq(name, STR("version")) &&
			number_parse(parameter, UINT64_MAX, &version) < 0)
			return 0;
	return version;
}

enum step calls_answer(struct exchange *x)
{
	struct shared *shared = x->worker->shared;
	struct buf *out;
	struct own_answer answer = {
		.status = 202,
		.minor = x->wish.minor,
		.keep_alive = x->reply.keep_alive && x->trip.up.is_done,
		.date = wall_date(),
	};

	if (!str_eq(x->record.path, STR(MARKER_CALLS "roster/changed")) ||
		x->wish.method != METHOD_POST)
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	shared->ops->roster_told(shared, version_of(x->wish.arrival->head->query));
	out = scratch_lend(&x->worker->scratch.head_out);
	own_answer_begin(out, &answer);
	own_answer_empty(out);
	return own_reply_give(x, answer.status, answer.keep_alive);
}
