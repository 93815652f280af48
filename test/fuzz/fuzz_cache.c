/* fuzz_cache.c - many requests and answers about few URLs: what is stored, renewed by 304, found,
 * encoded, refused, forgotten and evicted, step by step as the bytes say, against what must hold of
 * everything that is found.
 *
 * The first byte says how the cache judges; then each step is a byte for what is done, one for the
 * URL and the client, and for answers a list of fields: bytes of a table of lines, 0 ends it. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "content/cache.h"
#include "http/conditional.h"
#include "http/range.h"
#include "http/vary.h"

#define CAPACITY   (64u * 1024)
#define MAX_ITEM   (16u * 1024)
#define MAX_FIELDS 24u
#define MAX_BYTES  2048u
#define MAX_STEPS  400u
#define SHARES	   2u
#define PATHS	   2u
#define CLIENTS	   4u

static const struct head_limits limits = {.max_bytes = MAX_BYTES, .max_headers = MAX_FIELDS};

static const str lines[] = {
	STR_INIT(""), /* the end of a list */
	STR_INIT("Cache-Control: public, max-age=60"),
	STR_INIT("Cache-Control: s-maxage=10, stale-while-revalidate=20, stale-if-error=30"),
	STR_INIT("Cache-Control: private"),
	STR_INIT("Cache-Control: no-store"),
	STR_INIT("Cache-Control: no-cache=\"X-Secret\", public, max-age=5"),
	STR_INIT("Cache-Control: private=\"Set-Cookie\", max-age=60"),
	STR_INIT("Cache-Control: public, max-age=0, must-revalidate"),
	STR_INIT("Fly-Atc-Cache-Control: max-age=60"),
	STR_INIT("CDN-Cache-Control: max-age=60"),
	STR_INIT("Vary: Accept-Language"),
	STR_INIT("Vary: Cookie"),
	STR_INIT("Vary: cookie, Accept-Language"),
	STR_INIT("Vary: *"),
	STR_INIT("ETag: \"1\""),
	STR_INIT("ETag: W/\"2\""),
	STR_INIT("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"),
	STR_INIT("Expires: Fri, 31 Dec 2038 23:59:59 GMT"),
	STR_INIT("Age: 7"),
	STR_INIT("Set-Cookie: who=me"),
	STR_INIT("Content-Type: text/plain"),
	STR_INIT("Content-Encoding: br"),
	STR_INIT("Content-Length: 10"),
	STR_INIT("X-Secret: s"),
	STR_INIT("X-Cache: hit"),
	STR_INIT("Trailer: X"),
	STR_INIT("Fly-Replay: region=sea"),
	STR_INIT("Date: Sun, 06 Nov 1994 08:49:37 GMT"),
};

/* What each client says, by its number. */
static const str languages[] = {STR_INIT("de"), STR_INIT("en"), STR_INIT("de"), STR_INIT("fr")};
static const str cookies[] = {STR_INIT("a=1"), STR_INIT("a=1"), STR_INIT("a=2"), STR_INIT("")};

enum step { STORE, ASK, RENEW, FORGET, PURGE, REFUSE, RESIZE, WAIT, ENCODE, NSTEPS };

struct run {
	const uint8_t *at, *end;
	struct cache *cache;
	struct cache_share *shares[SHARES];
	struct slot slots[SHARES];
	size_t capacity;
	enum cache_how how;
	msec now;
	unsigned fresh_names; /* of fields that were never there before */
	bool was_told_apart;  /* by a field for us, which is not stored: Cache-Control may say less
			       */
	struct arena arena;   /* of a step */
};

/* Of a step. */
struct asker {
	struct header headers[4];
	size_t n;
	unsigned client;
	struct cache_key key;
};

static uint8_t take(struct run *r)
{
	return r->at < r->end ? *r->at++ : 0;
}

static struct header field_of(str line)
{
	size_t colon = (size_t)str_find_char(line, ':');
	struct header h = {.name = str_slice(line, 0, colon),
		.value = str_trim(str_slice(line, colon + 1, line.n))};

	h.id = header_lookup(h.name);
	return h;
}

static struct header fresh_field(struct run *r, uint8_t size)
{
	str name = str_of(arena_printf(&r->arena, "X-%u", r->fresh_names++));
	char *value = arena_alloc(&r->arena, size);

	memset(value, 'v', size);
	return (struct header){.name = name, .value = {value, size}};
}

/* As many as a head may have. */
static void take_fields(struct run *r, struct response_head *h)
{
	uint8_t byte;

	h->headers = arena_alloc(&r->arena, MAX_FIELDS * sizeof(*h->headers));
	while (h->nheaders < MAX_FIELDS && (byte = take(r)))
		h->headers[h->nheaders++] =
			byte < NITEMS(lines) ? field_of(lines[byte]) : fresh_field(r, byte / 4);
	if (header_find(h->headers, h->nheaders, HEADER_FLY_ATC_CACHE_CONTROL))
		r->was_told_apart = true;
}

