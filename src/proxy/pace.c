/* pace.c - the two deadlines of a client: silence, and speed over a span. */
/* SPDX-License-Identifier: MIT */
#include "proxy/pace.h"

#include "proxy/exchange_int.h"
#include "proxy/worker.h"

/* A tenant that does not answer Expect: 100-continue within this time gets the body (RFC
 * 9110 10.1.1). */
#define CONTINUE_LIMIT 1000
/* A short limit for silence says little about speed. */
#define SPAN_MIN 5000

static msec silence_limit(const struct exchange *x, enum client_owes owes)
{
	const struct server_conf *server = exchange_settings(x);

	switch (owes) {
	case CLIENT_FREE:
		return 0;
	case CLIENT_TAKES:
		return x->client->is_hurried ? CLIENT_GONE_AFTER : server->write_timeout;
	case CLIENT_SENDS:
		return server->body_timeout;
	case CLIENT_IS_TOLD:
		return CONTINUE_LIMIT;
	case CLIENT_ENDS:
		return server->keepalive_timeout;
	case CLIENT_STAYS:
		return CLIENT_GONE_AFTER;
	}
	return 0;
}

/* The span over which a client's bytes are counted; 0: there is no limit. */
static msec span_of(const struct exchange *x, enum client_owes owes)
{
	msec limit = silence_limit(x, owes);

	return limit ? MAX(limit, (msec)SPAN_MIN) : 0;
}

/* Bytes a second; 0: no limit.  Once a tenant answers, a body that comes slowly, event by event, is
 * a conversation. */
static uint64_t lowest_rate(const struct exchange *x, enum client_owes owes)
{
	const struct server_conf *server = exchange_settings(x);

	if (owes == CLIENT_TAKES)
		return server->min_write_rate;
	return owes == CLIENT_SENDS && !x->reply.answer_began ? server->min_body_rate : 0;
}

/* What was sent to the client has been taken when it is neither with us nor in the kernel any
 * more. */
static int64_t count_moved(const struct exchange *x, enum client_owes owes, size_t unsent)
{
	const struct client *c = x->client;
	uint64_t passed = x->reply.stages ? x->reply.sent : x->reply.down.bytes;
	size_t waits = buf_len(&c->out.waiting) + x->reply.down_pipe.held;

	if (owes != CLIENT_TAKES)
		return (int64_t)x->trip.up.bytes;
	return (int64_t)passed - (int64_t)waits - (int64_t)unsent;
}

static size_t unsent_of(const struct exchange *x, enum client_owes owes)
{
	return owes == CLIENT_TAKES ? client_unsent(x->client) : 0;
}

static void begin_span(struct exchange *x, size_t unsent)
{
	struct pace *p = &x->reply.pace;
	msec span = span_of(x, p->owes);

	p->span_ends = MSEC_NEVER;
	if (!span || !lowest_rate(x, p->owes))
		return;
	p->span_ends = msec_limit(loop_now(x->worker->loop), span);
	p->counted = count_moved(x, p->owes, unsent);
}

static void set_pace_deadline(struct exchange *x)
{
	client_deadline(x->client, MIN(x->reply.pace.silent_at, x->reply.pace.span_ends));
}

void pace_await(struct exchange *x, enum client_owes owes)
{
	struct pace *p = &x->reply.pace;
	msec limit = silence_limit(x, owes);

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	p->unsent = unsent_of(x, owes);
	if (owes != p->owes || !p->span_ends) {
		p->owes = owes;
		begin_span(x, p->unsent);
	}
	p->silent_at = msec_limit(loop_now(x->worker->loop), limit);
	set_pace_deadline(x);
}

static bool is_too_slow(const struct exchange *x, size_t unsent)
{
	const struct pace *p = &x->reply.pace;
	int64_t moved = count_moved(x, p->owes, unsent) - p->counted;
	uint64_t wanted;

	if (__builtin_mul_overflow(lowest_rate(x, p->owes), span_of(x, p->owes), &wanted))
		return true;
	return moved < (int64_t)(wanted / 1000);
}

bool pace_check(struct exchange *x)
{
	struct pace *p = &x->reply.pace;
	msec now = loop_now(x->worker->loop);
	size_t unsent = unsent_of(x, p->owes);

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	if (now >= p->span_ends && is_too_slow(x, unsent))
		return true;
	/* The socket accepts more only once a third of its buffer is free, so less waiting in it is
	 * a sign of life, too. */
	if (now >= p->silent_at && !(p->owes == CLIENT_TAKES && unsent < p->unsent))
		return true;
	if (now >= p->span_ends)
		begin_span(x, unsent);
	if (now >= p->silent_at)
		pace_await(x, p->owes);
	else
		set_pace_deadline(x);
	return false;
}

uint64_t pace_rate(const struct exchange *x)
{
	uint64_t now = clock_usec(), spent = now > x->began ? now - x->began : 1;
	int64_t moved = count_moved(x, x->reply.pace.owes, unsent_of(x, x->reply.pace.owes));

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	return moved > 0 ? (uint64_t)moved * 1000000 / MAX(spent, (uint64_t)1) : 0;
}
