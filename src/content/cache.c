/* cache.c - the table, the shares of tenants, and what is evicted. */
/* SPDX-License-Identifier: MIT */
#include "content/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/magic.h"
#include "http/vary.h"

#define STRIPES	      64u
#define PLACES_MIN    1024u /* of the table: a power of two, and more than STRIPES */
#define GHOSTS	      8192u
#define USES_MAX      3u
#define SIZE_CLASSES  64
#define SMALL_PERCENT 10u
/* malloc's own, for an entry and its body. */
#define OVERHEAD 32u

struct stripe {
	_Alignas(64) pthread_mutex_t lock;
};

enum { CACHE_SHARE_MAGIC = MAGIC('s', 'h', 'a', 'r') };

struct cache_share {
	uint32_t magic;
	struct list link; /* on the list of its size class; on no list: it has nothing */
	struct list small, main;
	size_t bytes, small_bytes, entries;
	unsigned size_class;
	uint32_t number;	     /* in keys */
	_Atomic(struct slot *) slot; /* changed under the lock; NULL: another tenant has it */
	char *tenant;
};

enum { CACHE_MAGIC = MAGIC('c', 'a', 'c', 'h') };

struct cache {
	uint32_t magic;
	/* The table: `places` chains, each guarded by one of the stripes. */
	struct stripe stripes[STRIPES];
	struct cache_entry **table;
	size_t places;

	/* The rest changes under this lock, which is taken before a stripe. */
	pthread_mutex_t lock;
	size_t capacity, bytes, count;
	_Atomic size_t max_item;
	_Atomic size_t arriving, max_arriving; /* bytes of bodies that are arriving */
	struct list classes[SIZE_CLASSES];     /* shares, by the power of two below their bytes */
	uint64_t filled;		       /* bit: the class is not empty */
	struct cache_share **shares;	       /* by slot */
	struct cache_share **all_shares;
	uint32_t nslots, nshares;
	uint64_t numbers; /* of selectors */
	/* Hashes of what recently left a small queue: what comes back goes to the main one. */
	uint64_t ghosts[GHOSTS];
};

/* --- the table --- */

static struct stripe *stripe_of(struct cache *c, uint64_t hash)
{
	return &c->stripes[hash % STRIPES];
}

static struct cache_entry **chain_of(struct cache *c, uint64_t hash)
{
	return &c->table[hash & (c->places - 1)];
}

static bool is_key(const struct cache_entry *e, const struct cache_key *key)
{
	return e->hash == key->hash && str_eq(e->key, key->text);
}

static struct cache_entry *walk_chain(struct cache *c, const struct cache_key *key)
{
	struct cache_entry *e = *chain_of(c, key->hash);

	while (e && !is_key(e, key))
		e = e->store.next;
	return e;
}

/* With a reference for the caller. */
static struct cache_entry *look_up(struct cache *c, const struct cache_key *key)
{
	struct stripe *s = stripe_of(c, key->hash);
	struct cache_entry *e;

	pthread_mutex_lock(&s->lock);
	e = walk_chain(c, key);
	if (e)
		cache_entry_ref(e);
	pthread_mutex_unlock(&s->lock);
	if (e && atomic_load_explicit(&e->store.uses, memory_order_relaxed) < USES_MAX)
		atomic_fetch_add_explicit(&e->store.uses, 1, memory_order_relaxed);
	return e;
}

static void table_add(struct cache *c, struct cache_entry *e)
{
	struct stripe *s = stripe_of(c, e->hash);
	struct cache_entry **chain;

	pthread_mutex_lock(&s->lock);
	chain = chain_of(c, e->hash);
	e->store.next = *chain;
	*chain = e;
	pthread_mutex_unlock(&s->lock);
}

static void table_remove(struct cache *c, struct cache_entry *e)
{
	struct stripe *s = stripe_of(c, e->hash);
	struct cache_entry **at;

	pthread_mutex_lock(&s->lock);
	at = chain_of(c, e->hash);
	while (*at != e) {
		MAGIC_CHECK(*at, CACHE_ENTRY_MAGIC); /* it is in there */
		at = &(*at)->store.next;
	}
	*at = e->store.next;
	pthread_mutex_unlock(&s->lock);
}

