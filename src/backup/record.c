/* record.c - HEAD and the proof: texts and conditional writes. */
/* SPDX-License-Identifier: MIT */
#include "backup/record.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/number.h"

/* Both texts. */
#define TENANT	  "tenant"
#define EPOCH	  "epoch"
#define DATABASES "databases"
#define MACHINE	  "machine"
#define PREPARED  "prepared"
#define FILES	  "files"

void head_done(struct head *h)
{
	for (size_t i = 0; i < h->ndatabases; i++)
		free(h->databases[i].name);
	free(h->databases);
	free(h->left);
	*h = (struct head){0};
}

static void add_left(struct head *h, struct record_left left)
{
	h->left = xrealloc(h->left, (h->nleft + 1) * sizeof(*h->left));
	h->left[h->nleft++] = left;
}

static void copy_database(struct head *h, const struct record_database *from)
{
	head_set(h, from->name, from->epoch, from->txid)->owner = from->owner;
}

void head_copy(const struct head *from, struct head *ret)
{
	struct head copy = {.epoch = from->epoch,
		.is_sealed = from->is_sealed,
		.prepared = from->prepared,
		.knows_files = from->knows_files,
		.nfiles = from->nfiles};

	memcpy(copy.writer, from->writer, sizeof(copy.writer));
	memcpy(copy.machine, from->machine, sizeof(copy.machine));
	for (size_t i = 0; i < from->ndatabases; i++)
		copy_database(&copy, &from->databases[i]);
	for (size_t i = 0; i < from->nleft; i++)
		add_left(&copy, from->left[i]);
	*ret = copy;
}

struct record_database *head_find(const struct head *h, const char *name)
{
	for (size_t i = 0; i < h->ndatabases; i++)
		if (strcmp(h->databases[i].name, name) == 0)
			return &h->databases[i];
	return NULL;
}

struct record_database *head_set(struct head *h, const char *name, uint64_t epoch, uint64_t txid)
{
	struct record_database *db = head_find(h, name);

	if (!db) {
		h->databases = xrealloc(h->databases, (h->ndatabases + 1) * sizeof(*h->databases));
		db = &h->databases[h->ndatabases++];
		*db = (struct record_database){.name = xstrdup(name)};
	}
	db->epoch = epoch;
	db->txid = txid;
	return db;
}

static bool is_epoch_needed(const struct head *h, uint64_t epoch)
{
	for (size_t i = 0; i < h->ndatabases; i++)
		if (h->databases[i].epoch == epoch)
			return true;
	return false;
}

void head_leave(struct head *h, uint64_t epoch, int64_t now)
{
	add_left(h, (struct record_left){epoch, now});
}

uint64_t head_expired(const struct head *h, int64_t until)
{
	for (size_t i = 0; i < h->nleft; i++)
		if (h->left[i].since <= until && !is_epoch_needed(h, h->left[i].epoch))
			return h->left[i].epoch;
	return 0;
}

void head_forget(struct head *h, uint64_t epoch)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->nleft; i++)
		if (h->left[i].epoch != epoch)
			h->left[kept++] = h->left[i];
	h->nleft = kept;
}

static void open_record(struct json *j, str tenant, uint64_t epoch)
{
	json_open_object(j, NULL);
	json_str(j, TENANT, tenant);
	json_number(j, EPOCH, epoch);
}

static void close_record(struct json *j)
{
	json_close_object(j);
	buf_add_char(j->out, '\n');
}

/* Tells our own HEAD from one that another writer wrote with the same content. */
static char writer[64];

static char our_machine[RECORD_MACHINE_SIZE];

void record_name_machine(str machine)
{
	snprintf(our_machine, sizeof(our_machine), STR_FMT, STR_ARG(machine));
}

const char *head_holder(const struct head *h)
{
	bool is_elsewhere = *our_machine && *h->machine && strcmp(h->machine, our_machine) != 0;

	return is_elsewhere && !h->is_sealed ? h->machine : NULL;
}

static void name_writer(void)
{
	uint64_t id;

	random_bytes(&id, sizeof(id));
	snprintf(writer, sizeof(writer), "fly-atc " FLY_ATC_VERSION " %016llx",
		(unsigned long long)id);
}

static void add_owner(struct json *j, const struct record_owner *owner)
{
	char mode[8];

	if (!owner->is_known)
		return;
	snprintf(mode, sizeof(mode), "%04o", (unsigned)owner->mode & 07777);
	json_str(j, "mode", str_of(mode));
	json_number(j, "uid", owner->uid);
	json_number(j, "gid", owner->gid);
}

const char *record_writer(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, name_writer);
	return writer;
}