static void ask_as(struct run *r, struct buf *text, uint8_t byte, struct asker *ret)
{
	static const str paths[PATHS] = {STR_INIT("/a"), STR_INIT("/b")};
	struct cache_target target = {.host = STR("h"), .path = paths[byte / 2 % PATHS]};

	*ret = (struct asker){.client = byte / 8 % CLIENTS};
	ret->headers[ret->n++] =
		(struct header){.name = STR("Accept-Language"), .value = languages[ret->client]};
	if (cookies[ret->client].n)
		ret->headers[ret->n++] = (struct header){
			.name = STR("Cookie"), .value = cookies[ret->client], .id = HEADER_COOKIE};
	ret->headers[ret->n++] = (struct header){
		.name = STR("Range"), .value = STR("bytes=1-2, 4-5"), .id = HEADER_RANGE};
	ret->headers[ret->n++] = (struct header){
		.name = STR("If-None-Match"), .value = STR("\"1\""), .id = HEADER_IF_NONE_MATCH};
	cache_key_make(text, r->shares[byte % SHARES], &target, &ret->key);
}

/* --- what must hold --- */

static bool agree(str names, unsigned a, unsigned b)
{
	str name;

	while (str_split(&names, ',', &name)) {
		if (str_eq(name, STR("cookie")) && !str_eq(cookies[a], cookies[b]))
			return false;
		if (str_eq(name, STR("accept-language")) && !str_eq(languages[a], languages[b]))
			return false;
	}
	return true;
}

/* Whoever it was stored for might have been this client. */
static void check_vary(const struct cache_entry *e, unsigned client)
{
	struct buf names = {0};
	bool can_vary = vary_names(&names, e->headers, e->nheaders);

	assert(can_vary && agree(buf_str(&names), client, (unsigned)(e->body->bytes.p[0] - '0')));
	buf_done(&names);
}

/* For all, as far as it says itself. */
static void check_privacy(const struct cache_entry *e)
{
	struct cache_control cc;

	cache_control_of_response(e->headers, e->nheaders, &cc);
	assert(!cc.no_store && !cc.is_private);
	for (size_t i = 0; i < e->nheaders; i++) {
		assert(!str_list_has(cc.no_cache_fields, e->headers[i].name));
		assert(!str_list_has(cc.private_fields, e->headers[i].name));
	}
}

static void check_fields(const struct run *r, const struct cache_entry *e)
{
	size_t bytes = 0;

	assert(e->nheaders <= MAX_FIELDS);
	for (size_t i = 0; i < e->nheaders; i++) {
		const struct header *h = &e->headers[i];

		bytes += h->name.n + h->value.n + 4;
		assert(!h->is_hop && h->id != HEADER_AGE && h->id != HEADER_X_CACHE);
		assert(h->id != HEADER_FLY_ATC_CACHE_CONTROL && h->id != HEADER_FLY_REPLAY);
		assert(h->id != HEADER_SET_COOKIE || r->how == CACHE_RFC9111);
	}
	assert(bytes <= MAX_BYTES);
	if (!r->was_told_apart)
		check_privacy(e);
}

static void check_whole(struct run *r)
{
	size_t sum = r->slots[0].cache_bytes + r->slots[1].cache_bytes;

	assert(cache_bytes(r->cache) == sum && sum <= r->capacity);
}

/* What an answer reads of it, in arrays of the size that it has there. */
static void use(struct run *r, struct cache_entry *e, const struct asker *who)
{
	struct header *copy = xmalloc(MAX_FIELDS * sizeof(*copy));
	struct validators v = {.etag = e->etag, .date = e->terms.date};
	struct cache_control request;
	struct range ranges[RANGE_MAX];
	struct cache_moment at = {.now = r->now};
	enum cache_why why;
	size_t n;

	check_fields(r, e);
	check_vary(e, who->client);
	memcpy(copy, e->headers, e->nheaders * sizeof(*copy));
	cache_control_of_request(who->headers, who->n, &request);
	assert(cache_may_use(&e->terms, cache_entry_age(e, &at), &request, &why) <= CACHE_VALIDATE);
	precondition_not_modified(who->headers, who->n, &v, 0);
	if (range_of_request(who->headers, who->n, METHOD_GET, e->body->bytes.n, ranges, &n) ==
		RANGE_PARTS)
		assert(n && ranges[n - 1].offset + ranges[n - 1].length <= e->body->bytes.n);
	free(copy);
}

/* A response, with a reference; or NULL. */
static struct cache_entry *find(struct run *r, const struct asker *who)
{
	struct buf scratch = {0};
	bool varies;
	struct cache_entry *e =
		cache_find(r->cache, &who->key, who->headers, who->n, r->now, &scratch, &varies);

	buf_done(&scratch);
	if (e && e->kind == CACHE_RESPONSE) {
		use(r, e, who);
		return e;
	}
	cache_entry_unref(e);
	return NULL;
}