static void move_all(struct cache *c, struct cache_entry **table, size_t places)
{
	for (size_t i = 0; i < c->places; i++) {
		while (c->table[i]) {
			struct cache_entry *e = c->table[i];

			c->table[i] = e->store.next;
			e->store.next = table[e->hash & (places - 1)];
			table[e->hash & (places - 1)] = e;
		}
	}
}

/* Twice as many places when the chains have become long. */
static void table_grow(struct cache *c)
{
	size_t places = c->places * 2;
	struct cache_entry **table;

	if (c->count < places)
		return;
	table = xcalloc(places, sizeof(struct cache_entry *));
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_lock(&c->stripes[i].lock);
	move_all(c, table, places);
	free(c->table);
	c->table = table;
	c->places = places;
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_unlock(&c->stripes[i].lock);
}

/* --- shares --- */

static void classify(struct cache *c, struct cache_share *s)
{
	unsigned size_class = s->bytes ? 63 - (unsigned)__builtin_clzll(s->bytes) : 0;

	if (s->bytes && size_class == s->size_class && !list_is_empty(&s->link))
		return;
	list_remove(&s->link);
	if (list_is_empty(&c->classes[s->size_class]))
		c->filled &= ~(1ull << s->size_class);
	if (!s->bytes)
		return;
	s->size_class = size_class;
	list_append(&c->classes[size_class], &s->link);
	c->filled |= 1ull << size_class;
}

static struct slot *slot_of(struct cache_share *s)
{
	return atomic_load_explicit(&s->slot, memory_order_relaxed);
}

static void tell_share(struct cache_share *s)
{
	struct slot *slot = slot_of(s);

	if (slot)
		atomic_store_explicit(&slot->cache_bytes, s->bytes, memory_order_relaxed);
}

static void add_bytes(struct cache *c, struct cache_entry *e, size_t n)
{
	e->store.size += n;
	c->bytes += n;
	e->store.share->bytes += n;
	if (!e->store.is_main)
		e->store.share->small_bytes += n;
	classify(c, e->store.share);
	tell_share(e->store.share);
}

static struct cache_share *share_new(struct cache *c, struct slot *slot, str tenant)
{
	struct cache_share *s = xcalloc(1, sizeof(*s));

	assert(slot && tenant.n);
	MAGIC_BEGIN(s, CACHE_SHARE_MAGIC);
	list_init(&s->link);
	list_init(&s->small);
	list_init(&s->main);
	atomic_init(&s->slot, slot);
	s->tenant = str_dup(tenant);
	s->number = c->nshares++;
	c->all_shares = xrealloc(c->all_shares, c->nshares * sizeof(struct cache_share *));
	return c->all_shares[s->number] = s;
}

void cache_count(struct cache_share *s, bool is_hit)
{
	struct slot *slot = slot_of(s); /* without the lock: looked at once */
	_Atomic uint64_t *at;

	MAGIC_CHECK(s, CACHE_SHARE_MAGIC);
	if (!slot)
		return;
	at = is_hit ? &slot->cache_hits : &slot->cache_misses;
	atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
}

/* --- what stays and what goes (S3-FIFO, Yang et al., SOSP 2023) --- */

static bool is_ghost(const struct cache *c, uint64_t hash)
{
	return c->ghosts[hash % GHOSTS] == hash;
}

/* The total, rather than the change: the slot may have been cleared meanwhile. */
static void count_entry(struct cache_share *s, bool has_come)
{
	struct slot *slot = slot_of(s);

	s->entries = has_come ? s->entries + 1 : s->entries - 1;
	if (slot)
		atomic_store_explicit(&slot->cache_entries, s->entries, memory_order_relaxed);
}