static void add_head_databases(struct json *j, const struct head *h)
{
	json_open_object(j, DATABASES);
	for (size_t i = 0; i < h->ndatabases; i++) {
		json_open_object_named(j, str_of(h->databases[i].name));
		json_number(j, EPOCH, h->databases[i].epoch);
		json_number(j, "txid", h->databases[i].txid);
		add_owner(j, &h->databases[i].owner);
		json_close_object(j);
	}
	json_close_object(j);
}

static void add_lefts(struct json *j, const struct head *h)
{
	json_open_array(j, "left");
	for (size_t i = 0; i < h->nleft; i++) {
		json_open_object(j, NULL);
		json_number(j, EPOCH, h->left[i].epoch);
		json_int(j, "since", h->left[i].since);
		json_close_object(j);
	}
	json_close_array(j);
}

void head_write(const struct head *h, str tenant, struct buf *out)
{
	struct json j = {.out = out};
	char prepared[24];

	open_record(&j, tenant, h->epoch);
	json_str(&j, "state", h->is_sealed ? STR("sealed") : STR("open"));
	add_head_databases(&j, h);
	add_lefts(&j, h);
	if (h->knows_files)
		json_number(&j, FILES, h->nfiles);
	snprintf(prepared, sizeof(prepared), "%016llx", (unsigned long long)h->prepared);
	if (h->prepared)
		json_str(&j, PREPARED, str_of(prepared));
	json_str(&j, "written_by", str_of(record_writer()));
	if (*our_machine)
		json_str(&j, MACHINE, str_of(our_machine));
	close_record(&j);
}

static json_t *parse_record(str text, str tenant)
{
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(json, TENANT));

	if (name && str_eq(str_of(name), tenant) &&
		json_integer_value(json_object_get(json, EPOCH)) > 0)
		return json;
	json_decref(json);
	return NULL;
}

/* The greatest value means "leave it" to chown(2). */
static bool is_id(const json_t *id)
{
	return json_is_integer(id) && json_integer_value(id) >= 0 &&
	       json_integer_value(id) < UINT32_MAX;
}

/* Up to four octal digits. */
static bool read_mode(const json_t *json, mode_t *ret)
{
	str text = str_of(json_is_string(json) ? json_string_value(json) : "");
	mode_t mode = 0;

	if (!text.n || text.n > 4)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7')
			return false;
		mode = mode * 8 + (mode_t)(text.p[i] - '0');
	}
	*ret = mode & RECORD_MODE;
	return true;
}

/* Without it, or with one that makes no sense, the database belongs to the user that restores
 * it. */
static struct record_owner read_owner(const json_t *db)
{
	const json_t *uid = json_object_get(db, "uid"), *gid = json_object_get(db, "gid");
	struct record_owner owner = {0};

	owner.is_known =
		is_id(uid) && is_id(gid) && read_mode(json_object_get(db, "mode"), &owner.mode);
	if (!owner.is_known)
		return (struct record_owner){0};
	owner.uid = (uid_t)json_integer_value(uid);
	owner.gid = (gid_t)json_integer_value(gid);
	return owner;
}

static int read_databases(json_t *databases, struct head *h)
{
	const char *name;
	json_t *db;

	json_object_foreach(databases, name, db)
	{
		json_int_t epoch = json_integer_value(json_object_get(db, EPOCH));
		json_int_t txid = json_integer_value(json_object_get(db, "txid"));

		if (epoch <= 0 || (uint64_t)epoch > h->epoch || txid < 0)
			return -EBADMSG;
		head_set(h, name, (uint64_t)epoch, (uint64_t)txid)->owner = read_owner(db);
	}
	return json_is_object(databases) ? 0 : -EBADMSG;
}

/* What is not understood is not removed; that is all. */
static void read_left(json_t *left, struct head *h)
{
	json_t *item;
	size_t i;

	json_array_foreach(left, i, item)
	{
		json_int_t epoch = json_integer_value(json_object_get(item, EPOCH));
		json_t *since = json_object_get(item, "since");

		if (epoch > 0 && (uint64_t)epoch < h->epoch && json_is_integer(since))
			add_left(h,
				(struct record_left){(uint64_t)epoch, json_integer_value(since)});
	}
}

static void read_files(const json_t *files, struct head *h)
{
	h->knows_files = json_is_integer(files) && json_integer_value(files) >= 0;
	h->nfiles = h->knows_files ? (uint64_t)json_integer_value(files) : 0;
}

static uint64_t read_prepared(const json_t *json)
{
	const char *text = json_string_value(json_object_get(json, PREPARED));
	uint64_t value;

	return text && number_parse_hex(str_of(text), UINT64_MAX, &value) == 0 ? value : 0;
}

