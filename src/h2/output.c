/* output.c - one connection of HTTP/2: what goes out, and what the owner reads. */
/* SPDX-License-Identifier: MIT */
#include "h2/session_int.h"

#include "http/chunked.h"

#define FRAME_HEAD 9

/* The next DATA frame: how long it is, and whether it is the last.  Its payload is copied once, by
 * on_send_data. */
static ssize_t on_payload(nghttp2_session *ng, int32_t id, uint8_t *unused, size_t max,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st = source->ptr;
	size_t n = MIN(max, buf_len(&st->out.waiting));

	(void)unused;
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == buf_len(&st->out.waiting) && st->out.is_ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (!buf_len(&st->out.trailers))
			return (ssize_t)n;
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		h2_fields_of_trailers(&s->fields, buf_str(&st->out.trailers));
		h2_check(nghttp2_submit_trailer(ng, id, s->fields.items, s->fields.count));
	} else if (!n) {
		st->out.is_deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
	nghttp2_data_source *source, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st = source->ptr;

	(void)ng, (void)frame;
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	assert(n <= buf_len(&st->out.waiting) && n <= s->waiting);
	buf_add(&s->out, (str){(const char *)head, FRAME_HEAD});
	buf_add(&s->out, str_slice(buf_str(&st->out.waiting), 0, n));
	buf_consume(&st->out.waiting, n);
	s->waiting -= n;
	if (n && !buf_len(&st->out.waiting)) {
		h2_give_back(&st->out.waiting);
		h2_tell(st, H2_ROOM);
	}
	return buf_len(&s->out) < H2_OUT_MAX ? 0 : NGHTTP2_ERR_PAUSE;
}

static void forget_waiting(struct h2_stream *st)
{
	st->session->waiting -= buf_len(&st->out.waiting);
	buf_done(&st->out.waiting);
}

static void forget_received(struct h2_stream *st)
{
	st->session->received -= buf_len(&st->in.received);
	buf_done(&st->in.received);
	h2_pay_debt(st->session);
}

static void reset(struct h2_stream *st, uint32_t error_code)
{
	if (st->is_gone || st->is_reset)
		return;
	st->is_reset = st->is_ours = true;
	forget_waiting(st);
	h2_check(nghttp2_submit_rst_stream(st->session->ng, NGHTTP2_FLAG_NONE, st->id, error_code));
}

/* Our half has ended, and nobody wants the rest of a tunnel that leads nowhere. */
static void end_early(struct h2_stream *st)
{
	if (st->out.is_end_sent && !st->in.has_ended && st->is_tunnel && st->in.is_ignored)
		reset(st, NGHTTP2_NO_ERROR);
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_stream *st;

	(void)arg;
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
		(frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	if (!st)
		return 0;
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	st->out.is_end_sent = true;
	end_early(st);
	return 0;
}

void h2_output_callbacks(nghttp2_session_callbacks *calls)
{
	nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_sent);
}

static void make_frames(struct h2_session *s)
{
	while (buf_len(&s->out) < H2_OUT_MAX) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(s->ng, &p);

		if (n <= 0) {
			h2_check((int)n);
			s->is_dead |= n < 0;
			return;
		}
		buf_add(&s->out, (str){(const char *)p, (size_t)n});
	}
}

/* RST_STREAM would overtake what waits. */
void h2_session_pump(struct h2_session *s)
{
	MAGIC_CHECK(s, H2_SESSION_MAGIC);
	make_frames(s);
	if (list_is_empty(&s->doomed) || buf_len(&s->out) >= H2_OUT_MAX)
		return;
	while (!list_is_empty(&s->doomed)) {
		struct h2_stream *st = container_of(list_pop(&s->doomed), struct h2_stream, doomed);

		reset(st, st->doom);
	}
	make_frames(s);
}

static void resume(struct h2_stream *st)
{
	if (!st->out.is_deferred)
		return;
	st->out.is_deferred = false;
	h2_check(nghttp2_session_resume_data(st->session->ng, st->id));
}

/* Any 2xx opens the tunnel that an extended CONNECT asks for, so an ordinary one must not be seen.
 */
static bool is_misleading(const struct h2_stream *st, unsigned status)
{
	return st->is_extended && !st->is_tunnel && status / 100 == 2;
}