/* It must be stored. */
static void drop(struct cache *c, struct cache_entry *e)
{
	struct cache_share *s = e->store.share;

	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	MAGIC_CHECK(s, CACHE_SHARE_MAGIC);
	assert(e->store.is_stored && !list_is_empty(&e->store.queue));
	assert(c->count && s->entries);
	assert(e->store.size <= s->bytes && s->bytes <= c->bytes);
	assert(e->store.is_main || e->store.size <= s->small_bytes);
	table_remove(c, e);
	list_remove(&e->store.queue);
	e->store.is_stored = false;
	c->count--;
	c->bytes -= e->store.size;
	s->bytes -= e->store.size;
	if (!e->store.is_main)
		s->small_bytes -= e->store.size;
	classify(c, s);
	count_entry(s, false);
	tell_share(s);
	cache_entry_unref(e);
}

static void to_main(struct cache_share *s, struct cache_entry *e)
{
	assert(!e->store.is_main && e->store.size <= s->small_bytes);
	list_remove(&e->store.queue);
	s->small_bytes -= e->store.size;
	e->store.is_main = true;
	list_push(&s->main, &e->store.queue);
	atomic_store_explicit(&e->store.uses, 0, memory_order_relaxed);
}

static void evict_small(struct cache *c, struct cache_share *s)
{
	struct cache_entry *e = list_last(&s->small, struct cache_entry, store.queue);

	if (atomic_load_explicit(&e->store.uses, memory_order_relaxed) > 1) {
		to_main(s, e);
		return;
	}
	c->ghosts[e->hash % GHOSTS] = e->hash;
	drop(c, e);
}

static void evict_main(struct cache *c, struct cache_share *s)
{
	struct cache_entry *e = list_last(&s->main, struct cache_entry, store.queue);

	if (!atomic_load_explicit(&e->store.uses, memory_order_relaxed)) {
		drop(c, e);
		return;
	}
	atomic_fetch_sub_explicit(&e->store.uses, 1, memory_order_relaxed);
	list_remove(&e->store.queue);
	list_push(&s->main, &e->store.queue);
}

/* One step; an entry comes round at most USES_MAX times before it goes. */
static void evict(struct cache *c)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(c->filled);
	struct cache_share *s = list_first(&c->classes[top], struct cache_share, link);

	assert(c->filled && !list_is_empty(&c->classes[top]));
	MAGIC_CHECK(s, CACHE_SHARE_MAGIC);
	assert(s->size_class == top);
	assert(!list_is_empty(&s->main) || !list_is_empty(&s->small));
	/* In turn among those that have the same amount. */
	list_remove(&s->link);
	list_append(&c->classes[top], &s->link);
	if (list_is_empty(&s->main) ||
		(!list_is_empty(&s->small) && s->small_bytes > s->bytes / 100 * SMALL_PERCENT))
		evict_small(c, s);
	else
		evict_main(c, s);
}

static void make_room_for(struct cache *c, size_t n)
{
	while (c->bytes && c->bytes + n > c->capacity)
		evict(c);
}

static bool fits(const struct cache *c, size_t size)
{
	return size <= atomic_load_explicit(&c->max_item, memory_order_relaxed) &&
	       size <= c->capacity;
}

/* --- storing --- */

/* Under the lock.  Takes a reference. */
static bool insert(struct cache *c, const struct cache_key *key, struct cache_entry *e)
{
	struct cache_entry *old = walk_chain(c, key);
	size_t size = e->store.size + OVERHEAD;

	if (!fits(c, size))
		return false;
	/* Only holders of this lock change chains, so this walk needs no stripe. */
	if (old)
		drop(c, old);
	make_room_for(c, size);
	MAGIC_CHECK(key->share, CACHE_SHARE_MAGIC);
	assert(!e->store.is_stored && list_is_empty(&e->store.queue));
	e->hash = key->hash;
	e->store.share = key->share;
	e->store.is_stored = true;
	e->store.is_main = is_ghost(c, key->hash);
	list_push(
		e->store.is_main ? &e->store.share->main : &e->store.share->small, &e->store.queue);
	e->store.size = 0;
	c->count++;
	add_bytes(c, e, size);
	count_entry(e->store.share, true);
	table_add(c, cache_entry_ref(e));
	table_grow(c);
	return true;
}

bool cache_store(struct cache *c, const struct cache_key *key, struct cache_entry *e)
{
	bool done;

	MAGIC_CHECK(c, CACHE_MAGIC);
	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	pthread_mutex_lock(&c->lock);
	done = insert(c, key, e);
	pthread_mutex_unlock(&c->lock);
	return done;
}

