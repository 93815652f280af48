/* reply.c - the tenant's final head is here: what becomes of it. */
/* SPDX-License-Identifier: MIT */
#include "http/field.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/no_wake.h"
#include "proxy/respond.h"
#include "proxy/sendfile.h"
#include "proxy/upstream.h"

static void become_tunnel(struct exchange *x, const struct response_head *h)
{
	x->trip.is_tunnel = true;
	x->trip.is_websocket = str_eq_nocase(h->upgrade, STR("websocket"));
	x->reply.keep_alive = false;
	atomic_fetch_add(&exchange_slot(x)->upgrades, 1);
	flow_done(&x->trip.up);
	flow_init(&x->trip.up, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
	flow_init(&x->reply.down, BODY_UNTIL_CLOSE, 0, BODY_UNTIL_CLOSE);
}

/* Without an end of its own: a browser opens it again when it ends. */
static bool is_event_stream(const struct response_head *h)
{
	str type = header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE), params;

	return (h->body == BODY_CHUNKED || h->body == BODY_UNTIL_CLOSE) &&
	       str_eq_nocase(field_value(type, &params), STR("text/event-stream"));
}

/* Gathers it; the body's flow begins. */
static enum step begin(struct exchange *x, struct response_head *h)
{
	if (h->has_upgrade || is_event_stream(h))
		worker_stream_began(x);
	caching_head(x, h);
	respond_begin(x, h);
	if (h->has_upgrade)
		become_tunnel(x, h);
	x->reply.is_head_new = true;
	return STEP_RELAY;
}

static enum step refuse(struct exchange *x, str why)
{
	return exchange_fail(x, ERROR_BAD_RESPONSE, why);
}

static enum step judge(struct exchange *x, struct response_head *h)
{
	enum step next;

	/* What is left of a body must not become the first words of another protocol. */
	if (h->has_upgrade && (!x->wish.wants_upgrade || !x->trip.up.is_done))
		return refuse(x, STR("RFC 9110 7.8: 101 that was not asked for"));
	if (!client_accepts(x->client, h))
		return refuse(x, STR("RFC 8441 5: 101 for something else than was asked for"));
	/* Nothing has been said yet, so that it can still be said what is wrong. */
	if (h->body == BODY_CHUNKED && !chunked_is_sound(x->trip.upstream->in.unread))
		return refuse(x, STR("RFC 9112 7.1: a body that is not chunked as it says"));
	no_wake_learn(x, h->status);
	x->record.upstream_ms = (int64_t)((clock_usec() - x->trip.upstream_began) / 1000);
	next = caching_take(x, h);
	if (next != WAIT)
		return next;
	x->trip.can_reuse = h->keep_alive && !h->has_upgrade;
	upstream_learn(x->trip.upstream, h);
	upstream_deadline(x->trip.upstream, MSEC_NEVER);
	return sendfile_is_asked(x, h) ? sendfile_begin(x, h) : begin(x, h);
}

enum step reply_step(struct exchange *x)
{
	struct worker *w = x->worker;
	enum step next = judge(x, &w->response);

	scratch_headers_return(&w->headers); /* what of them is needed has been copied */
	return next;
}
