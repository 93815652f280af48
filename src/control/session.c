/* session.c - one connection to the control socket: reads requests one after the other, writes
 * answers. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "control/control_int.h"
#include "control/memory.h"
#include "http/chunked.h"
#include "http/status.h"

#define MAX_HEADERS 64

enum { WAITS_FOR_NOTHING, WAITS_FOR_REQUEST, WAITS_FOR_HEAD, WAITS_FOR_READER };

static void on_session_event(struct watch *w, unsigned events);
static void close_session(struct session *s);

static void on_deadline(struct timer *t)
{
	close_session(container_of(t, struct session, deadline));
}

/* Sets the deadline when it waits for something else, or has made progress. */
static void watch_clock(struct session *s, bool has_progress)
{
	static const msec limits[] = {[WAITS_FOR_REQUEST] = CONTROL_IDLE_TIMEOUT,
		[WAITS_FOR_HEAD] = CONTROL_REQUEST_TIMEOUT,
		[WAITS_FOR_READER] = CONTROL_WRITE_TIMEOUT};
	unsigned waits_for = WAITS_FOR_NOTHING;

	/* A client that follows a log may pause: what waits for it is bounded. */
	if (s->state == SESSION_FOLLOWING)
		waits_for = WAITS_FOR_NOTHING;
	else if (buf_len(&s->out))
		waits_for = WAITS_FOR_READER;
	else if (s->state == SESSION_READING)
		waits_for = buf_len(&s->in) ? WAITS_FOR_HEAD : WAITS_FOR_REQUEST;
	if (waits_for == s->waits_for && !(has_progress && waits_for == WAITS_FOR_READER))
		return;
	s->waits_for = waits_for;
	if (waits_for == WAITS_FOR_NOTHING)
		timer_cancel(&s->deadline);
	else
		timer_set(&s->deadline, s->control->loop,
			loop_now(s->control->loop) + limits[waits_for], on_deadline);
}

void session_new(struct control *c, int fd, session_fn *on_request)
{
	struct session *s = xcalloc(1, sizeof(*s));

	MAGIC_BEGIN(s, SESSION_MAGIC);
	s->control = c;
	s->on_request = on_request;
	if (watch_open(&s->watch, c->loop, fd, on_session_event) < 0) {
		close(fd);
		MAGIC_END(s, SESSION_MAGIC);
		free(s);
		return;
	}
	list_append(&c->sessions, &s->link);
	list_init(&s->stream.link);
	c->nsessions++;
	watch_clock(s, false);
}

void session_wait(struct session *s, struct session **place)
{
	*place = s;
	s->waits_in = place;
	s->state = SESSION_BUSY;
}

struct session *session_waited(struct session **place)
{
	struct session *s = *place;

	if (s)
		s->waits_in = NULL;
	*place = NULL;
	return s;
}

static void end_request(struct session *s)
{
	if (s->waits_in)
		session_waited(s->waits_in);
	memory_free(s->memory);
	s->memory = NULL;
	list_remove(&s->stream.link);
	s->stream.give_more = NULL;
	s->tenant = s->body = s->entry = STR_EMPTY;
	arena_reset(&s->arena);
}

static void session_free(void *arg)
{
	struct session *s = arg;

	arena_done(&s->arena);
	buf_done(&s->in);
	buf_done(&s->out);
	MAGIC_END(s, SESSION_MAGIC);
	free(s);
}

static void close_session(struct session *s)
{
	int fd = s->watch.fd;

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (fd < 0)
		return;
	end_request(s);
	s->state = SESSION_ENDING;
	timer_cancel(&s->deadline);
	watch_close(&s->watch);
	close(fd);
	list_remove(&s->link);
	s->control->nsessions--;
	s->control->nsubscribers -= s->stream.is_subscribed;
	loop_defer(s->control->loop, session_free, s);
}

/* False if the session is closed now. */
static bool write_out(struct session *s)
{
	bool has_progress = false;

	while (buf_len(&s->out) || (s->stream.give_more && s->stream.give_more(s))) {
		str waiting = buf_str(&s->out);
		ssize_t n = send(s->watch.fd, waiting.p, waiting.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_session(s);
			return false;
		}
		buf_consume(&s->out, (size_t)n);
		has_progress = true;
	}
	watch_clock(s, has_progress);
	return true;
}

#define MAX_REQUEST (CONTROL_MAX_HEAD + CONTROL_MAX_BODY)

static void read_in(struct session *s)
{
	while (!s->has_eof && buf_len(&s->in) < MAX_REQUEST) {
		char *room = buf_room(&s->in, MAX_REQUEST - buf_len(&s->in));
		ssize_t n = read(s->watch.fd, room, MAX_REQUEST - buf_len(&s->in));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			s->has_eof = true;
		else
			buf_added(&s->in, (size_t)n);
	}
}

/* What follows would be read as another request. */
static void refuse_body(struct session *s, unsigned status, const char *reason)
{
	s->keep_alive = false;
	session_refuse(s, status, str_of(reason));
}

static void begin_request(struct session *s, const struct request_head *h, str body)
{
	s->is_http10 = h->minor == 0;
	s->keep_alive = h->keep_alive;
	s->body = arena_dup(&s->arena, body);
	if (h->body == BODY_CHUNKED)
		refuse_body(s, 411, "the body of a control request has a Content-Length");
	else if (h->content_length > CONTROL_MAX_BODY)
		refuse_body(s, 413, "the body of a control request has 64 KiB at most");
	else
		s->on_request(s, h);
}

