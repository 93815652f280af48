/* session.c - one connection of HTTP/2: what comes in. */
/* SPDX-License-Identifier: MIT */
#include "h2/session.h"

#include <stdlib.h>

#include "h2/session_int.h"

/* What a client may break off in one go, and each second: each of them made us begin something (CVE
 * 2023-44487, 2025-8671). */
#define BROKEN_BURST 500
#define BROKEN_RATE  100
/* Frames that carry nothing, some of which want an answer (CVE-2019-9512, 9515, 9518). */
#define NOISE_BURST 2000
#define NOISE_RATE  500
/* A head beyond the limit is still decoded, so that the request gets its 431, up to this many times
 * the limit.  After that the connection ends. */
#define PATIENCE 4
/* CONTINUATION frames behind one HEADERS (CVE-2024-28182): no head needs more. */
#define FRAME_HEAD	  9
#define FRAME_SIZE	  16384u
#define MIN_CONTINUATIONS 8u

static struct h2_stream *find_stream(nghttp2_session *ng, int32_t id)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

	if (st)
		MAGIC_CHECK(st, H2_STREAM_MAGIC);
	return st;
}

void h2_check(int result)
{
	if (result == NGHTTP2_ERR_NOMEM)
		abort(); /* as xmalloc */
}

void h2_pay_debt(struct h2_session *s)
{
	if (!s->debt || s->received > s->max_received)
		return;
	h2_check(nghttp2_session_consume_connection(s->ng, s->debt));
	s->debt = 0;
}

void h2_tell(struct h2_stream *st, unsigned events)
{
	st->events |= events;
	if (list_is_empty(&st->ready))
		list_append(&st->session->ready, &st->ready);
}

static void give_up_session(struct h2_session *s, uint32_t error_code, const char *fault)
{
	if (s->fault)
		return;
	s->fault = fault;
	h2_check(nghttp2_session_terminate_session(s->ng, error_code));
}

static void count_broken(struct h2_session *s)
{
	if (!h2_budget_take(&s->broken, s->now, BROKEN_BURST, BROKEN_RATE))
		give_up_session(s, NGHTTP2_ENHANCE_YOUR_CALM, "too many broken streams");
}

/* --- heads --- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st;

	h2_request_begin(&s->request);
	s->head.size = 0;
	s->head.stream = frame->hd.stream_id;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	MAGIC_CHECK(s, H2_SESSION_MAGIC);
	st = s->conf.open(s);
	MAGIC_BEGIN(st, H2_STREAM_MAGIC);
	st->session = s;
	st->id = frame->hd.stream_id;
	list_init(&st->ready);
	list_init(&st->doomed);
	list_append(&s->streams, &st->link);
	nghttp2_session_set_stream_user_data(ng, st->id, st);
	return 0;
}

/* The stream is reset, the rest of the block only decoded. */
static int refuse_head(nghttp2_session *ng, struct h2_stream *st, uint32_t error_code)
{
	st->is_reset = true;
	h2_check(nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, error_code));
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A few bytes of a block may name an entry of the table that is a thousand times as long. */
static bool is_within_patience(struct h2_session *s, size_t field)
{
	s->head.size += field + H2_FIELD_OVERHEAD;
	if (s->head.size <= s->conf.max_header_bytes * PATIENCE)
		return true;
	give_up_session(s, NGHTTP2_ENHANCE_YOUR_CALM, "a head that is much too large");
	return false;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name_p,
	size_t name_n, const uint8_t *value_p, size_t value_n, uint8_t flags, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st = find_stream(ng, frame->hd.stream_id);
	str name = {(const char *)name_p, name_n}, value = {(const char *)value_p, value_n};
	bool is_good;

	(void)flags;
	if (!is_within_patience(s, name_n + value_n))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (!st || st->is_reset)
		return 0;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
		is_good = s->head.size <= s->conf.max_header_bytes &&
			  h2_trailer_add(&st->in.trailers, name, value);
	} else if (!st->status) {
		is_good = h2_request_add(&s->request, name, value);
		if (s->request.size > s->conf.max_header_bytes)
			st->status = 431;
	} else {
		is_good = true; /* only decoded */
	}
	return is_good ? 0 : refuse_head(ng, st, NGHTTP2_PROTOCOL_ERROR);
}

