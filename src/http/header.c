/* header.c - a perfect hash of the known names, and searches among a message's fields. */
/* SPDX-License-Identifier: MIT */
#include "http/header.h"

#include "http/field.h"
#include "http/http_int.h"

#define NAME_MAX_LENGTH 32
#define NSLOTS		512u /* of the hash table: a power of two, several times the number of names */

enum kind { OTHER, HOP, END, TAIL };

static const struct {
	str name;
	enum kind kind;
} rows[] = {
	[HEADER_OTHER] = {STR_INIT(""), OTHER},
#define X(id, text, kind) [HEADER_##id] = {STR_INIT(text), kind},
#include "http/header.def"
#undef X
};
static_assert(NITEMS(rows) == HEADER_NIDS, "a row for each header");
static_assert(HEADER_NIDS <= UINT8_MAX, "slots are bytes");

/* Names in the form in which they are compared: `bits` are lower case, and `ignored` has 0x20 where
 * that bit is only the case of a letter. */
static struct pattern {
	char bits[NAME_MAX_LENGTH], ignored[NAME_MAX_LENGTH];
} patterns[HEADER_NIDS];
static uint8_t slots[NSLOTS]; /* header ids; 0 is an empty place */

/* Case does not change it: the bits that tell letters' cases apart are set everywhere.  The factors
 * were chosen so that no two names share a place; such names would only be found later. */
static inline unsigned name_hash(str name)
{
	unsigned first = name.p[0] | 0x20, middle = name.p[name.n / 2] | 0x20;
	unsigned last = name.p[name.n - 1] | 0x20, near_last = name.p[name.n - 2] | 0x20;

	return ((unsigned)name.n * 148 + first * 436 + middle * 81 + last * 149 + near_last * 280) %
	       NSLOTS;
}

static bool differs8(const struct pattern *p, const char *text, size_t at)
{
	uint64_t t, bits, ignored;

	memcpy(&t, text + at, 8);
	memcpy(&bits, p->bits + at, 8);
	memcpy(&ignored, p->ignored + at, 8);
	return (t ^ bits) & ~ignored;
}

static bool differs1(const struct pattern *p, const char *text, size_t at)
{
	return (text[at] ^ p->bits[at]) & ~p->ignored[at];
}

/* Both have the same length. */
static inline bool is_match(const struct pattern *p, str name)
{
	if (name.n < 8) {
		for (size_t at = 0; at < name.n; at++)
			if (differs1(p, name.p, at))
				return false;
		return true;
	}
	for (size_t at = 0; at + 8 < name.n; at += 8)
		if (differs8(p, name.p, at))
			return false;
	return !differs8(p, name.p, name.n - 8);
}

__attribute__((constructor)) static void build_slots(void)
{
	for (enum header_id id = HEADER_OTHER + 1; id < HEADER_NIDS; id++) {
		str name = rows[id].name;
		unsigned slot = name_hash(name);

		assert(name.n >= 2 && name.n <= NAME_MAX_LENGTH);
		for (size_t i = 0; i < name.n; i++) {
			char lower = char_lower(name.p[i]);

			patterns[id].bits[i] = lower;
			patterns[id].ignored[i] = lower >= 'a' && lower <= 'z' ? 0x20 : 0;
		}
		while (slots[slot])
			slot = (slot + 1) % NSLOTS;
		slots[slot] = (uint8_t)id;
	}
}

enum header_id header_lookup(str name)
{
	if (name.n < 2 || name.n > NAME_MAX_LENGTH)
		return HEADER_OTHER;
	for (unsigned slot = name_hash(name); slots[slot]; slot = (slot + 1) % NSLOTS) {
		enum header_id id = slots[slot];

		if (rows[id].name.n == name.n && is_match(&patterns[id], name))
			return id;
	}
	return HEADER_OTHER;
}

bool header_is_alias(str name)
{
	char dashed[NAME_MAX_LENGTH];

	if (name.n > sizeof(dashed) || !memchr(name.p, '_', name.n))
		return false;
	for (size_t i = 0; i < name.n; i++)
		dashed[i] = (char)(name.p[i] == '_' ? '-' : name.p[i]);
	return header_lookup((str){dashed, name.n}) != HEADER_OTHER;
}

str header_name(enum header_id id)
{
	return rows[id].name;
}

bool header_is_hop(enum header_id id)
{
	return rows[id].kind == HOP;
}

bool header_may_trail(enum header_id id)
{
	assert(id < HEADER_NIDS);
	return rows[id].kind == TAIL || rows[id].kind == OTHER;
}

static const struct header *find_from(
	const struct header *h, const struct header *end, enum header_id id)
{
	for (; h < end; h++)
		if (h->id == id)
			return h;
	return NULL;
}

const struct header *header_find(const struct header *headers, size_t n, enum header_id id)
{
	return find_from(headers, headers + n, id);
}

const struct header *header_find_next(
	const struct header *headers, size_t n, enum header_id id, const struct header *h)
{
	assert(h >= headers && h < headers + n);
	return find_from(h + 1, headers + n, id);
}

const struct header *header_find_name(const struct header *headers, size_t n, str name)
{
	for (const struct header *h = headers; h < headers + n; h++)
		if (str_eq_nocase(h->name, name))
			return h;
	return NULL;
}

str header_value(const struct header *headers, size_t n, enum header_id id)
{
	const struct header *h = header_find(headers, n, id);

	return h ? h->value : STR_EMPTY;
}

bool header_has_token(const struct header *headers, size_t n, enum header_id id, str token)
{
	const struct header *h = header_find(headers, n, id);

	for (; h; h = header_find_next(headers, n, id, h)) {
		str rest = h->value, element;

		while (field_next(&rest, &element))
			if (str_eq_nocase(element, token))
				return true;
	}
	return false;
}