bool cache_reserve(struct cache *c, size_t n)
{
	size_t max = atomic_load_explicit(&c->max_arriving, memory_order_relaxed);

	MAGIC_CHECK(c, CACHE_MAGIC);
	if (atomic_fetch_add_explicit(&c->arriving, n, memory_order_relaxed) + n <= max)
		return true;
	cache_release(c, n);
	return false;
}

void cache_release(struct cache *c, size_t n)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	size_t before = atomic_fetch_sub_explicit(&c->arriving, n, memory_order_relaxed);

	assert(before >= n); /* no more than was reserved */
}

void cache_replace(struct cache *c, const struct cache_entry *old, struct cache_entry *e)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	MAGIC_CHECK(old, CACHE_ENTRY_MAGIC);
	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	pthread_mutex_lock(&c->lock);
	if (old->store.is_stored) {
		struct cache_key key = {old->store.share, old->hash, e->key};

		insert(c, &key, e);
	}
	pthread_mutex_unlock(&c->lock);
}

/* Under the lock: it stays ours although others may look it up. */
static struct cache_entry *find_stored(struct cache *c, const struct cache_entry *e)
{
	struct cache_key key = {e->store.share, e->hash, e->key};

	return e->store.is_stored ? walk_chain(c, &key) : NULL;
}

void cache_drop(struct cache *c, const struct cache_entry *e)
{
	struct cache_entry *stored;

	MAGIC_CHECK(c, CACHE_MAGIC);
	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	pthread_mutex_lock(&c->lock);
	stored = find_stored(c, e);
	if (stored)
		drop(c, stored);
	pthread_mutex_unlock(&c->lock);
}

static const struct cache_coded *coded_of(const struct cache_entry *e, unsigned coding)
{
	return atomic_load_explicit(&e->body->coded[coding], memory_order_acquire);
}

void cache_add_coded(struct cache *c, const struct cache_entry *e, unsigned coding,
	struct cache_coded *take_coded)
{
	struct cache_entry *stored;
	size_t size = sizeof(*take_coded) + take_coded->n;

	MAGIC_CHECK(c, CACHE_MAGIC);
	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	pthread_mutex_lock(&c->lock);
	stored = find_stored(c, e);
	if (stored && stored->body == e->body && !coded_of(e, coding) &&
		fits(c, stored->store.size + size)) {
		atomic_store_explicit(
			&stored->body->coded[coding], take_coded, memory_order_release);
		take_coded = NULL;
		add_bytes(c, stored, size);
		make_room_for(c, 0);
	}
	pthread_mutex_unlock(&c->lock);
	free(take_coded);
}

str cache_coded(const struct cache_entry *e, unsigned coding)
{
	const struct cache_coded *coded = coded_of(e, coding);

	MAGIC_CHECK(e, CACHE_ENTRY_MAGIC);
	return coded ? (str){coded->bytes, coded->n} : STR_EMPTY;
}

/* --- keys, and what varies --- */

static void add_part(struct buf *out, str part)
{
	uint32_t n = (uint32_t)part.n;

	buf_add(out, (str){(const char *)&n, sizeof(n)});
	buf_add(out, part);
}

static struct cache_key key_of(struct cache_share *share, str text)
{
	return (struct cache_key){share, hash_bytes(text), text};
}

void cache_key_make(struct buf *out, struct cache_share *share, const struct cache_target *t,
	struct cache_key *ret_key)
{
	size_t start = buf_len(out);

	MAGIC_CHECK(share, CACHE_SHARE_MAGIC);
	buf_add(out, (str){(const char *)&share->number, sizeof(share->number)});
	add_part(out, t->path); /* first: purging by path looks for it */
	add_part(out, t->query);
	add_part(out, t->host);
	add_part(out, t->more);
	buf_add_char(out, t->has_query ? '?' : ' ');
	*ret_key = key_of(share, str_slice(buf_str(out), start, buf_len(out)));
}

