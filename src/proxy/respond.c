/* respond.c - a head through the stages, and then a body by the shortest way that they allow. */
/* SPDX-License-Identifier: MIT */
#include "proxy/respond.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include "http/field.h"
#include "proxy/answer.h"
#include "proxy/exchange_int.h"
#include "proxy/wall.h"

/* How much of a text in memory is offered to the client at once: more would be copied if the client
 * does not take it. */
#define SLICE (128u * 1024)
/* The same on the way through stages, while others wait. */
#define STAGED_SLICE (32u * 1024)
/* How much of a file is read and written with the head; more is left to the kernel. */
#define COPIED_FILE (16u * 1024)
/* Steps of one exchange before others get their turn. */
#define STEPS_PER_TURN 16

/* Besides the pieces of payload: the head, the chunk's size and end, the last chunk and
 * trailers. */
#define FRAMING_PIECES 6
static_assert(FLOW_RAW_PIECES + FRAMING_PIECES <= GATHER_PIECES, "a framed payload must fit");

/* --- the head --- */

const struct rewrite *respond_rewrite(const struct exchange *x)
{
	return x->reply.rewrite.prefix.n || x->reply.rewrite.tenant_host.n ? &x->reply.rewrite
									   : NULL;
}

static enum body_kind framing_of(const struct exchange *x, const struct response_head *h)
{
	if (h->body == BODY_LENGTH && x->reply.is_resized)
		return x->wish.minor == 1 ? BODY_CHUNKED : BODY_UNTIL_CLOSE;
	return answer_framing(h, x->wish.minor);
}

static void give_head(struct exchange *x, struct response_head *h)
{
	struct worker *w = x->worker;
	struct answer_in in = {
		.minor = x->wish.minor,
		.framing = x->reply.framing,
		.keep_alive = x->reply.keep_alive,
		.date = wall_date(),
		.rewrite = respond_rewrite(x),
		.added = buf_str(&w->scratch.added),
	};

	x->reply.answer_began = true;
	x->trip.awaits_continue = false;
	x->record.status = h->status;
	if (x->is_logged)
		x->record.response_type = arena_dup(
			&x->arena, header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE));
	answer_head(scratch_lend(&w->scratch.head_out), h, &in);
	buf_clear(&w->scratch.added);
	client_head(x->client, buf_str(&w->scratch.head_out.text), h->body != BODY_NONE);
	trip_forget_view(x);
}

static void set_length(struct exchange *x, struct response_head *h)
{
	struct buf *added = &x->worker->scratch.added;

	if (!x->reply.is_resized && !x->reply.source.segments)
		return; /* as the tenant has it */
	stages_drop(h, HEADER_CONTENT_LENGTH);
	if (x->reply.is_resized || h->status == 204 || h->status == 304)
		return;
	buf_add(added, STR("Content-Length: "));
	buf_add_number(added, h->content_length);
	buf_add(added, STR("\r\n"));
}