static void end_head(struct h2_session *s, struct h2_stream *st)
{
	size_t before = buf_len(&s->texts);
	bool has_body = !st->in.has_ended;
	unsigned status = st->status;

	st->is_extended = h2_request_is_extended(&s->request);
	st->in.declared = s->request.length;
	st->is_chunked = h2_request_is_chunked(&s->request, has_body);
	if (st->is_extended)
		websocket_key(st->key);
	if (!status)
		status = h2_request_end(
			&s->request, has_body, (str){st->key, sizeof(st->key)}, &s->texts);
	if (status == 400) {
		refuse_head(s->ng, st, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	if (status == 431)
		count_broken(s);
	st->status = status;
	st->text_at = before;
	st->text_n = buf_len(&s->texts) - before;
	h2_tell(st, H2_REQUEST);
}

/* A request whose body is not as long as it said is malformed (RFC 9113 8.1.1).  But clients that
 * see the answer before they have sent all end their half at once: they are told the rest of it. */
static void end_body(struct h2_stream *st)
{
	bool is_less =
		!st->is_broken && st->in.declared != UINT64_MAX && st->in.came < st->in.declared;

	if (!st->in.has_ended || (is_less && !st->out.is_answered)) {
		refuse_head(st->session->ng, st, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	st->in.is_short = is_less;
	h2_tell(st, H2_INPUT);
}

/* --- frames --- */

static bool is_noise(const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_DATA:
		return !hd->length && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
	case NGHTTP2_HEADERS:
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_WINDOW_UPDATE:
		return false;
	default:
		return true;
	}
}

/* RFC 9113 5.1.1: numbers only grow.  nghttp2 cannot tell one that was passed over from one that
 * has been closed for long, for which it must be lenient; the last that were passed over are known
 * here. */
static bool is_passed_over(struct h2_session *s, int32_t id)
{
	if (id - 2 > s->closed.last_id) {
		s->closed.gap_from = s->closed.last_id;
		s->closed.gap_to = id;
	}
	s->closed.last_id = MAX(s->closed.last_id, id);
	return id > s->closed.gap_from && id < s->closed.gap_to;
}

/* RFC 9113 5.1, "closed": behind its own end a client says no more.  What we have closed it may not
 * know yet.  (DATA is thrown away by nghttp2 in both cases, unseen.) */
static bool is_behind_end(const struct h2_session *s, int32_t id)
{
	if (id > s->closed.last_id || nghttp2_session_find_stream(s->ng, id))
		return false;
	for (size_t i = 0; i < NITEMS(s->closed.ended); i++)
		if (s->closed.ended[i] == id)
			return true;
	return false;
}

static void take_noise(struct h2_session *s)
{
	if (!h2_budget_take(&s->noise, s->now, NOISE_BURST, NOISE_RATE))
		give_up_session(s, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that carry nothing");
}

/* nghttp2 throws frames away without a word: those of unknown types, and DATA of streams that are
 * closed.  So all of them are counted here.  Returns how many heads of frames end in `bytes`. */
static unsigned count_frames(struct h2_scan *scan, str bytes)
{
	unsigned n = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		size_t skipped = MIN(scan->skip, bytes.n - i);

		scan->skip -= skipped;
		i += skipped;
		if (i == bytes.n)
			break;
		if (scan->at < 3)
			scan->size = scan->size << 8 | (uint8_t)bytes.p[i];
		if (++scan->at < FRAME_HEAD)
			continue;
		n++;
		*scan = (struct h2_scan){.skip = scan->size};
	}
	return n;
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
	struct h2_session *s = arg;

	(void)ng;
	s->seen++;
	if (hd->type == NGHTTP2_HEADERS && is_behind_end(s, hd->stream_id))
		give_up_session(s, NGHTTP2_STREAM_CLOSED, "HEADERS behind the end of its stream");
	if (hd->type == NGHTTP2_HEADERS && is_passed_over(s, hd->stream_id))
		give_up_session(
			s, NGHTTP2_PROTOCOL_ERROR, "a stream's number is smaller than the last");
	/* nghttp2 does not look at them, but RFC 9113 6.3 does. */
	if (hd->type == NGHTTP2_PRIORITY && !hd->stream_id)
		give_up_session(s, NGHTTP2_PROTOCOL_ERROR, "PRIORITY of no stream");
	if (is_noise(hd))
		take_noise(s);
	return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st;

	if (frame->hd.type == NGHTTP2_HEADERS)
		s->head.stream = 0;
	else if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_RST_STREAM)
		return 0;
	st = find_stream(ng, frame->hd.stream_id);
	if (!st)
		return 0;
	st->in.has_ended =
		frame->hd.type == NGHTTP2_RST_STREAM || frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	st->is_broken = frame->hd.type == NGHTTP2_RST_STREAM;
	if (h2_is_over(st))
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		end_head(s, st);
	else if (st->in.has_ended || frame->hd.type == NGHTTP2_HEADERS)
		end_body(st);
	return 0;
}

static int on_data(
	nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st = find_stream(ng, id);

	(void)flags;
	if (!st || h2_is_over(st)) {
		h2_check(nghttp2_session_consume_connection(ng, n));
		return 0;
	}
	st->in.came += n;
	if (st->in.came > st->in.declared) {
		h2_check(nghttp2_session_consume_connection(ng, n));
		refuse_head(ng, st, NGHTTP2_PROTOCOL_ERROR);
		return 0;
	}
	h2_tell(st, H2_INPUT);
	if (st->in.is_ignored) {
		h2_check(nghttp2_session_consume(ng, id, n));
		return 0;
	}
	buf_add(&st->in.received, (str){(const char *)p, n});
	s->received += n;
	s->debt += n;
	h2_pay_debt(s);
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *arg)
{
	struct h2_session *s = arg;
	struct h2_stream *st = find_stream(ng, id);

	if (!st)
		return 0;
	if (st->is_broken || (error_code != NGHTTP2_NO_ERROR && !st->is_ours))
		count_broken(s);
	if (st->in.has_ended)
		s->closed.ended[s->closed.nended++ % NITEMS(s->closed.ended)] = id;
	st->is_gone = true;
	h2_tell(st, H2_GONE);
	return 0;
}

/* --- the session --- */

static nghttp2_session *new_session(struct h2_session *s)
{
	nghttp2_session_callbacks *calls;
	nghttp2_option *option;
	nghttp2_session *ng;

	h2_check(nghttp2_session_callbacks_new(&calls));
	nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
	h2_output_callbacks(calls);
	h2_check(nghttp2_option_new(&option));
	nghttp2_option_set_no_auto_window_update(option, 1);
	/* What a request may look like is for h2_request to say, and when its end is too early for
	 * end_body. */
	nghttp2_option_set_no_http_messaging(option, 1);
	/* Its own limit comes behind ours. */
	nghttp2_option_set_stream_reset_rate_limit(option, BROKEN_BURST * 2, BROKEN_RATE * 2);
	nghttp2_option_set_max_continuations(
		option, s->conf.max_header_bytes * PATIENCE / FRAME_SIZE + MIN_CONTINUATIONS);
	h2_check(nghttp2_session_server_new2(&ng, calls, s, option));
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(calls);
	return ng;
}

void h2_session_open(struct h2_session *s, const struct h2_conf *conf)
{
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conf->max_streams},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)conf->max_header_bytes},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	*s = (struct h2_session){.magic = H2_SESSION_MAGIC,
		.conf = *conf,
		.closed.last_id = -1,
		.scan.skip = H2_PREFACE.n,
		.max_received = H2_RECEIVED_MAX};
	list_init(&s->streams);
	list_init(&s->ready);
	list_init(&s->doomed);
	s->ng = new_session(s);
	h2_check(nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, NITEMS(settings)));
}

