/* compressing.c - the compressing stage; a thread compresses only so much in a turn. */
/* SPDX-License-Identifier: MIT */
#include "proxy/compressing.h"

#include "base/alloc.h"
#include "content/cache.h"
#include "content/compressible.h"
#include "http/field.h"
#include "proxy/exchange_int.h"
#include "proxy/shared.h"
#include "proxy/stages.h"
#include "proxy/worker.h"

/* Below this, compressing would not save a packet. */
#define LENGTH_MIN 1024u
/* For longer bodies the last few percent are not worth making others wait. */
#define LENGTH_OF_HIGH_EFFORT (1u << 20)

/* A thread compresses this many bytes of bodies in one turn (one piece may exceed it): two or three
 * milliseconds, during which others wait. */
#define BYTES_PER_TURN (128u * 1024)

struct compressor {
	struct encoders *encoders;
	struct effort_meter effort;
	struct buf out; /* of the last pass */
	uint64_t turn;	/* the turn, by its moment, in which */
	size_t spent;	/* this many bytes have been compressed */
};

struct encoding {
	struct stage stage;
	struct encoder *encoder;
	enum coding coding;
	bool is_kept;	 /* the body comes from the cache, which stores the result */
	struct buf copy; /* the result so far */
};
static_assert(NCODINGS == CACHE_CODINGS, "the cache has a place for each coding");

/* --- the request --- */

/* All lines with that name, as one list. */
static str join_lines(struct arena *a, const struct header *headers, size_t n, enum header_id id)
{
	const struct header *h = header_find(headers, n, id);
	str all = h ? arena_dup(a, h->value) : STR_EMPTY;

	while (h && (h = header_find_next(headers, n, id, h)))
		all = str_of(
			arena_printf(a, STR_FMT ", " STR_FMT, STR_ARG(all), STR_ARG(h->value)));
	return all;
}

static bool has_credentials(const struct request_head *head)
{
	for (const struct header *h = head->headers; h < head->headers + head->nheaders; h++)
		if (h->value.n && (h->id == HEADER_COOKIE || h->id == HEADER_AUTHORIZATION ||
					  (h->id == HEADER_OTHER &&
						  str_eq_nocase(h->name, STR("X-Csrf-Token")))))
			return true;
	return false;
}

void compressing_ask(struct exchange *x, const struct request_head *head)
{
	const struct server_conf *server = exchange_settings(x);
	struct compressing *c = &x->wish.compressing;

	if (!server->gzip_compression_enabled || x->client->is_background ||
		!arrival_has(x->wish.arrival, HEADER_ACCEPT_ENCODING))
		return;
	c->accepted = join_lines(&x->arena, head->headers, head->nheaders, HEADER_ACCEPT_ENCODING);
	if (!c->accepted.n)
		return;
	if (server->gzip_compression_disable_on_auth)
		c->has_credentials = has_credentials(head);
	if (arrival_has(x->wish.arrival, HEADER_IF_NONE_MATCH))
		c->known_tags =
			join_lines(&x->arena, head->headers, head->nheaders, HEADER_IF_NONE_MATCH);
}

/* --- the decision --- */

