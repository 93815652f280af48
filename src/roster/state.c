/* state.c - what all changes up to a version come to: an entry for whatever was touched. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "roster/roster_int.h"

#define MAX_NAME 512u

/* One allocation: the texts follow, each with a NUL. */
struct kept {
	str name, text;
};

static const struct {
	const char *word, *plural;
} kinds[] = {{"user", "users"}, {"tenant", "tenants"}, {"machine", "machines"}};
static_assert(NITEMS(kinds) == ROSTER_NKINDS && ROSTER_MACHINE + 1 == ROSTER_NKINDS,
	"words for each kind");

const char *kind_word(enum roster_kind kind)
{
	return kinds[kind].word;
}

/* Whether it may be part of a path is for the configuration's loader to say: here only what would
 * mean something else in the state, in a terminal or in a log. */
int kind_check_name(enum roster_kind kind, str name, struct why *ret_why)
{
	bool has_slash = str_find_char(name, '/') >= 0, is_plain = name.n && name.n <= MAX_NAME;

	for (size_t i = 0; i < name.n; i++)
		is_plain &= name.p[i] > ' ' && name.p[i] < 0x7f && name.p[i] != '"' &&
			    name.p[i] != '\\';
	if (is_plain && has_slash == (kind == ROSTER_TENANT) && name.p[0] != '/' &&
		name.p[name.n - 1] != '/')
		return 0;
	why_set(ret_why,
		kind == ROSTER_TENANT ? "a tenant is named by its user and its name, as bob/2025"
				      : "the name of a %s is one word without a slash",
		kind_word(kind));
	return -EBADMSG;
}

struct roster *roster_new(void)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	MAGIC_BEGIN(r, ROSTER_MAGIC);
	return r;
}

static struct kept *kept_new(str name, str text)
{
	struct kept *k = xmalloc(sizeof(*k) + name.n + text.n + 2);
	char *at = (char *)(k + 1);

	memcpy(at, name.p, name.n);
	at[name.n] = '\0';
	memcpy(at + name.n + 1, text.p, text.n);
	at[name.n + 1 + text.n] = '\0';
	*k = (struct kept){{at, name.n}, {at + name.n + 1, text.n}};
	return k;
}

struct roster *roster_copy(const struct roster *r)
{
	struct roster *copy = roster_new();

	MAGIC_CHECK(r, ROSTER_MAGIC);
	copy->version = r->version;
	copy->is_confirmed = r->is_confirmed;
	memcpy(copy->head, r->head, sizeof(copy->head));
	for (unsigned i = 0; i < ROSTER_NKINDS; i++)
		map_foreach (e, &r->entries[i]) {
			const struct kept *from = e->value;
			struct kept *k = kept_new(from->name, from->text);

			map_put(&copy->entries[i], k->name, k);
		}
	return copy;
}

static void empty(struct roster *r)
{
	for (unsigned i = 0; i < ROSTER_NKINDS; i++) {
		map_foreach (e, &r->entries[i])
			free(e->value);
		map_done(&r->entries[i]);
	}
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	empty(r);
	MAGIC_END(r, ROSTER_MAGIC);
	free(r);
}

void roster_become(struct roster *r, struct roster *take_other)
{
	MAGIC_CHECK(r, ROSTER_MAGIC);
	empty(r);
	*r = *take_other;
	MAGIC_END(take_other, ROSTER_MAGIC);
	free(take_other);
}

uint64_t roster_version(const struct roster *r)
{
	MAGIC_CHECK(r, ROSTER_MAGIC);
	return r->version;
}

str roster_find(const struct roster *r, enum roster_kind kind, str name)
{
	const struct kept *k = map_get(&r->entries[kind], name);

	return k ? k->text : STR_EMPTY;
}

