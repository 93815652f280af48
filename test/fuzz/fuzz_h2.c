/* fuzz_h2.c - a connection of HTTP/2 behind its preface, served by an echo: what becomes a request
 * is a head of HTTP/1.1 and nothing more, bodies are framed as it says, and what is kept is
 * limited. The first byte says into what pieces the rest is cut. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "http/chunked.h"
#include "h2/session.h"
#include "http/head.h"

#define MAX_HEADER_BYTES 2048u
#define MAX_STREAMS	 8u
#define MAX_FRAME	 (16384u + 9)

struct echo {
	struct h2_stream stream;
	struct chunked chunked;
	bool began, has_answered;
};

static struct echo *echo_of(struct h2_stream *st)
{
	return container_of(st, struct echo, stream);
}

static struct h2_stream *open_stream(struct h2_session *s)
{
	struct echo *e = xcalloc(1, sizeof(*e));

	(void)s;
	return &e->stream;
}

static void close_stream(struct echo *e)
{
	h2_stream_done(&e->stream);
	chunked_done(&e->chunked);
	free(e);
}

static void check_lines(str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r')
			assert(i + 1 < text.n && text.p[i + 1] == '\n');
		else if (text.p[i] == '\n')
			assert(i && text.p[i - 1] == '\r');
		else
			assert(text.p[i] == '\t' ||
				((uint8_t)text.p[i] >= ' ' && text.p[i] != 0x7f));
	}
	assert(str_ends(text, STR("\r\n\r\n")));
	assert(str_find(text, STR("\r\n\r\n")) == (ssize_t)text.n - 4);
}

static void answer(struct echo *e, str head, bool has_body)
{
	e->has_answered = true;
	h2_stream_head(&e->stream, STR("HTTP/1.1 103 \r\nLink: </x>\r\n\r\n"), false);
	h2_stream_head(&e->stream, head, has_body);
}

static void begin(struct echo *e)
{
	struct head_limits limits = {SIZE_MAX, 64, 1024};
	struct header store[64];
	struct request_head head;
	struct h2_stream *st = &e->stream;
	str text = h2_stream_text(st);
	size_t used, scanned = 0;
	unsigned status;
	enum parse r;

	assert(!e->began && (!st->status || st->status == 431 || st->status == 501));
	e->began = true;
	if (st->status) {
		answer(e, STR("HTTP/1.1 431 \r\nContent-Length: 0\r\n\r\n"), false);
		return;
	}
	check_lines(text);
	assert(text.n <= MAX_HEADER_BYTES + 128);
	r = request_head_parse(
		&head, store, NITEMS(store), text, &scanned, &limits, &used, &status);
	assert(r != PARSE_MORE);
	if (r == PARSE_BAD) {
		answer(e, STR("HTTP/1.1 400 Bad\r\n\r\n"), false);
		return;
	}
	assert(used == text.n);
	assert(st->is_chunked == (head.body == BODY_CHUNKED));
	assert(st->is_extended == head.has_upgrade);
	if (st->is_extended)
		answer(e, STR("HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\n"), false);
	else
		answer(e, STR("HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\n"), true);
}

static void check_chunked(struct echo *e, str bytes)
{
	while (bytes.n) {
		size_t used;
		str data;
		enum parse r = chunked_read(&e->chunked, bytes, &used, &data);

		/* Only trailers are the client's words. */
		assert(r != PARSE_BAD || buf_len(&e->stream.in.trailers));
		if (r == PARSE_BAD)
			return;
		bytes = str_slice(bytes, used, bytes.n);
		assert(r == PARSE_MORE || !bytes.n);
	}
}

static void echo(struct echo *e)
{
	struct h2_stream *st = &e->stream;
	struct buf in = {0};
	ssize_t n = 1;

	assert(buf_len(&st->in.received) <= H2_WINDOW);
	while (n > 0 && h2_stream_waiting(st) < MAX_FRAME) {
		buf_clear(&in);
		n = h2_stream_read(st, &in, 1000);
		if (st->is_chunked)
			check_chunked(e, buf_str(&in));
		h2_stream_write(st, buf_str(&in));
	}
	if (n == 0 && !st->out.is_ended)
		h2_stream_end(st, STR("X-Sum: 1\r\n"));
	buf_done(&in);
}

static void serve(struct h2_session *s)
{
	struct h2_stream *st;
	unsigned events;

	while ((st = h2_session_next(s, &events))) {
		struct echo *e = echo_of(st);

		if (events & H2_GONE) {
			close_stream(e);
			continue;
		}
		if (events & H2_REQUEST)
			begin(e);
		echo(e);
	}
}

static void flush(struct h2_session *s)
{
	for (int i = 0; i < 100; i++) {
		h2_session_pump(s);
		assert(buf_len(&s->out) < H2_OUT_MAX + 2 * MAX_FRAME);
		serve(s);
		if (!buf_len(&s->out))
			return;
		buf_consume(&s->out, buf_len(&s->out));
	}
}

static size_t count(const struct h2_session *s)
{
	size_t n = 0;

	list_foreach (st, &s->streams, struct h2_stream, link)
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h2_conf conf = {MAX_STREAMS, MAX_HEADER_BYTES, open_stream};
	struct h2_session s;
	str bytes = fuzz_str(data, size);
	size_t piece = size && *data ? *data : SIZE_MAX;

	h2_session_open(&s, &conf);
	h2_session_feed(&s, H2_PREFACE, 1);
	serve(&s);
	for (size_t at = 1; at < bytes.n && !h2_session_is_over(&s); at += MIN(piece, bytes.n)) {
		h2_session_feed(&s, str_slice(bytes, at, at + MIN(piece, bytes.n)), 1 + at);
		serve(&s);
		flush(&s);
		assert(count(&s) <= MAX_STREAMS);
	}
	h2_session_drain(&s);
	flush(&s);
	list_foreach_safe (st, &s.streams, struct h2_stream, link)
		close_stream(echo_of(st));
	h2_session_done(&s);
	return 0;
}