void h2_stream_head(struct h2_stream *st, str text, bool has_body)
{
	struct h2_session *s = st->session;
	nghttp2_data_provider payload = {.source.ptr = st, .read_callback = on_payload};
	unsigned status;

	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	if (h2_is_over(st))
		return;
	status = h2_fields_of_head(&s->fields, text);
	st->is_tunnel = st->is_extended && h2_head_is_switch(text);
	if (is_misleading(st, status))
		reset(st, NGHTTP2_INTERNAL_ERROR);
	else if (status < 200)
		h2_check(nghttp2_submit_headers(s->ng, NGHTTP2_FLAG_NONE, st->id, NULL,
			s->fields.items, s->fields.count, NULL));
	else
		h2_check(nghttp2_submit_response(s->ng, st->id, s->fields.items, s->fields.count,
			has_body || st->is_tunnel ? &payload : NULL));
	st->out.is_answered |= status >= 200;
}

void h2_stream_write(struct h2_stream *st, str payload)
{
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	if (h2_is_over(st))
		return;
	buf_add(&st->out.waiting, payload);
	st->session->waiting += payload.n;
	resume(st);
}

void h2_stream_end(struct h2_stream *st, str trailers)
{
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	if (h2_is_over(st))
		return;
	st->out.is_ended = true;
	buf_add(&st->out.trailers, trailers);
	resume(st);
}

void h2_stream_reset(struct h2_stream *st, uint32_t error_code)
{
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	if (h2_is_over(st))
		return;
	st->doom = error_code;
	list_append(&st->session->doomed, &st->doomed);
}

/* The window of the stream is given back as it is read, and made wide when that begins. */
static void give_window(struct h2_stream *st, size_t n)
{
	nghttp2_session *ng = st->session->ng;

	if (st->in.has_ended || st->is_gone)
		return;
	h2_check(nghttp2_session_consume_stream(ng, st->id, n));
	if (st->in.is_wide)
		return;
	st->in.is_wide = true;
	h2_check(nghttp2_session_set_local_window_size(
		ng, NGHTTP2_FLAG_NONE, st->id, (int32_t)H2_WINDOW));
}

static void add_chunk(struct buf *to, str payload)
{
	char size[CHUNKED_SIZE_MAX];

	buf_add(to, (str){size, chunked_write_size(size, payload.n)});
	buf_add(to, payload);
	buf_add(to, CHUNKED_CRLF);
}

static void add_last_chunk(struct h2_stream *st, struct buf *to)
{
	buf_add(to, CHUNKED_LAST);
	buf_add(to, buf_str(&st->in.trailers));
	buf_add(to, CHUNKED_CRLF);
}

ssize_t h2_stream_read(struct h2_stream *st, struct buf *to, size_t max)
{
	size_t before = buf_len(to);
	str payload = str_slice(buf_str(&st->in.received), 0, max);

	if (payload.n) {
		if (st->is_chunked)
			add_chunk(to, payload);
		else
			buf_add(to, payload);
		buf_consume(&st->in.received, payload.n);
		st->session->received -= payload.n;
		h2_pay_debt(st->session);
		h2_give_back(&st->in.received);
		give_window(st, payload.n);
	}
	if (st->in.has_ended && st->is_chunked && !st->in.is_end_read &&
		!buf_len(&st->in.received)) {
		add_last_chunk(st, to);
		st->in.is_end_read = true;
	}
	if (buf_len(to) > before)
		return (ssize_t)(buf_len(to) - before);
	return st->in.has_ended && !st->in.is_short ? 0 : -EAGAIN;
}

void h2_stream_ignore(struct h2_stream *st)
{
	size_t unread = buf_len(&st->in.received);

	st->in.is_ignored = true;
	forget_received(st);
	if (unread && !st->in.has_ended && !st->is_gone)
		h2_check(nghttp2_session_consume_stream(st->session->ng, st->id, unread));
	end_early(st);
}

void h2_stream_done(struct h2_stream *st)
{
	list_remove(&st->link);
	list_remove(&st->ready);
	list_remove(&st->doomed);
	forget_received(st);
	forget_waiting(st);
	buf_done(&st->in.trailers);
	buf_done(&st->out.trailers);
	MAGIC_END(st, H2_STREAM_MAGIC);
}
