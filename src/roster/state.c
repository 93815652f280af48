/* state.c - what all changes up to a version come to: an entry for whatever was touched. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"
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

/* One entry, in the one form that entries have. */
static int read_state_entry(
	struct roster *r, enum roster_kind kind, str name, str value, struct why *ret_why)
{
	struct roster_entry e = {0};
	struct buf text = {0};
	int err = kind_check_name(kind, name, ret_why);

	if (err == 0 && roster_find(r, kind, name).n)
		err = -EBADMSG;
	if (err == 0)
		err = entry_read_text(value, &e, ret_why);
	if (err == 0 && e.version > r->version)
		err = -EBADMSG;
	if (err == 0) {
		entry_write(&e, &text);
		roster_set_entry(r, kind, name, buf_str(&text));
	}
	entry_done(&e);
	buf_done(&text);
	return err;
}

static int read_kind(struct roster *r, enum roster_kind kind, str object, struct why *ret_why)
{
	struct members m;
	str name, value;
	int err = members_begin(object, &m);

	while (err == 0 && (err = members_next(&m, &name, &value)) > 0)
		err = read_state_entry(r, kind, name, value, ret_why);
	return err;
}

static bool is_hash(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef", s.p[i]))
			return false;
	return s.n == HASH_TEXT - 1;
}

/* What stands in front, in this order. */
static int read_front(struct roster *r, struct members *m, struct why *ret_why)
{
	uint64_t format = 0;
	str name, value;

	if (members_next(m, &name, &value) <= 0 || !str_eq(name, STR("roster")) ||
		number_parse(value, UINT64_MAX, &format) < 0 || !format)
		return -EBADMSG;
	if (format > ROSTER_FORMAT) {
		why_set(ret_why, "it was written by a later fly-atc");
		return -EBADMSG;
	}
	if (members_next(m, &name, &value) <= 0 || !str_eq(name, STR("version")) ||
		number_parse(value, ROSTER_VERSION_MAX, &r->version) < 0 || !r->version)
		return -EBADMSG;
	if (members_next(m, &name, &value) <= 0 || !str_eq(name, STR("head")) || value.n < 2 ||
		value.p[0] != '"' || !is_hash(str_slice(value, 1, value.n - 1)))
		return -EBADMSG;
	memcpy(r->head, value.p + 1, HASH_TEXT - 1);
	return 0;
}

static int read_state(struct roster *r, str text, struct why *ret_why)
{
	struct members m;
	str name, value;
	int err;

	why_set(ret_why, "it is damaged");
	err = members_begin(text, &m);
	if (err == 0)
		err = read_front(r, &m, ret_why);
	for (unsigned i = 0; i < ROSTER_NKINDS && err == 0; i++) {
		if (members_next(&m, &name, &value) <= 0 || !str_eq(name, str_of(kinds[i].plural)))
			return -EBADMSG;
		err = read_kind(r, (enum roster_kind)i, value, ret_why);
	}
	return err == 0 && members_next(&m, &name, &value) == 0 ? 0 : -EBADMSG;
}

int roster_parse(str text, struct roster **ret, struct why *ret_why)
{
	struct roster *r = roster_new();
	int err = read_state(r, text, ret_why);

	if (err == 0)
		*ret = r;
	else
		roster_free(r);
	return err;
}