/* Takes the next part off a key's text. */
static str take_part(str *rest)
{
	uint32_t n;
	str part;

	assert(rest->n >= sizeof(n));
	memcpy(&n, rest->p, sizeof(n));
	assert(n <= rest->n - sizeof(n)); /* add_part wrote it */
	part = str_slice(*rest, sizeof(n), sizeof(n) + n);
	*rest = str_slice(*rest, sizeof(n) + n, rest->n);
	return part;
}

static str behind_number(str key)
{
	return str_slice(key, sizeof(uint32_t), key.n);
}

static str path_of(const struct cache_entry *e)
{
	str rest = behind_number(e->key);

	return take_part(&rest);
}

void cache_key_moved(struct buf *out, const struct cache_key *key, str path, str query,
	bool has_query, struct cache_key *ret_key)
{
	str rest = behind_number(key->text);
	struct cache_target target = {.path = path, .query = query, .has_query = has_query};

	take_part(&rest);
	take_part(&rest);
	target.host = take_part(&rest);
	target.more = take_part(&rest);
	cache_key_make(out, key->share, &target, ret_key);
}

/* Of one of the responses that a selector leads to. */
static void key_of_variant(struct buf *out, const struct cache_key *key, uint64_t number, str names,
	const struct header *headers, size_t n, struct cache_key *ret_key)
{
	size_t start = buf_len(out);

	buf_add(out, key->text);
	buf_add(out, (str){(const char *)&number, sizeof(number)});
	vary_values(out, names, headers, n);
	*ret_key = key_of(key->share, str_slice(buf_str(out), start, buf_len(out)));
}

struct cache_entry *cache_find(struct cache *c, const struct cache_key *key,
	const struct header *headers, size_t n, msec now, struct buf *scratch, bool *ret_varies)
{
	struct cache_entry *e = look_up(c, key);
	struct cache_key of_variant;

	MAGIC_CHECK(c, CACHE_MAGIC);
	*ret_varies = e && e->kind == CACHE_SELECTOR;
	if (*ret_varies) {
		struct cache_entry *selector = e;

		buf_clear(scratch);
		key_of_variant(scratch, key, e->number, e->names, headers, n, &of_variant);
		e = look_up(c, &of_variant);
		cache_entry_unref(selector);
	}
	if (e && e->kind == CACHE_REFUSAL && e->until <= now) {
		cache_entry_unref(e);
		return NULL;
	}
	return e;
}

/* The number of the selector with these names; makes one if there is none. */
static uint64_t selector_number(struct cache *c, const struct cache_key *key, str names)
{
	struct cache_entry *e;
	uint64_t number;

	pthread_mutex_lock(&c->lock);
	e = walk_chain(c, key);
	if (e && e->kind == CACHE_SELECTOR && str_eq(e->names, names)) {
		number = e->number;
	} else {
		number = ++c->numbers;
		e = cache_selector_new(key->text, names, number);
		insert(c, key, e);
		cache_entry_unref(e);
	}
	pthread_mutex_unlock(&c->lock);
	return number;
}

void cache_select(struct cache *c, const struct cache_key *key, str names,
	const struct header *headers, size_t n, struct buf *out, struct cache_key *ret_key)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	*ret_key = *key;
	if (names.n)
		key_of_variant(
			out, key, selector_number(c, key, names), names, headers, n, ret_key);
}

void cache_forget(struct cache *c, const struct cache_key *key)
{
	struct cache_entry *e;

	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	e = walk_chain(c, key);
	/* Without their selector, responses that vary are never found again: its number does not
	 * come back. */
	if (e)
		drop(c, e);
	pthread_mutex_unlock(&c->lock);
}

static size_t purge_queue(struct cache *c, struct list *queue, str path)
{
	size_t n = 0;

	list_foreach_safe (e, queue, struct cache_entry, store.queue) {
		if (path.n && !str_eq(path_of(e), path))
			continue;
		drop(c, e);
		n++;
	}
	return n;
}

size_t cache_purge(struct cache *c, struct cache_share *s, str path)
{
	size_t n;

	MAGIC_CHECK(c, CACHE_MAGIC);
	MAGIC_CHECK(s, CACHE_SHARE_MAGIC);
	pthread_mutex_lock(&c->lock);
	n = purge_queue(c, &s->small, path) + purge_queue(c, &s->main, path);
	pthread_mutex_unlock(&c->lock);
	return n;
}

