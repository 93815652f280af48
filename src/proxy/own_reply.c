/* own_reply.c - answers that we make ourselves, on their way to the client. */
/* SPDX-License-Identifier: MIT */
#include "proxy/own_reply.h"

#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/respond.h"
#include "proxy/wall.h"

/* The part of a whole answer that follows the empty line. */
static size_t body_size(str answer)
{
	ssize_t end = str_find(answer, STR("\r\n\r\n"));

	return end < 0 ? 0 : answer.n - (size_t)end - 4;
}

enum step own_reply_give(struct exchange *x, unsigned status, bool keep_alive)
{
	struct worker *w = x->worker;
	str answer = buf_str(&w->scratch.head_out.text);
	size_t body = body_size(answer);

	trip_end(x);
	x->reply.pace = (struct pace){0};
	x->reply.answer_began = true;
	x->reply.keep_alive = keep_alive;
	x->record.status = status;
	x->record.response_length = (int64_t)body;
	client_head(x->client, str_slice(answer, 0, answer.n - body), body);
	gather_add(&w->scratch.gather, str_slice(answer, answer.n - body, answer.n));
	w->scratch.gather.is_followed = !keep_alive;
	return STEP_ANSWER;
}

/* Sends what is gathered and says that it was all; or goes on with what waits. */
static int send_on(struct exchange *x)
{
	if (x->reply.is_end_told)
		return client_flush(x->client);
	if (exchange_send(x) < 0)
		return -EPIPE;
	respond_tell_end(x);
	return 0;
}

enum step own_reply_step(struct exchange *x)
{
	const struct buf *waiting = &x->client->out.waiting;
	size_t before = buf_len(waiting);

	if (x->happened & EVENT_CLIENT_TIME && pace_check(x))
		return exchange_cut(x, ERROR_WRITE_TIMEOUT);
	if (send_on(x) < 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	if (outbox_is_empty(&x->client->out))
		return STEP_END;
	if (x->reply.pace.owes != CLIENT_TAKES || buf_len(waiting) < before)
		pace_await(x, CLIENT_TAKES);
	return WAIT;
}

/* --- what went wrong --- */

/* Seconds until it makes sense to ask again. */
static unsigned retry_after(const struct exchange *x, enum error error)
{
	msec now = loop_now(x->worker->loop), at;

	if (error_status(error) != 503 && error_status(error) != 429)
		return 0;
	if (error != ERROR_START_FAILED || !x->wish.conf)
		return 1;
	at = atomic_load(&exchange_slot(x)->retry_at);
	return at > now ? (unsigned)MIN((at - now + 999) / 1000, (msec)3600) : 1;
}

/* Where our machines are is nobody's business, but which of them it is helps to ask about it. */
static str shown_of_peer(struct exchange *x)
{
	return str_of(arena_printf(&x->arena, "Machine " STR_FMT, STR_ARG(x->record.machine)));
}

static enum step answer_error(struct exchange *x, enum error error, str reason)
{
	struct worker *w = x->worker;
	bool keep_alive = exchange_keeps_alive(x);
	bool is_development =
		x->wish.conf && str_eq(x->wish.conf->app->environment, STR("development"));
	/* Where a file of the server is, or is not, is nobody's business; an application's mistake
	 * is for its developers. */
	bool is_hidden = error == ERROR_SENDFILE || error == ERROR_FILE_UNREADABLE ||
			 (error == ERROR_BAD_RESPONSE && !is_development);
	/* For a start that failed: with the last lines of the application. */
	bool has_output = is_development && error == ERROR_START_FAILED;
	str shown = is_hidden ? STR_EMPTY : x->trip.peer.is ? shown_of_peer(x) : reason;
	struct error_in in = {
		.error = error,
		.status = error_status(error),
		.minor = x->wish.minor,
		.wants = x->wish.wants,
		.is_head = x->wish.method == METHOD_HEAD,
		.keep_alive = keep_alive,
		.retry_after = retry_after(x, error),
		.reason = has_output ? STR_EMPTY : shown,
		.output = has_output ? shown : STR_EMPTY,
		.request_id = x->record.request_id,
		.date = wall_date(),
		.pages = x->view->snapshot->pages,
	};

	error_answer(scratch_lend(&w->scratch.head_out), &in);
	return own_reply_give(x, in.status, keep_alive);
}

/* What failed on the way to another machine of ours. */
static enum error peer_error(const struct exchange *x, enum error error)
{
	if (!x->trip.peer.is)
		return error;
	if (error == ERROR_CONNECT_FAILED)
		return ERROR_PEER_UNREACHABLE;
	if (error == ERROR_UPSTREAM_CLOSED)
		return ERROR_PEER_CLOSED;
	if (error == ERROR_BAD_RESPONSE)
		return ERROR_PEER_RESPONSE;
	return error == ERROR_RESPONSE_TIMEOUT ? ERROR_PEER_TIMEOUT : error;
}

enum step own_reply_fail(struct exchange *x)
{
	enum error error = peer_error(x, x->reply.failure);

	if (caching_rescue(x, error))
		return STEP_SEND;
	x->record.error = error;
	x->record.detail = x->reply.reason;
	return x->reply.answer_began ? exchange_cut(x, error)
				     : answer_error(x, error, x->reply.reason);
}