int head_read(str text, str tenant, struct head *ret, struct why *ret_why)
{
	json_t *json = parse_record(text, tenant);
	const char *state = json_string_value(json_object_get(json, "state"));
	const char *by = json_string_value(json_object_get(json, "written_by"));
	const char *machine = json_string_value(json_object_get(json, MACHINE));
	struct head h = {.epoch = (uint64_t)json_integer_value(json_object_get(json, EPOCH))};
	int r = -EBADMSG;

	if (state && (strcmp(state, "open") == 0 || strcmp(state, "sealed") == 0)) {
		h.is_sealed = strcmp(state, "sealed") == 0;
		r = read_databases(json_object_get(json, DATABASES), &h);
		read_left(json_object_get(json, "left"), &h);
		snprintf(h.writer, sizeof(h.writer), "%s", by ? by : "");
		snprintf(h.machine, sizeof(h.machine), "%s", machine ? machine : "");
		h.prepared = read_prepared(json);
		read_files(json_object_get(json, FILES), &h);
	}
	json_decref(json);
	if (r < 0) {
		head_done(&h);
		why_set(ret_why,
			"the record HEAD of " STR_FMT " in the store is damaged or not of fly-atc",
			STR_ARG(tenant));
		return r;
	}
	*ret = h;
	return 0;
}

void proof_done(struct proof *p)
{
	for (size_t i = 0; i < p->ndatabases; i++)
		free(p->databases[i]);
	free(p->databases);
	free(p->store);
	free(p->by);
	*p = (struct proof){0};
}

bool proof_holds(const struct proof *p, const struct head *h)
{
	return p->epoch == h->epoch ||
	       (p->next && p->next == h->epoch && *h->writer && strcmp(p->by, h->writer) == 0);
}

bool proof_names(const struct proof *p, const char *database)
{
	for (size_t i = 0; i < p->ndatabases; i++)
		if (strcmp(p->databases[i], database) == 0)
			return true;
	return false;
}

void proof_write(const struct proof *p, str tenant, struct buf *out)
{
	struct json j = {.out = out};

	open_record(&j, tenant, p->epoch);
	json_str(&j, "store", str_of(p->store));
	json_open_array(&j, DATABASES);
	for (size_t i = 0; i < p->ndatabases; i++)
		json_str(&j, NULL, str_of(p->databases[i]));
	json_close_array(&j);
	if (p->next) {
		json_number(&j, "next", p->next);
		json_str(&j, "by", str_of(p->by));
	}
	close_record(&j);
}

static void read_successor(const json_t *json, struct proof *p)
{
	json_int_t next = json_integer_value(json_object_get(json, "next"));
	const char *by = json_string_value(json_object_get(json, "by"));

	if (next <= 0 || !by || !*by)
		return;
	p->next = (uint64_t)next;
	p->by = xstrdup(by);
}

int proof_read(str text, str tenant, struct proof *ret)
{
	json_t *json = parse_record(text, tenant), *databases = json_object_get(json, DATABASES),
	       *name;
	const char *store = json_string_value(json_object_get(json, "store"));
	struct proof p = {.epoch = (uint64_t)json_integer_value(json_object_get(json, EPOCH))};
	size_t i;

	if (!store || !json_is_array(databases)) {
		json_decref(json);
		return -ENOENT;
	}
	p.store = xstrdup(store);
	p.databases = xcalloc(json_array_size(databases) + 1, sizeof(*p.databases));
	json_array_foreach(databases, i, name)
	{
		if (json_is_string(name))
			p.databases[p.ndatabases++] = xstrdup(json_string_value(name));
	}
	read_successor(json, &p);
	json_decref(json);
	*ret = p;
	return 0;
}

char *head_key(str tenant)
{
	struct buf key = {0};
	char *copy;

	location_add_key(&key, tenant);
	buf_add(&key, STR("/HEAD"));
	copy = str_dup(buf_str(&key));
	buf_done(&key);
	return copy;
}

int head_load(struct store *s, str tenant, msec until, struct head *ret, struct etag *ret_etag,
	struct why *ret_why)
{
	CLEAN_FREE char *key = head_key(tenant);
	struct buf body = {0};
	struct etag etag = {""};
	int r = store_get(s, key, until, &body, &etag, ret_why);

	if (r == 0)
		r = head_read(buf_str(&body), tenant, ret, ret_why);
	if (r == 0)
		*ret_etag = etag;
	buf_done(&body);
	return r;
}

/* A write whose answer was lost looks like another writer's on the next try. */
static bool is_written(
	struct store *s, const char *key, str text, msec until, struct etag *ret_etag)
{
	struct buf body = {0};
	struct etag etag = {""};
	bool is_ours =
		store_get(s, key, until, &body, &etag, NULL) == 0 && str_eq(buf_str(&body), text);

	if (is_ours)
		*ret_etag = etag;
	buf_done(&body);
	return is_ours;
}