void roster_set_entry(struct roster *r, enum roster_kind kind, str name, str text)
{
	struct kept *k = text.n ? kept_new(name, text) : NULL;
	struct kept *before = map_remove(&r->entries[kind], name);

	if (k)
		map_put(&r->entries[kind], k->name, k);
	free(before);
}

/* --- as text --- */

static int compare_kept(const void *a, const void *b)
{
	const struct kept *const *left = a, *const *right = b;

	return str_cmp((*left)->name, (*right)->name);
}

/* In the order of the names: the same state is the same text. */
static void write_kind(const struct roster *r, unsigned kind, struct json *j)
{
	const struct map *m = &r->entries[kind];
	const struct kept **sorted = xcalloc(m->count + 1, sizeof(*sorted));
	size_t n = 0;

	map_foreach (e, m)
		sorted[n++] = e->value;
	qsort(sorted, n, sizeof(*sorted), compare_kept);
	json_open_object(j, kinds[kind].plural);
	for (size_t i = 0; i < n; i++) {
		json_name(j, sorted[i]->name);
		json_raw(j, NULL, sorted[i]->text);
	}
	json_close_object(j);
	free(sorted);
}

void roster_write(const struct roster *r, struct buf *out)
{
	struct json j = {.out = out};

	MAGIC_CHECK(r, ROSTER_MAGIC);
	if (!r->version)
		return;
	json_open_object(&j, NULL);
	json_number(&j, "roster", ROSTER_FORMAT);
	json_number(&j, "version", r->version);
	json_str(&j, "head", str_of(r->head));
	for (unsigned i = 0; i < ROSTER_NKINDS; i++)
		write_kind(r, i, &j);
	json_close_object(&j);
}

static int read_kind(
	struct roster *r, enum roster_kind kind, const json_t *map, struct why *ret_why)
{
	struct buf text = {0};
	json_t *value;
	const char *name;
	int err = json_is_object(map) ? 0 : -EBADMSG;

	json_object_foreach((json_t *)(uintptr_t)map, name, value)
	{
		struct roster_entry e = {0};

		err = kind_check_name(kind, str_of(name), ret_why);
		if (err == 0)
			err = entry_read(value, &e, ret_why);
		if (err == 0 && e.version > r->version)
			err = -EBADMSG;
		if (err == 0) {
			buf_clear(&text);
			entry_write(&e, &text);
			roster_set_entry(r, kind, str_of(name), buf_str(&text));
		}
		entry_done(&e);
		if (err < 0)
			break;
	}
	buf_done(&text);
	return err;
}

static bool is_hash(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef", s.p[i]))
			return false;
	return s.n == HASH_TEXT - 1;
}

static int read_state(struct roster *r, const json_t *j, struct why *ret_why)
{
	json_int_t version = json_integer_value(json_object_get(j, "version"));
	const json_t *head = json_object_get(j, "head");
	str hash = {json_string_value(head), json_string_length(head)};
	int err = 0;

	why_set(ret_why, "it is damaged");
	if (json_integer_value(json_object_get(j, "roster")) > (json_int_t)ROSTER_FORMAT)
		why_set(ret_why, "it was written by a later fly-atc");
	if (json_integer_value(json_object_get(j, "roster")) != (json_int_t)ROSTER_FORMAT ||
		version <= 0 || version > (json_int_t)ROSTER_VERSION_MAX || !json_is_string(head) ||
		!is_hash(hash))
		return -EBADMSG;
	r->version = (uint64_t)version;
	memcpy(r->head, hash.p, hash.n);
	for (unsigned i = 0; i < ROSTER_NKINDS && err == 0; i++)
		err = read_kind(
			r, (enum roster_kind)i, json_object_get(j, kinds[i].plural), ret_why);
	return err;
}

int roster_parse(str text, struct roster **ret, struct why *ret_why)
{
	json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	struct roster *r = roster_new();
	int err = read_state(r, j, ret_why);

	json_decref(j);
	if (err == 0)
		*ret = r;
	else
		roster_free(r);
	return err;
}
