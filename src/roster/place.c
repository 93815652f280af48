/* place.c - where the roster is kept: reading what is new, appending a version, saved states. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "roster/roster_int.h"

/* A state is saved every so many versions: about as many are read by who begins with it. */
#define SAVE_EVERY	 16u
#define SAVE_EVERY_LARGE 64u /* of more entries than: */
#define LARGE		 1000u
#define FAR		 10000u
#define FOLDER		 "_roster"

enum { PLACE_MAGIC = MAGIC('r', 'o', 'p', 'l') };

struct roster_place {
	uint32_t magic;
	struct location location;
	struct store *store;
	const char *prefix; /* of the keys */
	char *name;
};

/* --- where --- */

/* "config/atc.yml" -> "config/atc.roster". */
static char *directory_beside(str file)
{
	size_t end = file.n;

	while (end > 0 && file.p[end - 1] != '.' && file.p[end - 1] != '/')
		end--;
	if (end < 2 || file.p[end - 1] == '/' || file.p[end - 2] == '/')
		end = file.n + 1;
	return xasprintf(STR_FMT ".roster", STR_ARG(str_slice(file, 0, end - 1)));
}

static int choose_place(struct roster_place *p, const struct config *c, char **ret_reason)
{
	if (c->is_single) {
		*ret_reason =
			xstrdup("this configuration serves a single application; with `users: "
				"{}` in its file the users can be in the roster");
		return -EINVAL;
	}
	if (c->backup.url.n) {
		p->prefix = FOLDER "/";
		p->name = xasprintf(STR_FMT "/" FOLDER, STR_ARG(c->backup.url));
		return location_parse(&c->backup, &p->location, ret_reason);
	}
	if (!c->file.n) {
		*ret_reason = xstrdup("without a backup.url the roster is kept beside the "
				      "configuration file, and there is none");
		return -EINVAL;
	}
	p->prefix = "";
	p->location =
		(struct location){.kind = LOCATION_FILE, .directory = directory_beside(c->file)};
	p->name = xstrdup(p->location.directory);
	return 0;
}

struct roster_place *roster_place_new(
	const struct config *c, const struct work *work, char **ret_reason)
{
	struct roster_place *p = xcalloc(1, sizeof(*p));

	MAGIC_BEGIN(p, PLACE_MAGIC);
	if (choose_place(p, c, ret_reason) == 0)
		p->store = store_new(&p->location, work, ret_reason);
	if (p->store)
		return p;
	roster_place_free(p);
	return NULL;
}

void roster_place_free(struct roster_place *p)
{
	if (!p)
		return;
	store_free(p->store);
	location_done(&p->location);
	free(p->name);
	MAGIC_END(p, PLACE_MAGIC);
	free(p);
}

void roster_place_forget_connections(struct roster_place *p)
{
	MAGIC_CHECK(p, PLACE_MAGIC);
	store_forget_connections(p->store);
}

const char *roster_place_name(const struct roster_place *p)
{
	return p->name;
}

const char *roster_place_directory(const struct roster_place *p)
{
	return p->location.kind == LOCATION_FILE ? p->location.directory : NULL;
}

int place_prepare(struct roster_place *p, struct why *ret_why)
{
	MAGIC_CHECK(p, PLACE_MAGIC);
	return store_prepare(p->store, ret_why);
}

static char *change_key(const struct roster_place *p, uint64_t version)
{
	return xasprintf("%schanges/%010llu", p->prefix, (unsigned long long)version);
}

static char *state_key(const struct roster_place *p, uint64_t version)
{
	return xasprintf("%sstates/%010llu", p->prefix, (unsigned long long)version);
}

/* A directory in which no roster was begun yet; a store that is away is told from it by those who
 * know of a version. */
