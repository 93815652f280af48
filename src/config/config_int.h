/* config_int.h - what the files of config/ share: the loader, the tree of a file, rows, layers and
 * origins. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/magic.h"
#include "base/map.h"
#include "config/config.h"

/* Where a value was written. */
enum place_kind { PLACE_FILE, PLACE_ENVIRONMENT, PLACE_COMMAND_LINE };
struct place {
	enum place_kind kind;
	unsigned line, column; /* of the file, from 1; 0 = the file as a whole */
};

/* What the roster says stands in no line, but in a version: a "line" from here on, in every place
 * and origin. */
#define ROSTER_LINES 0x80000000u
static inline bool line_is_roster(unsigned line)
{
	return line >= ROSTER_LINES;
}

/* Where a value comes from.  `at` is an enum origin_note, an enum framework or the line of the
 * file. */
enum origin_kind {
	ORIGIN_DEFAULT,
	ORIGIN_NOTE,
	ORIGIN_PRESET,	   /* of the framework */
	ORIGIN_RECOGNISED, /* by the framework's file */
	ORIGIN_MODE,	   /* the framework's variable for `environment` */
	ORIGIN_FILE,	   /* from here on, somebody has set it */
	ORIGIN_PLAIN,
	ORIGIN_THRUSTER,
	ORIGIN_COMMAND
};
struct value_origin {
	enum origin_kind kind;
	unsigned at;
};
/* Why a default is what it is. */
enum origin_note {
#define NOTE(name, text) NOTE_##name,
#include "config/notes.def"
	NNOTES
};

static inline bool origin_is_said(struct value_origin origin)
{
	return origin.kind >= ORIGIN_FILE;
}

/* A parsed file.  Texts are NUL-ended and belong to the loader's tree arena. */
enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };
struct node {
	enum node_kind kind;
	bool is_quoted;
	bool is_bad;	 /* a fault has already been reported */
	bool is_dropped; /* by the roster, until it is taken out */
	struct place place;
	str text;	  /* of a scalar */
	struct node *key; /* of an entry of a map */
	struct node *first, *next;
	size_t count; /* of entries */
};
#define node_foreach(it, list) for (const struct node *it = (list)->first; it; it = it->next)

enum row_type {
	TYPE_BOOL,
	TYPE_INT,
	TYPE_PORT,
	TYPE_MSEC,
	TYPE_SIZE,
	TYPE_STR,
	TYPE_PATH,
	TYPE_LIST,
	TYPE_ARGV,
	TYPE_MAP,
	TYPE_HOOK,
	TYPE_ENUM_LOG_LEVEL,
	TYPE_ENUM_REPLAY,
	TYPE_ENUM_CACHE,
	TYPE_ENUM_FRAMEWORK,
	TYPE_ENUM_START,
	TYPE_ENUM_LISTEN,
	TYPE_ENUM_PREFIX,
	TYPE_ENUM_FILES,
	TYPE_ENUM_TARGET,
	TYPE_ENUM_ON_IDLE,
};
enum row_flag { LIVE = 1, RESTART = 2, EDGE = 4, BOOT = 8, SUPERVISOR = 16, SECRET = 32 };

struct loader;
struct row;
typedef void row_check(struct loader *ld, const struct row *row, void *value, struct place place);

struct row {
	str name;
	const char *env, *fallback, *doc;
	enum row_type type;
	unsigned flags;
	size_t offset;
	row_check *check;
};

enum server_row {
#define SERVER_ROW(type, name, env, fallback, flags, check, doc) SERVER_##name,
#include "config/rows.def"
	NSERVER_ROWS
};
enum app_row {
#define APP_ROW(type, name, env, fallback, flags, check, doc) APP_##name,
#include "config/rows.def"
	NAPP_ROWS
};
enum backup_row {
#define BACKUP_ROW(type, name, env, fallback, flags, check, doc) BACKUP_##name,
#include "config/rows.def"
	NBACKUP_ROWS
};
enum machine_row {
#define MACHINE_ROW(type, name, env, fallback, flags, check, doc) MACHINE_##name,
#include "config/rows.def"
	NMACHINE_ROWS
};

/* The rows of server, app, backup and machine. */
struct section {
	str name;
	const struct row *rows;
	size_t nrows;
};
enum section_id { SECTION_SERVER, SECTION_APP, SECTION_BACKUP, SECTION_MACHINE, NSECTIONS };
extern const struct section sections[NSECTIONS];