/* --- steps --- */

static struct cache_offer offer_of(const struct run *r, const struct response_head *h)
{
	return (struct cache_offer){
		.how = r->how, .method = METHOD_GET, .head = h, .now = (int64_t)(r->now / 1000)};
}

static struct cache_body *body_for(unsigned client, size_t size)
{
	char *bytes = xmalloc(size);

	memset(bytes, (int)('0' + client), size);
	return cache_body_new(bytes, size);
}

static void store(struct run *r, const struct asker *who)
{
	struct response_head h = {.status = 200, .minor = 1, .reason = STR("OK")};
	struct cache_offer offer = offer_of(r, &h);
	struct cache_moment at = {.now = r->now};
	struct cache_key key = who->key;
	struct buf names = {0}, text = {0};
	struct cache_terms terms;
	struct cache_entry *e;
	size_t size = 1 + take(r) * 16u;

	take_fields(r, &h);
	if (cache_may_store(&offer, &terms) == WHY_OK &&
		vary_names(&names, h.headers, h.nheaders)) {
		cache_select(
			r->cache, &who->key, buf_str(&names), who->headers, who->n, &text, &key);
		e = cache_response_new(key.text, &h, &terms, &at, body_for(who->client, size));
		cache_store(r->cache, &key, e);
		cache_entry_unref(e);
	}
	buf_done(&names);
	buf_done(&text);
}

static void renew(struct run *r, const struct asker *who)
{
	struct response_head h = {.status = 304, .minor = 1, .reason = STR_EMPTY};
	struct cache_offer offer = offer_of(r, &h);
	struct cache_moment at = {.now = r->now};
	struct cache_entry *old = find(r, who), *e;
	enum cache_why why;

	take_fields(r, &h);
	if (!old)
		return;
	e = cache_response_renewed(old, &h, &offer, &at, &limits, &why);
	if (why == WHY_OK)
		cache_replace(r->cache, old, e);
	else
		cache_drop(r->cache, old);
	assert(e || why == WHY_TOO_LARGE);
	cache_entry_unref(e);
	cache_entry_unref(old);
}

static void encode(struct run *r, const struct asker *who, uint8_t byte)
{
	struct cache_entry *e = find(r, who);
	unsigned coding = 1 + byte % (CACHE_CODINGS - 1);
	struct cache_coded *coded;

	if (!e)
		return;
	coded = xmalloc(sizeof(*coded) + byte);
	coded->n = byte;
	memset(coded->bytes, 'c', byte);
	cache_add_coded(r->cache, e, coding, coded);
	cache_entry_unref(find(r, who));
	assert(!cache_coded(e, coding).n || cache_coded(e, coding).p[0] == 'c');
	cache_entry_unref(e);
}

static void refuse(struct run *r, const struct asker *who)
{
	struct cache_entry *e = cache_refusal_new(who->key.text, r->now + 1000);

	cache_store(r->cache, &who->key, e);
	cache_entry_unref(e);
}

static void expect_nothing(struct run *r, const struct asker *who)
{
	assert(!find(r, who));
}

static void take_step(struct run *r)
{
	struct buf text = {0};
	struct asker who;
	enum step step = take(r) % NSTEPS;

	ask_as(r, &text, take(r), &who);
	switch (step) {
	case STORE:
		store(r, &who);
		break;
	case ASK:
		cache_entry_unref(find(r, &who));
		break;
	case RENEW:
		renew(r, &who);
		break;
	case FORGET:
		cache_forget(r->cache, &who.key);
		expect_nothing(r, &who);
		break;
	case PURGE:
		cache_purge(r->cache, who.key.share, take(r) % 2 ? STR_EMPTY : STR("/a"));
		if (str_find(who.key.text, STR("/a")) >= 0)
			expect_nothing(r, &who);
		break;
	case REFUSE:
		refuse(r, &who);
		break;
	case RESIZE:
		r->capacity = CAPACITY / (1 + take(r) % 8);
		cache_resize(r->cache, r->capacity, MAX_ITEM);
		break;
	case WAIT:
		r->now += take(r) * 1000u;
		break;
	case ENCODE:
		encode(r, &who, take(r));
		break;
	case NSTEPS:
		break;
	}
	check_whole(r);
	buf_done(&text);
	arena_reset(&r->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = {.at = data, .end = data + size, .capacity = CAPACITY, .now = 784111777000};

	r.how = take(&r) % 2 ? CACHE_RFC9111 : CACHE_THRUSTER;
	r.cache = cache_new(CAPACITY, MAX_ITEM);
	r.shares[0] = cache_share(r.cache, r.slots, 0, STR("a"));
	r.shares[1] = cache_share(r.cache, r.slots, 1, STR("b"));
	for (unsigned i = 0; i < MAX_STEPS && r.at < r.end; i++)
		take_step(&r);
	arena_done(&r.arena);
	cache_free(r.cache);
	return 0;
}