static bool is_empty(const struct roster_place *p)
{
	CLEAN_FREE char *path = NULL;

	if (p->location.kind != LOCATION_FILE)
		return false;
	path = xasprintf("%s/%schanges", p->location.directory, p->prefix);
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* --- versions --- */

int roster_read_record(struct roster_place *p, uint64_t version, msec until,
	struct roster_record *ret, struct why *ret_why)
{
	CLEAN_FREE char *key = change_key(p, version);
	struct buf text = {0};
	struct etag etag;
	struct why why = {""};
	int r = store_get(p->store, key, until, &text, &etag, &why);

	MAGIC_CHECK(p, PLACE_MAGIC);
	if (r == 0)
		r = record_read(buf_str(&text), version, ret, &why);
	if (r == -EBADMSG)
		why_set(ret_why, "version %llu of the roster (%s in %s) cannot be read: %s",
			(unsigned long long)version, key, p->name, why.text);
	else if (r < 0)
		*ret_why = why;
	buf_done(&text);
	return r;
}

int place_append(
	struct roster_place *p, uint64_t version, str text, msec until, struct why *ret_why)
{
	CLEAN_FREE char *key = change_key(p, version);
	struct etag etag;

	return store_put(p->store, key, text, NULL, until, &etag, ret_why);
}

/* 0, or -ESTALE: the store does not have the version that r ends with. */
static int confirm(struct roster_place *p, struct roster *r, msec until, struct why *ret_why)
{
	struct roster_record record;
	int err;

	if (!r->version)
		return 0;
	err = roster_read_record(p, r->version, until, &record, ret_why);
	if (err == -EIO)
		return err;
	if (err == 0) {
		err = strcmp(record.hash, r->head) == 0 ? 0 : -ESTALE;
		roster_record_done(&record);
	}
	r->is_confirmed = err == 0;
	return err == 0 ? 0 : -ESTALE;
}

/* The versions after that of r, as long as there are any.  Their number, -ESTALE: what is there
 * does not follow what r is. */
static int follow(struct roster_place *p, struct roster *r, msec until, struct why *ret_why)
{
	int count = 0, err = r->is_confirmed ? 0 : confirm(p, r, until, ret_why);

	while (err == 0 && r->version < ROSTER_VERSION_MAX) {
		struct roster_record record;

		err = roster_read_record(p, r->version + 1, until, &record, ret_why);
		if (err < 0)
			break;
		err = record_apply(&record, r, ret_why);
		roster_record_done(&record);
		count += err == 0;
	}
	if (err < 0 && err != -ENOENT)
		return err;
	r->is_confirmed = r->version > 0;
	return count;
}

/* --- states that are saved now and then ---
 *
 * A hint and no more: the versions are what is true.  "latest" names the version of the last saved
 * state and its hash; one that is not what was saved, does not end with the object of that version,
 * or cannot be read, is as if there were none. */

static char *latest_key(const struct roster_place *p)
{
	return xasprintf("%slatest", p->prefix);
}

struct latest {
	uint64_t version;
	char hash[HASH_TEXT];
};

/* "16 0123…". */
static int parse_latest(str text, struct latest *ret)
{
	str rest = text, number = STR_EMPTY;

	str_split(&rest, ' ', &number);
	if (number_parse(number, ROSTER_VERSION_MAX, &ret->version) < 0 || !ret->version ||
		rest.n != HASH_TEXT - 1)
		return -EBADMSG;
	memcpy(ret->hash, rest.p, rest.n);
	return 0;
}

static int read_latest(struct roster_place *p, msec until, struct latest *ret,
	struct etag *ret_etag, struct why *ret_why)
{
	CLEAN_FREE char *key = latest_key(p);
	struct buf text = {0};
	struct etag etag;
	int r = store_get(p->store, key, until, &text, &etag, ret_why);

	if (r == 0) {
		*ret_etag = etag;
		r = parse_latest(buf_str(&text), ret);
	}
	buf_done(&text);
	return r;
}

static int on_state_bytes(void *arg, str bytes)
{
	struct buf *text = arg;

	if (!bytes.n)
		buf_clear(text);
	if (buf_len(text) + bytes.n > ROSTER_TEXT_MAX)
		return -EBADMSG;
	buf_add(text, bytes);
	return 0;
}

static int load_state(struct roster_place *p, msec until, struct roster **ret, struct why *ret_why)
{
	CLEAN_FREE char *key = NULL;
	struct roster *found = NULL;
	struct buf text = {0};
	struct etag etag;
	struct latest latest = {0};
	char hash[HASH_TEXT];
	int r = read_latest(p, until, &latest, &etag, ret_why);

	if (r < 0)
		return r;
	key = state_key(p, latest.version);
	r = store_read(p->store, key, until, on_state_bytes, &text, ret_why);
	record_hash(buf_str(&text), hash);
	if (r == 0 && strcmp(hash, latest.hash) != 0)
		r = -EBADMSG;
	if (r == 0)
		r = roster_parse(buf_str(&text), &found, ret_why);
	buf_done(&text);
	if (r == 0 && found->version != latest.version) {
		roster_free(found);
		r = -EBADMSG;
	}
	if (r == 0)
		*ret = found;
	return r;
}

static bool is_to_be_saved(const struct roster *r)
{
	size_t entries = 0;

	for (unsigned i = 0; i < ROSTER_NKINDS; i++)
		entries += r->entries[i].count;
	return r->version % (entries > LARGE ? SAVE_EVERY_LARGE : SAVE_EVERY) == 0;
}

/* Names it as the last one, unless somebody has saved a later one meanwhile.  -ESTALE. */
static int set_latest(struct roster_place *p, uint64_t version, str state,
	const struct etag *expected, msec until)
{
	CLEAN_FREE char *key = latest_key(p);
	char hash[HASH_TEXT];
	struct buf text = {0};
	struct etag written;
	int r;

	record_hash(state, hash);
	buf_printf(&text, "%llu %s", (unsigned long long)version, hash);
	r = store_put(p->store, key, buf_str(&text), expected, until, &written, NULL);
	buf_done(&text);
	return r;
}

static void remove_state(struct roster_place *p, uint64_t version, msec until)
{
	CLEAN_FREE char *key = state_key(p, version);

	(void)!store_remove(p->store, key, 1, until, NULL);
}

void place_save_state(struct roster_place *p, const struct roster *r, msec until)
{
	CLEAN_FREE char *key = state_key(p, r->version);
	struct buf text = {0};
	struct etag etag, written;
	struct latest latest = {0};
	uint64_t before;
	int err;

	if (!is_to_be_saved(r))
		return;
	err = read_latest(p, until, &latest, &etag, NULL);
	before = latest.version;
	/* Others may be ahead, but not by much: what says so is spoiled. */
	if (err == -EIO || (before >= r->version && before - r->version < FAR))
		return;
	roster_write(r, &text);
	if (store_put(p->store, key, buf_str(&text), NULL, until, &written, NULL) != -EIO) {
		err = set_latest(
			p, r->version, buf_str(&text), err == -ENOENT ? NULL : &etag, until);
		if (err == 0 && before && before < r->version)
			remove_state(p, before, until);
		else if (err == -ESTALE)
			remove_state(p, r->version, until);
	}
	buf_done(&text);
}

/* --- all of it --- */

/* From the last state that was saved if it belongs to this log, else from the first version.  With
 * -EBADMSG there is what could be read. */
static int read_afresh(struct roster_place *p, msec until, struct roster **ret, struct why *ret_why)
{
	struct roster *r = NULL;
	int err = load_state(p, until, &r, ret_why);
	bool is_usable = err == 0;

	if (is_usable)
		err = follow(p, r, until, ret_why);
	if (err == -ESTALE || (err < 0 && err != -EIO && !is_usable)) {
		roster_free(r);
		r = roster_new();
		err = follow(p, r, until, ret_why);
	}
	if (err == -EIO) {
		roster_free(r);
		return err;
	}
	assert(r);
	*ret = r;
	return err < 0 ? -EBADMSG : 0;
}

static bool is_gone(const struct roster_place *p, const struct roster *r,
	const struct roster *fresh, struct why *ret_why)
{
	if (fresh->version || !r->version)
		return false;
	why_set(ret_why, "%s has no roster any more; version %llu is known here, and stays in use",
		p->name, (unsigned long long)r->version);
	return true;
}

int roster_update(struct roster_place *p, struct roster *r, msec until, struct why *ret_why)
{
	struct roster *fresh;
	int err;

	MAGIC_CHECK(r, ROSTER_MAGIC);
	if (!r->version && is_empty(p))
		return 0;
	err = r->version ? follow(p, r, until, ret_why) : -ESTALE;
	if (err != -ESTALE)
		return err;
	err = read_afresh(p, until, &fresh, ret_why);
	if (err == -EIO)
		return err;
	if (err == 0 && is_gone(p, r, fresh, ret_why))
		err = -EIO;
	else if (err == 0)
		err = (int)fresh->version;
	if (err >= 0 || !r->version)
		roster_become(r, fresh);
	else
		roster_free(fresh);
	return err;
}