/* Digests of the bytes as sent by the tenant would not match ours. */
static bool is_digest(str name)
{
	static const str names[] = {STR_INIT("Content-Digest"), STR_INIT("Repr-Digest"),
		STR_INIT("Digest"), STR_INIT("Content-MD5")};

	for (size_t i = 0; i < NITEMS(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

static bool forbids(const struct header *h, unsigned status)
{
	switch (h->id) {
	case HEADER_CONTENT_ENCODING:
		return h->value.n;
	case HEADER_CONTENT_RANGE:
		return status != 206;
	case HEADER_CONTENT_TYPE:
		return !type_is_compressible(h->value);
	case HEADER_CACHE_CONTROL:
		return str_list_has(h->value, STR("no-transform"));
	case HEADER_OTHER:
		return is_digest(h->name);
	default: /* too many to name */
		return false;
	}
}

/* The length of the body that GET gets, or would get. */
static uint64_t length_of(const struct exchange *x, const struct response_head *h)
{
	return h->has_content_length || h->body == BODY_LENGTH || x->reply.source.segments
		       ? h->content_length
		       : ENCODER_LENGTH_UNKNOWN;
}

static bool is_forbidden(const struct response_head *h)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (!h->headers[i].is_hop && forbids(&h->headers[i], h->status))
			return true;
	return false;
}

/* Whether this answer may be compressed, whatever client asks. */
static bool is_eligible(const struct exchange *x, const struct response_head *h)
{
	if (!exchange_settings(x)->gzip_compression_enabled || length_of(x, h) < LENGTH_MIN)
		return false;
	if (h->status < 200 || h->status == 204 || h->status == 206 || h->status == 304 ||
		(h->body == BODY_NONE && x->wish.method != METHOD_HEAD))
		return false;
	return !is_forbidden(h);
}

/* A list element with an argument is not private as a whole: private="Set-Cookie" is only about
 * that field. */
static bool has_directive(str list, str name)
{
	str element;

	while (field_next(&list, &element)) {
		ssize_t equals = str_find_char(element, '=');

		if (equals >= 0)
			element = str_trim(str_slice(element, 0, (size_t)equals));
		if (str_eq_nocase(element, name))
			return true;
	}
	return false;
}

/* The answer was made for one person. */
static bool is_personal(const struct response_head *h)
{
	for (const struct header *f = h->headers; f < h->headers + h->nheaders; f++) {
		if (f->is_hop)
			continue;
		if (f->id == HEADER_SET_COOKIE)
			return true;
		if (f->id == HEADER_CACHE_CONTROL &&
			(has_directive(f->value, STR("private")) ||
				has_directive(f->value, STR("no-store"))))
			return true;
		if (f->id == HEADER_VARY && str_list_has(f->value, STR("Cookie")))
			return true;
	}
	return false;
}

static bool is_guarded(const struct exchange *x, const struct response_head *h)
{
	return exchange_settings(x)->gzip_compression_disable_on_auth &&
	       (x->wish.compressing.has_credentials || is_personal(h));
}

/* --- the head --- */

static void add_vary(struct exchange *x, struct response_head *h)
{
	str all = join_lines(&x->arena, h->headers, h->nheaders, HEADER_VARY);

	if (str_list_has(all, STR("Accept-Encoding")) || str_list_has(all, STR("*")))
		return;
	stages_drop(h, HEADER_VARY);
	stages_add(x, STR("Vary: "),
		all.n ? str_of(arena_printf(&x->arena, STR_FMT ", Accept-Encoding", STR_ARG(all)))
		      : STR("Accept-Encoding"));
}

/* The bytes are no longer those that a strong tag promises. */
static void weaken_tag(struct exchange *x, struct response_head *h)
{
	str tag = header_value(h->headers, h->nheaders, HEADER_ETAG);

	if (!str_starts(tag, STR("\"")))
		return;
	stages_drop(h, HEADER_ETAG);
	stages_add(x, STR("ETag: W/"), tag);
}

static void edit_head(struct exchange *x, struct response_head *h, enum coding coding)
{
	weaken_tag(x, h);
	stages_drop(h, HEADER_CONTENT_ENCODING);
	stages_drop(h, HEADER_ACCEPT_RANGES);
	stages_add(x, STR("Content-Encoding: "), coding_name(coding));
}

/* The client validates with the weakened tag it was given; the tenant knows only its own.  The two
 * must keep matching. */
static void keep_weak_tag(struct exchange *x, struct response_head *h)
{
	str tag = header_value(h->headers, h->nheaders, HEADER_ETAG);
	str known = x->wish.compressing.known_tags, element;

	while (tag.n && field_next(&known, &element))
		if (str_starts(element, STR("W/")) &&
			str_eq(str_slice(element, 2, element.n), tag)) {
			weaken_tag(x, h);
			return;
		}
}

/* 206 and 304 repeat the Vary of the 200 (RFC 9110 15.3.7, 15.4.5), but seldom have its type or
 * length to decide by; naming Accept-Encoding needlessly does no harm. */
static void vary_like_whole(struct exchange *x, struct response_head *h)
{
	if (exchange_settings(x)->gzip_compression_enabled && !is_forbidden(h))
		add_vary(x, h);
}

/* --- the body --- */

static void keep_copy(struct exchange *x, const struct encoding *e)
{
	str bytes = buf_str(&e->copy);
	struct cache_coded *coded = xmalloc(sizeof(*coded) + bytes.n);

	coded->n = bytes.n;
	memcpy(coded->bytes, bytes.p, bytes.n);
	cache_add_coded(x->worker->shared->cache, x->reply.source.stored, e->coding, coded);
}

static void spend(struct worker *w, size_t n)
{
	struct compressor *c = w->compressor;

	if (c->turn != loop_usec(w->loop))
		c->spent = 0;
	c->turn = loop_usec(w->loop);
	c->spent += n;
}

/* Those that gave way go first, one after the other, as far as the turn's bytes allow. */
static bool is_ready(const struct stage *s, const struct exchange *x)
{
	const struct worker *w = x->worker;
	const struct compressor *c = w->compressor;

	(void)s;
	if (!(x->happened & EVENT_TURN) && !list_is_empty(&w->eager.clients))
		return false;
	return c->turn != loop_usec(w->loop) || c->spent < BYTES_PER_TURN;
}

static int pass(struct stage *s, struct exchange *x, enum passing how)
{
	struct encoding *e = container_of(s, struct encoding, stage);
	struct gather *payload = &x->worker->scratch.payload;
	struct buf *out = &x->worker->compressor->out;
	static const enum encode hows[] = {
		[PASS_MORE] = ENCODE_MORE,
		[PASS_FLUSH] = ENCODE_FLUSH,
		[PASS_END] = ENCODE_END,
	};

	spend(x->worker, payload->bytes);
	buf_clear(out);
	for (int i = 0; i < payload->count; i++)
		encoder_feed(e->encoder,
			(str){payload->pieces[i].iov_base, payload->pieces[i].iov_len},
			i + 1 < payload->count ? ENCODE_MORE : hows[how], out);
	if (!payload->count && how != PASS_MORE)
		encoder_feed(e->encoder, STR_EMPTY, hows[how], out);
	gather_forget(payload);
	gather_add(payload, buf_str(out));
	if (e->is_kept)
		buf_add(&e->copy, buf_str(out));
	if (e->is_kept && how == PASS_END)
		keep_copy(x, e);
	return 0;
}

static void over(struct stage *s, struct exchange *x, bool is_whole)
{
	struct encoding *e = container_of(s, struct encoding, stage);

	(void)x, (void)is_whole;
	encoder_free(e->encoder);
	buf_done(&e->copy);
}

static const struct stage_ops ops = {.pass = pass, .is_ready = is_ready, .over = over};

static struct compressor *compressor_of(struct worker *w)
{
	if (!w->compressor) {
		w->compressor = xcalloc(1, sizeof(*w->compressor));
		w->compressor->encoders = encoders_new();
		effort_init(&w->compressor->effort, loop_now(w->loop));
	}
	return w->compressor;
}

static enum effort effort_for(const struct exchange *x, uint64_t length, bool is_kept)
{
	enum effort effort = effort_now(&x->worker->compressor->effort, loop_now(x->worker->loop));

	if (is_kept)
		effort = MAX(effort, EFFORT_MIDDLE); /* once, for many exchanges */
	if (length != ENCODER_LENGTH_UNKNOWN && length > LENGTH_OF_HIGH_EFFORT)
		effort = MIN(effort, EFFORT_MIDDLE);
	return effort;
}

/* NULL when there is no memory for another encoder. */
static struct encoder *make_encoder(
	struct exchange *x, const struct response_head *h, enum coding coding, bool is_kept)
{
	str type = header_value(h->headers, h->nheaders, HEADER_CONTENT_TYPE);
	int64_t jitter = exchange_settings(x)->gzip_compression_jitter;
	struct compressor *c = compressor_of(x->worker);
	struct encoder_options o = {
		.coding = coding,
		.length = length_of(x, h),
		.effort = effort_for(x, length_of(x, h), is_kept),
		.is_lasting = str_starts_nocase(type, STR("text/event-stream")),
		.max_jitter = (unsigned)MIN(MAX(jitter, 0), ENCODER_JITTER_MAX),
	};

	return encoder_new(c->encoders, &o);
}

/* The stored encoding, in that coding, of a body that comes whole from the cache. */
static str stored_in(const struct exchange *x, enum coding coding)
{
	return x->reply.source.stored ? cache_coded(x->reply.source.stored, coding) : STR_EMPTY;
}

static bool put_on_the_way(struct exchange *x, const struct response_head *h, enum coding coding)
{
	bool is_kept = x->reply.source.stored;
	struct encoder *encoder = make_encoder(x, h, coding, is_kept);
	struct encoding *e;

	if (!encoder)
		return false;
	e = arena_alloc(&x->arena, sizeof(*e));
	*e = (struct encoding){
		.stage = {.ops = &ops},
		.encoder = encoder,
		.coding = coding,
		.is_kept = is_kept,
	};
	stages_put(x, &e->stage, true);
	return true;
}

/* The cache has it in that coding: the body is replaced by one whose length is known. */
static bool take_coded(struct exchange *x, struct response_head *h, enum coding coding)
{
	str coded = stored_in(x, coding);
	struct segment *segment;

	if (!coded.n)
		return false;
	segment = arena_alloc(&x->arena, sizeof(*segment));
	*segment = (struct segment){.text = coded, .fd = -1};
	x->reply.source.segments = segment;
	h->content_length = coded.n;
	return true;
}

/* False when it goes out unchanged after all. */
static bool encode(struct exchange *x, struct response_head *h, enum coding coding)
{
	if (take_coded(x, h, coding))
		return true;
	if (h->body != BODY_NONE)
		return put_on_the_way(x, h, coding);
	stages_resized(x); /* HEAD */
	return true;
}

void compressing_begin(struct exchange *x, struct response_head *h)
{
	enum coding coding;

	if (h->status == 304)
		keep_weak_tag(x, h);
	if (h->status == 304 || h->status == 206)
		vary_like_whole(x, h);
	if (!is_eligible(x, h))
		return;
	coding = coding_negotiate(x->wish.compressing.accepted, &x->view->snapshot->codings);
	if (coding != CODING_IDENTITY && !is_guarded(x, h) && encode(x, h, coding))
		edit_head(x, h, coding);
	add_vary(x, h); /* whatever coding this client gets */
}