void cache_purge_absent(struct cache *c, cache_present_fn *is_present, const void *arg)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->nshares; i++) {
		struct cache_share *s = c->all_shares[i];

		if (!s->bytes || is_present(arg, str_of(s->tenant)))
			continue;
		purge_queue(c, &s->small, STR_EMPTY);
		purge_queue(c, &s->main, STR_EMPTY);
	}
	pthread_mutex_unlock(&c->lock);
}

/* --- the cache as a whole --- */

static void add_slots(struct cache *c, uint32_t slot)
{
	uint32_t n = MAX(slot + 1, c->nslots * 2);

	if (slot < c->nslots)
		return;
	c->shares = xrealloc(c->shares, n * sizeof(struct cache_share *));
	memset(c->shares + c->nslots, 0, (n - c->nslots) * sizeof(struct cache_share *));
	c->nslots = n;
}

struct cache_share *cache_share(struct cache *c, struct slot *slots, uint32_t slot, str tenant)
{
	struct cache_share *s;

	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	add_slots(c, slot);
	s = c->shares[slot];
	if (s && !str_eq(str_of(s->tenant), tenant)) {
		/* The slot is no longer its own. */
		atomic_store_explicit(&s->slot, NULL, memory_order_relaxed);
		purge_queue(c, &s->small, STR_EMPTY);
		purge_queue(c, &s->main, STR_EMPTY);
		s = NULL;
	}
	if (!s)
		s = c->shares[slot] = share_new(c, &slots[slot], tenant);
	pthread_mutex_unlock(&c->lock);
	return s;
}

struct cache_share *cache_share_at(struct cache *c, uint32_t slot)
{
	struct cache_share *s;

	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	s = slot < c->nslots ? c->shares[slot] : NULL;
	pthread_mutex_unlock(&c->lock);
	return s;
}

static void set_cache_limits(struct cache *c, size_t capacity, size_t max_item)
{
	max_item = MIN(max_item, capacity);
	c->capacity = capacity;
	atomic_store_explicit(&c->max_item, max_item, memory_order_relaxed);
	atomic_store_explicit(&c->max_arriving, MAX(max_item, capacity / 4), memory_order_relaxed);
}

struct cache *cache_new(size_t capacity, size_t max_item)
{
	struct cache *c = aligned_alloc(64, sizeof(*c));

	assert(c);
	memset(c, 0, sizeof(*c));
	MAGIC_BEGIN(c, CACHE_MAGIC);
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&c->stripes[i].lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	for (size_t i = 0; i < SIZE_CLASSES; i++)
		list_init(&c->classes[i]);
	c->places = PLACES_MIN;
	c->table = xcalloc(c->places, sizeof(struct cache_entry *));
	set_cache_limits(c, capacity, max_item);
	return c;
}

void cache_resize(struct cache *c, size_t capacity, size_t max_item)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	set_cache_limits(c, capacity, max_item);
	make_room_for(c, 0);
	pthread_mutex_unlock(&c->lock);
}

size_t cache_max_item(const struct cache *c)
{
	MAGIC_CHECK(c, CACHE_MAGIC);
	return atomic_load_explicit(&c->max_item, memory_order_relaxed);
}

size_t cache_bytes(struct cache *c)
{
	size_t bytes;

	MAGIC_CHECK(c, CACHE_MAGIC);
	pthread_mutex_lock(&c->lock);
	bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

void cache_free(struct cache *c)
{
	for (uint32_t i = 0; i < c->nshares; i++) {
		struct cache_share *s = c->all_shares[i];

		cache_purge(c, s, STR_EMPTY);
		free(s->tenant);
		MAGIC_END(s, CACHE_SHARE_MAGIC);
		free(s);
	}
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&c->stripes[i].lock);
	pthread_mutex_destroy(&c->lock);
	free(c->table);
	free(c->shares);
	free(c->all_shares);
	MAGIC_END(c, CACHE_MAGIC);
	free(c);
}