/* Values of a section and where they come from: a reader fills this. */
struct values {
	const struct section *section;
	void *base;
	struct value_origin *origins;
	bool is_layer; /* of a user or tenant: origins were copied from further out */
};
static inline void *value_at(const struct values *v, size_t row)
{
	return (char *)v->base + v->section->rows[row].offset;
}

/* What `databases:` says about one; parts not mentioned have p == NULL. */
struct database_draft {
	str name, path, env, url;
	struct place place;
	bool is_removed;
	bool says_backup, has_backup;
	bool says_required, is_required;
};

/* The settings of app:, of a user, or of a tenant that has some of its own. */
struct app_layer {
	const struct app_layer *parent; /* NULL: app: */
	struct app_conf *conf;
	struct value_origin origins[NAPP_ROWS];
	struct database_draft *drafts; /* of this layer, with those of its parent before */
	size_t ndrafts;
	str primary_name;	      /* `database:` of a route */
	struct place databases_place; /* of the nearest `databases:` or `database:` */
	uint64_t hash;		      /* of the rows with flag BOOT and of the databases */
};

/* What users and tenants say beyond the rows of app:.  A line of 0: not mentioned here. */
struct setting_location {
	str host, machine, region;
	unsigned host_line, machine_line, region_line;
};

struct user_conf {
	str name;
	struct place place;
	struct setting_location location;
	const struct app_layer *layer;
	size_t ntenants;
};
struct tenant_private {
	const struct user_conf *user; /* NULL: from routes: */
	const struct app_layer *layer;
	const struct setting_location *location; /* what it says itself, or NULL */
	struct place place;
};

enum { CONFIG_MAGIC = MAGIC('c', 'f', 'g', 'p') };

struct config_private {
	uint32_t magic;
	atomic_uint references;
	struct arena arena;
	struct value_origin server_origins[NSERVER_ROWS];
	struct value_origin backup_origins[NBACKUP_ROWS];
	struct value_origin machine_origins[NMACHINE_ROWS];
	struct app_layer root;
	struct user_conf **users; /* sorted by name */
	size_t nusers;
	struct tenant_private *tenants; /* in the order of config.tenants */
};

/* A tenant while it is read: its two halves are separated when all are known. */
struct tenant_draft {
	struct tenant_conf conf;
	struct tenant_private private;
};

struct loader {
	const struct config_source *source;
	struct config *config;
	struct arena *arena; /* of the configuration */
	struct arena tree;   /* of the file's nodes and what is needed while reading only */
	struct config_faults *faults;
	const char *file; /* NULL: none */
	char *cwd;
	bool is_snapshot; /* effective values: nothing is derived or looked up on the disk */
	struct user_conf **users;
	size_t nusers, users_cap;
	struct tenant_draft *tenants;
	size_t ntenants, tenants_cap;
	struct machine_conf *machines;
	size_t nmachines;
	uint32_t single_slot;
	const struct node *upstream_command, *upstream_args;
	struct str_list told; /* variables of databases */
	size_t told_cap;
	const char *variable; /* of the environment that is being read */
	bool reads_secret;    /* what is being expanded goes into a row with flag SECRET */
};

/* faults.c */
void fault_at(struct loader *ld, struct place place, const char *fmt, ...) PRINTF(3, 4);
void warn_at(struct loader *ld, struct place place, const char *fmt, ...) PRINTF(3, 4);
void faults_sort(struct config_faults *faults);

/* For people: "line 7", or "version 7 of the roster"; in the tree's arena. */
const char *line_text(struct loader *ld, unsigned line);

/* unknown.c: "did you mean" for an unknown key: the nearest of `extra` (NULL-ended) and the
 * section's keys. */
void fault_unknown_key(struct loader *ld, const struct node *key, const struct section *s,
	const char *const *extra);

/* spelling.c: the nearest word so far to what was written, if it is nearer than that. */
struct nearest {
	str written, word;
	size_t distance;
};
void spelling_consider(struct nearest *nearest, str word);
/* The nearest of `words` (NULL-ended), or empty if none is near. */
str nearest_word(str word, const char *const *words);

/* yaml.c: the root of the tree, or NULL (empty file, or faults were reported). */
struct node *yaml_parse(struct loader *ld, str text, bool is_json);
bool node_is_null(const struct node *n);
const char *node_kind_text(const struct node *n);
/* utf8.c: offset of the first byte that is not UTF-8 or a control character that YAML forbids; or
 * text.n. */