void h2_session_done(struct h2_session *s)
{
	MAGIC_CHECK(s, H2_SESSION_MAGIC);
	nghttp2_session_del(s->ng);
	assert(list_is_empty(&s->streams));
	h2_request_done(&s->request);
	h2_fields_done(&s->fields);
	buf_done(&s->out);
	buf_done(&s->texts);
	MAGIC_END(s, H2_SESSION_MAGIC);
	*s = (struct h2_session){0};
}

void h2_session_feed(struct h2_session *s, str bytes, msec now)
{
	unsigned begun = count_frames(&s->scan, bytes);
	ssize_t n;

	MAGIC_CHECK(s, H2_SESSION_MAGIC);
	if (list_is_empty(&s->ready))
		buf_clear(&s->texts);
	s->now = now;
	s->seen = 0;
	n = nghttp2_session_mem_recv(s->ng, (const uint8_t *)bytes.p, bytes.n);
	for (; s->seen < begun && !s->fault; s->seen++)
		take_noise(s);
	if (n >= 0)
		return;
	h2_check((int)n);
	give_up_session(s, NGHTTP2_ENHANCE_YOUR_CALM, nghttp2_strerror((int)n));
	s->is_dead = true;
}

struct h2_stream *h2_session_next(struct h2_session *s, unsigned *ret_events)
{
	struct h2_stream *st;

	if (list_is_empty(&s->ready))
		return NULL;
	st = container_of(list_pop(&s->ready), struct h2_stream, ready);
	MAGIC_CHECK(st, H2_STREAM_MAGIC);
	*ret_events = st->events;
	st->events = 0;
	return st;
}

void h2_session_rest(struct h2_session *s)
{
	buf_clear(&s->texts);
	h2_request_begin(&s->request);
	h2_give_back(&s->out);
	h2_give_back(&s->texts);
	h2_give_back(&s->request.fields);
	h2_give_back(&s->request.cookie);
}

void h2_session_drain(struct h2_session *s)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(s->ng);

	MAGIC_CHECK(s, H2_SESSION_MAGIC);
	h2_check(nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0));
}

bool h2_session_is_over(const struct h2_session *s)
{
	return !nghttp2_session_want_write(s->ng) &&
	       (s->is_dead || !nghttp2_session_want_read(s->ng));
}

str h2_stream_text(const struct h2_stream *st)
{
	return str_slice(buf_str(&st->session->texts), st->text_at, st->text_at + st->text_n);
}