/* The body is short, and is waited for; a client that wants to be asked for it first is asked. */
static bool awaits_body(struct session *s, const struct request_head *h, size_t used)
{
	if (h->content_length > CONTROL_MAX_BODY || buf_len(&s->in) >= used + h->content_length)
		return false;
	if (h->expects_continue && !s->has_continued) {
		s->has_continued = true;
		buf_add(&s->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
		session_go_on_soon(s);
	}
	return true;
}

/* Takes the next request if it has arrived.  False if not. */
static bool next_request(struct session *s)
{
	struct head_limits limits = {CONTROL_MAX_HEAD - 1, MAX_HEADERS, CONTROL_MAX_HEAD};
	struct header headers[MAX_HEADERS];
	struct request_head h;
	unsigned status;
	size_t used;

	switch (request_head_parse(
		&h, headers, MAX_HEADERS, buf_str(&s->in), &s->scanned, &limits, &used, &status)) {
	case PARSE_MORE:
		return false;
	case PARSE_BAD:
		s->keep_alive = false;
		session_refuse(s, status, status_reason(status));
		return true;
	case PARSE_OK:
		if (awaits_body(s, &h, used))
			return false;
		begin_request(
			s, &h, str_slice(buf_str(&s->in), used, used + (size_t)h.content_length));
		s->has_continued = false;
		buf_consume(&s->in, MIN(buf_len(&s->in), used + (size_t)h.content_length));
		return true;
	}
	return false;
}

/* One request at a time: the next one is looked at when the answer to the last has been written. */
static void serve_next(struct session *s)
{
	do {
		if (!write_out(s))
			return;
		read_in(s);
	} while (s->state == SESSION_READING && !buf_len(&s->out) && buf_len(&s->in) &&
		 next_request(s));
	if (buf_len(&s->out))
		return;
	if (s->state == SESSION_ENDING || (s->state == SESSION_READING && s->has_eof))
		close_session(s);
	else
		watch_clock(s, false);
}

static void on_session_event(struct watch *w, unsigned events)
{
	struct session *s = container_of(w, struct session, watch);

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (events & LOOP_HUP)
		close_session(s);
	else
		serve_next(s);
}

static void on_answered(void *arg)
{
	struct session *s = arg;

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (s->watch.fd >= 0)
		serve_next(s);
}

/* Writing waits for the end of the turn: the caller may be in the middle of something. */
void session_go_on_soon(struct session *s)
{
	loop_defer(s->control->loop, on_answered, s);
}

static void add_head(struct session *s, unsigned status, str type)
{
	str reason = status_reason(status);

	buf_printf(&s->out,
		"HTTP/1.1 %u " STR_FMT "\r\nContent-Type: " STR_FMT
		"\r\nCache-Control: no-store\r\n",
		status, STR_ARG(reason), STR_ARG(type));
	if (!s->keep_alive)
		buf_add(&s->out, STR("Connection: close\r\n"));
}

void session_answer(struct session *s, unsigned status, str type, str body)
{
	MAGIC_CHECK(s, SESSION_MAGIC);
	add_head(s, status, type);
	buf_printf(&s->out, "Content-Length: %zu\r\n\r\n", body.n);
	buf_add(&s->out, body);
	end_request(s);
	s->state = s->keep_alive ? SESSION_READING : SESSION_ENDING;
	session_go_on_soon(s);
}

void session_refuse(struct session *s, unsigned status, str reason)
{
	struct buf body = {0};
	struct json j = {.out = &body};

	MAGIC_CHECK(s, SESSION_MAGIC);
	json_open_object(&j, NULL);
	json_str(&j, "error", reason);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, status, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

void session_stream(struct session *s, str type, struct list *among)
{
	MAGIC_CHECK(s, SESSION_MAGIC);
	s->keep_alive = false;
	add_head(s, 200, type);
	if (!s->is_http10)
		buf_add(&s->out, STR("Transfer-Encoding: chunked\r\n"));
	buf_add(&s->out, STR("\r\n"));
	s->state = SESSION_FOLLOWING;
	if (among)
		list_append(among, &s->stream.link);
	session_go_on_soon(s);
}

void session_stream_piece(struct session *s, str piece)
{
	char size[CHUNKED_SIZE_MAX];
	bool is_first = !buf_len(&s->out);

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (!s->is_http10)
		buf_add(&s->out, (str){size, chunked_write_size(size, piece.n)});
	buf_add(&s->out, piece);
	if (!s->is_http10)
		buf_add(&s->out, CHUNKED_CRLF);
	if (is_first)
		session_go_on_soon(s);
}

static void add_dropped(struct buf *out, uint64_t lines)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	json_number(&j, "dropped", lines);
	json_close_object(&j);
	buf_add_char(out, '\n');
}

void session_stream_line(struct session *s, str line)
{
	struct buf note = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (buf_len(&s->out) > CONTROL_MAX_FOLLOW) {
		s->stream.dropped++;
		return;
	}
	if (s->stream.dropped) {
		add_dropped(&note, s->stream.dropped);
		session_stream_piece(s, buf_str(&note));
		buf_done(&note);
		s->stream.dropped = 0;
	}
	session_stream_piece(s, line);
}

void session_stream_end(struct session *s)
{
	MAGIC_CHECK(s, SESSION_MAGIC);
	if (!s->is_http10) {
		buf_add(&s->out, CHUNKED_LAST);
		buf_add(&s->out, CHUNKED_CRLF);
	}
	end_request(s);
	s->state = SESSION_ENDING;
	session_go_on_soon(s);
}

void session_finish(struct session *s)
{
	MAGIC_CHECK(s, SESSION_MAGIC);
	if (!write_out(s))
		return;
	if (s->stream.give_more && !buf_len(&s->out)) {
		session_stream_end(s);
		if (!write_out(s))
			return;
	}
	close_session(s);
}