size_t utf8_valid_length(str text);

/* roster.c: the file's tree (NULL: there is none) with what config_source.roster says of its users,
 * tenants and machines. */
struct node *roster_overlay(struct loader *ld, struct node *root);

/* expand.c */
/* ${VAR} and ${VAR:-default}, into the configuration's arena.  In a template ${tenant.x} stays and
 * $ of a value is doubled. */
bool expand_text(
	struct loader *ld, str text, bool is_template, struct place place, str *ret) MUST_USE;
/* A word of the command line, as a template. */
str expand_literal(struct loader *ld, str word);
/* At text[at] there is "${": the text inside, or false if it is not closed. */
bool expand_braced(str text, size_t at, str *ret_inside) MUST_USE;
/* The inside of the first ${…} that names something that a tenant with these settings does not
 * have: a database, or a variable that it is not told and that means nothing else.  Or empty. */
str words_unknown(const struct app_conf *app);
/* What is told the application depends on the tenant's host. */
bool words_name_host(const struct app_conf *app);
const char *environment_get(const struct loader *ld, const char *name);
/* A secret comes from it. */
void secret_variable_add(struct loader *ld, str name);
/* The words of a command written as one string. */
bool words_split(
	struct loader *ld, str name, str text, struct place place, struct str_list *ret) MUST_USE;

/* told.c: which variables applications are told. */
/* Before anything is expanded: the names that the file gives to the variables of databases. */
void told_collect(struct loader *ld, const struct node *root);
/* Whether every tenant is told it, and whether some may be. */
bool is_told_to_all(const struct loader *ld, str name) MUST_USE;
bool may_be_told(const struct loader *ld, str name) MUST_USE;

/* rows.c */
const struct row *section_find(const struct section *s, str key);
void values_set_defaults(struct loader *ld, const struct values *v);
static inline size_t row_index(const struct section *s, const struct row *row)
{
	return (size_t)(row - s->rows);
}

/* values.c.  Values live in the configuration's arena; reading over an old value is fine.  False: a
 * fault was reported. */
bool value_read(
	struct loader *ld, const struct row *row, const struct node *n, void *value) MUST_USE;
/* The text of a default, or of a file's scalar after expansion; *ret_why says what was expected. */
bool value_read_text(struct loader *ld, const struct row *row, str text, void *value,
	const char **ret_why) MUST_USE;
bool value_equal(const struct row *row, const void *a, const void *b);
const char *const *type_words(enum row_type type); /* of an enum, NULL-ended; else NULL */
const char *type_name(enum row_type type);	   /* for tables: "number" */
str path_absolute(struct loader *ld, str path);
bool env_name_is_legal(str name);

/* checks.c */
#define SERVER_ROW(type, name, env, fallback, flags, check, doc)  row_check check_##check;
#define APP_ROW(type, name, env, fallback, flags, check, doc)	  row_check check_##check;
#define BACKUP_ROW(type, name, env, fallback, flags, check, doc)  row_check check_##check;
#define MACHINE_ROW(type, name, env, fallback, flags, check, doc) row_check check_##check;
#include "config/rows.def"
bool relative_path_is_safe(str path);
/* Of a machine, a region or an app. */
bool is_machine_name(str s);

/* hooks.c */
void hook_set_none(struct loader *ld, struct hook_conf *ret);
/* A command, or a map of command, timeout and env. */
bool hook_read(struct loader *ld, const struct row *row, const struct node *n,
	struct hook_conf *value) MUST_USE;
bool hook_equal(const struct hook_conf *a, const struct hook_conf *b);
/* Calls emit for each part. */
typedef void hook_emit_fn(void *arg, const struct row *part, const void *value);
void hook_emit(const struct hook_conf *hook, hook_emit_fn *emit, void *arg);
/* Its words and the values of its environment: all of them templates. */
static inline size_t hook_ntexts(const struct hook_conf *hook)
{
	return hook->command.count + hook->env.count;
}
static inline str hook_text(const struct hook_conf *hook, size_t i)
{
	return i < hook->command.count ? hook->command.items[i]
				       : hook->env.items[i - hook->command.count].value;
}