int head_save(struct store *s, str tenant, const struct head *h, msec until, struct etag *etag,
	struct why *ret_why)
{
	CLEAN_FREE char *key = head_key(tenant);
	struct buf text = {0};
	int r;

	head_write(h, tenant, &text);
	r = store_put(s, key, buf_str(&text), etag->text[0] ? etag : NULL, until, etag, ret_why);
	if (r < 0 && is_written(s, key, buf_str(&text), until, etag))
		r = 0;
	buf_done(&text);
	return r;
}

static void add_missing(struct head *h, const struct head *from)
{
	bool knows_left = h->nleft > 0;

	for (size_t i = 0; i < from->ndatabases; i++) {
		const struct record_database *db = &from->databases[i];

		if (!head_find(h, db->name))
			copy_database(h, db);
	}
	if (!h->prepared)
		h->prepared = from->prepared;
	if (!h->knows_files) {
		h->knows_files = from->knows_files;
		h->nfiles = from->nfiles;
	}
	for (size_t i = 0; i < from->nleft && !knows_left; i++)
		add_left(h, from->left[i]);
}

int head_update(struct store *s, str tenant, struct head *h, msec until, struct etag *etag,
	struct why *ret_why)
{
	struct head present = {0};
	int r = etag->text[0] ? head_save(s, tenant, h, until, etag, ret_why) : -ESTALE;

	if (r != -ESTALE)
		return r;
	r = head_load(s, tenant, until, &present, etag, ret_why);
	if (r == -ENOENT) {
		why_set(ret_why, "the record HEAD of " STR_FMT " has vanished from the store",
			STR_ARG(tenant));
		return -ESTALE;
	}
	if (r == 0 && present.epoch != h->epoch) {
		why_set(ret_why,
			"another fly-atc has taken over " STR_FMT " (epoch %llu, ours is %llu)",
			STR_ARG(tenant), (unsigned long long)present.epoch,
			(unsigned long long)h->epoch);
		r = -EREMCHG;
	} else if (r == 0) {
		add_missing(h, &present);
		r = head_save(s, tenant, h, until, etag, ret_why);
	}
	head_done(&present);
	return r;
}

int proof_load(const char *dir, str tenant, struct proof *ret)
{
	CLEAN_FREE char *path = xasprintf("%s/" RECORD_FILE, dir);
	struct buf text = {0};
	int r = file_read(FILE_GIVEN, path, STORE_OBJECT_MAX, &text);

	if (r == 0)
		r = proof_read(buf_str(&text), tenant, ret);
	buf_done(&text);
	return r != 0 ? -ENOENT : 0;
}

static int proof_save(const char *dir, str tenant, const struct proof *p, struct why *ret_why)
{
	CLEAN_FREE char *path = xasprintf("%s/" RECORD_FILE, dir);
	struct buf text = {0};
	int r;

	proof_write(p, tenant, &text);
	r = file_write(FILE_GIVEN, path, buf_str(&text), 0600);
	buf_done(&text);
	if (r < 0)
		why_set(ret_why, "cannot write %s: %s", path, strerror(-r));
	return r;
}

int proof_announce(const char *dir, str tenant, uint64_t epoch, struct why *ret_why)
{
	struct proof proof = {0};
	int r = proof_load(dir, tenant, &proof);

	if (r < 0 || proof.epoch != epoch) {
		why_set(ret_why, "%s/" RECORD_FILE " is not the one that was there", dir);
		proof_done(&proof);
		return -ESTALE;
	}
	proof.next = epoch + 1;
	free(proof.by);
	proof.by = xstrdup(record_writer());
	r = proof_save(dir, tenant, &proof, ret_why);
	proof_done(&proof);
	return r;
}

void proof_set_open(const char *dir, bool is_open)
{
	CLEAN_FREE char *path = xasprintf("%s/" RECORD_OPEN, dir);

	/* It only speeds up what is done in any case. */
	(void)!(is_open ? file_touch(FILE_GIVEN, path, 0600) : file_remove(FILE_GIVEN, path));
}

bool proof_is_open(const char *dir)
{
	CLEAN_FREE char *path = xasprintf("%s/" RECORD_OPEN, dir);

	return access(path, F_OK) == 0;
}

int proof_save_head(const char *dir, str tenant, const char *store_url, const struct head *h,
	struct why *ret_why)
{
	struct proof p = {.store = xstrdup(store_url), .epoch = h->epoch};
	int r;

	p.databases = xcalloc(h->ndatabases + 1, sizeof(*p.databases));
	for (size_t i = 0; i < h->ndatabases; i++)
		p.databases[p.ndatabases++] = xstrdup(h->databases[i].name);
	r = proof_save(dir, tenant, &p, ret_why);
	proof_done(&p);
	return r;
}