static bool is_for_caches(str directive)
{
	static const str names[] = {STR_INIT("public"), STR_INIT("private"), STR_INIT("s-maxage"),
		STR_INIT("proxy-revalidate"), STR_INIT("immutable")};
	ssize_t equals = str_find_char(directive, '=');
	str name = str_trim(str_slice(directive, 0, (size_t)equals));

	for (size_t i = 0; i < NITEMS(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* The URL does not tell whose answer it is, so a cache on the way, or the browser's, must not use
 * it for a page of another tenant.  Caches keep it only for requests with the same deciding
 * field. */
static void vary_by_referer(struct exchange *x, struct response_head *h)
{
	struct buf *added = &x->worker->scratch.added;
	const struct header *f = header_find(h->headers, h->nheaders, HEADER_CACHE_CONTROL);

	buf_add(added, STR("Cache-Control: private"));
	for (; f; f = header_find_next(h->headers, h->nheaders, HEADER_CACHE_CONTROL, f)) {
		str rest = f->value, directive;

		while (!f->is_hop && field_next(&rest, &directive)) {
			if (is_for_caches(directive))
				continue;
			buf_add(added, STR(", "));
			buf_add(added, directive);
		}
	}
	buf_add(added, STR("\r\n"));
	stages_drop(h, HEADER_CACHE_CONTROL);
	stages_drop(h, HEADER_CDN_CACHE_CONTROL);
	if (!header_has_token(h->headers, h->nheaders, HEADER_VARY, STR("Referer")))
		stages_add(x, STR("Vary: "), STR("Referer"));
}

void respond_begin(struct exchange *x, struct response_head *h)
{
	if (!x->trip.peer.is) /* which has done so */
		compressing_begin(x, h);
	if (x->wish.is_by_referer)
		vary_by_referer(x, h);
	set_length(x, h);
	x->reply.framing = framing_of(x, h);
	/* HTTP/2 tells the end of a body by itself. */
	x->reply.keep_alive = exchange_keeps_alive(x) &&
			      (x->reply.framing != BODY_UNTIL_CLOSE || x->wish.minor == 2);
	flow_init(&x->reply.down, h->body, h->content_length,
		x->reply.stages ? BODY_LENGTH : x->reply.framing);
	x->reply.down.chunked.is_mended = true;
	give_head(x, h);
}

/* --- the body --- */

/* From the payload to the gather. */
static void frame(struct exchange *x, bool is_end)
{
	struct gather *p = &x->worker->scratch.payload, *g = &x->worker->scratch.gather;
	bool is_chunked = x->reply.framing == BODY_CHUNKED;

	x->reply.sent += p->bytes;
	if (p->bytes && is_chunked) {
		char *note = gather_note(g);

		gather_add(g, (str){note, chunked_write_size(note, p->bytes)});
	}
	for (int i = 0; i < p->count; i++)
		gather_add(g, (str){p->pieces[i].iov_base, p->pieces[i].iov_len});
	if (p->bytes && is_chunked)
		gather_add(g, CHUNKED_CRLF);
	if (is_end && is_chunked) {
		gather_add(g, CHUNKED_LAST);
		gather_add(g, flow_trailers(&x->reply.down));
		gather_add(g, CHUNKED_CRLF);
	}
	gather_forget(p);
}

int respond_pass(struct exchange *x, enum passing how)
{
	int r = stages_pass(x, how);

	if (r == 0)
		frame(x, x->reply.is_whole);
	return r;
}

void respond_tell_end(struct exchange *x)
{
	if (x->reply.is_end_told)
		return;
	x->reply.is_end_told = true;
	if (x->trip.is_tunnel)
		client_shut(x->client);
	else
		client_end(x->client, flow_trailers(&x->reply.down));
}

void respond_done(struct exchange *x)
{
	struct source *source = &x->reply.source;

	stages_done(x);
	if (source->unref)
		source->unref(source->owner);
	source->unref = NULL;
}

/* --- segments --- */

static bool has_body(const struct exchange *x, unsigned status)
{
	return x->wish.method != METHOD_HEAD && status >= 200 && status != 204 && status != 304;
}

static void advance(struct source *s, uint64_t n)
{
	s->done += n;
	while (s->at < s->count && s->done == segment_length(&s->segments[s->at])) {
		s->at++;
		s->done = 0;
	}
}

/* After a head, a small file is cheaper to read than to send by a call of its own. */
static bool is_copied(const struct source *s)
{
	return segment_length(&s->segments[s->at]) - s->done <= COPIED_FILE;
}

/* 0, or -errno: a file that cannot be read is reported while the client can still be told.  What
 * was read of a file that comes first stays in the scratch buffer, and need not be read again. */
static int look_ahead(struct exchange *x)
{
	struct worker *w = x->worker;
	const struct source *s = &x->reply.source;
	size_t at = 0, most = 1;
	bool is_whole;
	ssize_t n;

	while (at < s->count && (s->segments[at].fd < 0 || !s->segments[at].length))
		at++;
	if (at == s->count)
		return 0;
	is_whole = !at && is_copied(s);
	if (is_whole)
		most = client_piece(x->client, (size_t)s->segments[at].length);
	n = pread(
		s->segments[at].fd, w->scratch.upstream_bytes, most, (off_t)s->segments[at].offset);
	if (n < (ssize_t)most)
		return n < 0 ? -errno : -ENODATA;
	w->files.ahead = is_whole ? most : 0;
	return 0;
}

static str why_unreadable(int error)
{
	return error == -ENODATA ? STR("it has become shorter") : str_of(strerrordesc_np(-error));
}

/* Nothing has been sent yet. */
static enum step refuse_unreadable(struct exchange *x, int error)
{
	buf_clear(&x->worker->scratch.added);
	respond_done(x);
	return exchange_fail(x, ERROR_FILE_UNREADABLE, why_unreadable(error));
}

static enum step cut_unreadable(struct exchange *x, int error)
{
	x->record.detail = why_unreadable(error);
	return exchange_cut(x, ERROR_FILE_UNREADABLE);
}

enum step respond_segments(
	struct exchange *x, struct response_head *h, const struct source *take_source)
{
	struct source *s = &x->reply.source;
	int r;

	*s = *take_source;
	x->reply.pace = (struct pace){0};
	trip_end(x);
	h->content_length = 0;
	for (size_t i = 0; i < s->count; i++)
		h->content_length += segment_length(&s->segments[i]);
	h->body = has_body(x, h->status) ? BODY_LENGTH : BODY_NONE;
	r = h->body == BODY_NONE ? 0 : look_ahead(x);
	if (r < 0)
		return refuse_unreadable(x, r);
	respond_begin(x, h);
	if (h->body == BODY_NONE)
		s->count = 0;
	advance(s, 0);
	return STEP_SEND;
}

/* sendfile does not say which side failed. */
static enum step cut_sent_file(struct exchange *x, const struct segment *from, off_t at)
{
	char byte;
	ssize_t n = pread(from->fd, &byte, 1, at);

	if (n > 0)
		return exchange_cut(x, ERROR_CLIENT_GONE);
	return cut_unreadable(x, n < 0 ? -errno : -ENODATA);
}

/* The kernel sends the file; none of it passes through here. */
static enum step send_file(struct exchange *x, const struct segment *from)
{
	struct client *c = x->client;
	off_t at = (off_t)(from->offset + x->reply.source.done);
	ssize_t n = sendfile(c->fd, from->fd, &at, (size_t)(from->length - x->reply.source.done));

	if (n < 0 && errno == EAGAIN) {
		c->out.is_blocked = true;
		return WAIT;
	}
	if (n <= 0)
		return cut_sent_file(x, from, at);
	x->reply.down.bytes += (uint64_t)n;
	advance(&x->reply.source, (uint64_t)n);
	return GO;
}

/* The next piece, into `to`.  0, or -errno: the file cannot be read. */
static int take_piece(struct exchange *x, struct gather *to)
{
	struct source *s = &x->reply.source;
	const struct segment *from = &s->segments[s->at];
	char *scratch = x->worker->scratch.upstream_bytes;
	uint64_t left = segment_length(from) - s->done;
	size_t most = x->reply.stages ? STAGED_SLICE : from->fd < 0 ? SLICE : UPSTREAM_READ;
	ssize_t n = (ssize_t)MIN(left, (uint64_t)client_piece(x->client, most));

	if (from->fd < 0) {
		gather_add(to, str_slice(from->text, s->done, s->done + (size_t)n));
	} else {
		if (x->worker->files.ahead)
			n = (ssize_t)x->worker->files.ahead;
		else
			n = pread(from->fd, scratch, (size_t)n, (off_t)(from->offset + s->done));
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		x->worker->files.ahead = 0;
		gather_add(to, (str){scratch, (size_t)n});
	}
	x->reply.down.bytes += (uint64_t)n;
	advance(s, (uint64_t)n);
	return 0;
}

/* Pieces of text that are here go in one write, with a small file after them. */
static int take_pieces(struct exchange *x, struct gather *to)
{
	size_t most = client_piece(x->client, x->reply.stages ? STAGED_SLICE : SLICE);
	struct source *s = &x->reply.source;
	int r = 0;

	while (r == 0 && s->at < s->count && to->bytes < most &&
		gather_has_room(to, FRAMING_PIECES + 1)) {
		bool is_text = s->segments[s->at].fd < 0;

		if (!is_text && to->bytes && !is_copied(s))
			break; /* it is the kernel's */
		r = take_piece(x, to);
		if (!is_text)
			break; /* the scratch buffer is for one */
	}
	return r;
}

static bool is_for_kernel(const struct exchange *x)
{
	const struct source *s = &x->reply.source;

	return s->at < s->count && s->segments[s->at].fd >= 0 && x->client->fd >= 0 &&
	       !x->reply.stages;
}

static enum step send_pieces(struct exchange *x)
{
	struct worker *w = x->worker;
	struct source *s = &x->reply.source;
	int r = take_pieces(x, x->reply.stages ? &w->scratch.payload : &w->scratch.gather);

	s->has_ended = s->at == s->count;
	if (r == 0 && x->reply.stages)
		r = respond_pass(x, s->has_ended ? PASS_END : PASS_MORE);
	if (r < 0) {
		gather_forget(&w->scratch.payload);
		gather_forget(&w->scratch.gather);
		return cut_unreadable(x, r);
	}
	w->scratch.gather.is_followed =
		w->scratch.gather.bytes &&
		(is_for_kernel(x) || (s->has_ended && !x->reply.keep_alive));
	return exchange_send(x) < 0 ? exchange_cut(x, ERROR_CLIENT_GONE) : GO;
}

/* GO: something moved.  WAIT: the client must take something first.  Otherwise all has been sent,
 * or cannot be. */
static enum step send_some(struct exchange *x)
{
	struct client *c = x->client;
	struct source *s = &x->reply.source;

	if (x->worker->scratch.gather.bytes) /* the head, which does not stay here */
		return send_pieces(x);
	if (c->out.is_blocked)
		return WAIT;
	if (!outbox_is_empty(&c->out))
		return client_flush(c) < 0 ? exchange_cut(x, ERROR_CLIENT_GONE) : GO;
	if (s->has_ended)
		return STEP_ANSWER;
	/* The first piece leaves with the head. */
	if (!x->worker->scratch.head_out.is_lent && !stages_are_ready(x)) {
		worker_go_on_later(c);
		return WAIT;
	}
	if (!is_for_kernel(x))
		return send_pieces(x);
	return send_file(x, &s->segments[s->at]);
}

/* Nothing, while it is a stage that waits. */
static enum client_owes owed_by_client(const struct exchange *x)
{
	const struct outbox *out = &x->client->out;

	return out->is_blocked || !outbox_is_empty(out) ? CLIENT_TAKES : CLIENT_FREE;
}

enum step respond_step(struct exchange *x)
{
	if (x->happened & EVENT_CLIENT_TIME && pace_check(x))
		return exchange_cut(x, ERROR_WRITE_TIMEOUT);
	if (x->happened == EVENT_CLIENT_TIME)
		return WAIT; /* that nothing moved is no reason for a new deadline */
	for (int i = 0; i < STEPS_PER_TURN; i++) {
		enum step s = send_some(x);

		if (s == GO)
			continue;
		if (s == WAIT)
			pace_await(x, owed_by_client(x));
		return s;
	}
	worker_go_on_later(x->client);
	return WAIT;
}