/* sections.c */
/* True for a map; a fault for anything else, unless the value is empty. */
bool section_expects_map(struct loader *ld, const struct node *n) MUST_USE;
/* One entry of a map; false if the section has no such key. */
bool section_read_entry(
	struct loader *ld, const struct values *v, const struct node *entry) MUST_USE;
/* Old names of the prototype; true if it was one. */
bool alias_read(struct loader *ld, const struct node *entry) MUST_USE;
void upstream_finish(struct loader *ld);
struct values server_values(struct config *c);
struct values app_values(struct app_layer *layer);
struct values backup_values(struct config *c);
struct values machine_values(struct config *c);

/* environment.c */
void environment_read(struct loader *ld);

/* derive.c */
/* A copy of the parent to write into; one that stays without settings of its own is not used. */
struct app_layer *layer_new(struct loader *ld, const struct app_layer *parent);
/* Everything was read: fills in what depends on something else. */
void layer_derive(struct loader *ld, struct app_layer *layer);
void server_derive(struct loader *ld);
void backup_derive(struct loader *ld);

/* run_dir.c, once it is known whether we run a single application */
void run_dir_derive(struct loader *ld);

/* databases.c */
void databases_read(struct loader *ld, struct app_layer *layer, const struct node *n);
void databases_derive(struct loader *ld, struct app_layer *layer);
bool databases_equal(const struct app_conf *a, const struct app_conf *b);

/* presets.c: what a row means, with the defaults that presets give it. */
void preset_describe_row(const struct row *row, struct buf *out);
/* Two of the texts of presets; NULL is equal to NULL only. */
static inline bool preset_text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* scope.c */
/* Where a user, a tenant or a route sets something: its own layer exists only once there is
 * something to put in. */
struct scope {
	const struct app_layer *parent;
	struct app_layer *own;
	struct setting_location location;
	uint32_t slot;
	bool has_location;
};
/* False if a scope has no such key. */
bool scope_read_entry(struct loader *ld, struct scope *scope, const struct node *entry) MUST_USE;
/* The layer to use, derived. */
const struct app_layer *scope_finish(struct loader *ld, struct scope *scope);
/* What it knows beyond the rows of app:. */
#define SCOPE_KEYS "databases", "host", "machine", "instance", "region"

/* machines.c: `machine:` (a map, or the name alone), `machines:`, and who we are. */
void machine_read(struct loader *ld, const struct node *n);
void machines_read(struct loader *ld, const struct node *map);
/* All was read: which machine we are, on what target, and the machines with those that the target
 * knows; for a snapshot only their order. */
void machines_derive(struct loader *ld);
/* All tenants are known: each one's owner. */
void machines_place(struct loader *ld);
/* The value of an entry: the name of a machine, a region or an app, or nothing. */
bool machine_name_read(struct loader *ld, const struct node *n, str *ret) MUST_USE;
/* appliances.c */
void appliances_read(struct loader *ld, const struct node *map);

/* users.c, routes.c */
void users_read(struct loader *ld, const struct node *map);
void routes_read(struct loader *ld, const struct node *list);

/* tenants.c */
/* One segment or several; a fault if it cannot be part of a path. */
bool name_is_legal(struct loader *ld, str name, const char *what, struct place place) MUST_USE;
/* What users.c and routes.c know of a tenant. */
struct tenant_spec {
	str user, rest;		       /* the path; both empty at the root */
	str label;		       /* name of a route, p == NULL: the rest of the path */
	const struct user_conf *owner; /* NULL for a route */
	const struct app_layer *layer;
	const struct setting_location *location; /* or NULL */
	uint32_t slot;
	struct place place;
};
void tenant_add(struct loader *ld, const struct tenant_spec *spec);
void single_add(struct loader *ld);
/* Sorts them, finds overlaps and missing commands, computes fingerprints. */
void tenants_finish(struct loader *ld);

/* text.c */
/* A text, quoted where YAML needs it; escaped: the loader will expand it. */
void text_add(struct buf *out, str s);
void text_add_escaped(struct buf *out, str s);
/* On one line; not for TYPE_MAP and TYPE_HOOK. */
void value_add(struct buf *out, const struct row *row, const void *value);

/* emit.c.  Hashes of what would be written, the same in every process. */
uint64_t layer_hash(const struct config *c, const struct app_layer *layer);
uint64_t config_hash(const struct config *c);

#define CONFIG_HASH_KEYS 0x666c792d61746300u, 0x636f6e6669670000u
