/* config.h - the configuration: one immutable, reference-counted snapshot of everything that can be
 * set. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "framework/framework.h"

enum start_when { START_ON_REQUEST, START_AT_BOOT };
enum replay_form { REPLAY_JSON, REPLAY_HEADER };
enum files_care { FILES_LOCAL, FILES_NONE };
/* What the fleet runs on; in config.target it is decided: never AUTO. */
enum target_kind { TARGET_AUTO, TARGET_FLY, TARGET_HOSTS, TARGET_KUBERNETES, TARGET_NONE };
enum machine_wake { MACHINE_WAKE_NONE, MACHINE_WAKE_COMMAND, MACHINE_WAKE_HTTP, MACHINE_WAKE_WOL };
enum machine_sleep { MACHINE_SLEEP_NONE, MACHINE_SLEEP_COMMAND, MACHINE_SLEEP_EXIT };
/* What becomes of a machine that nobody uses. */
enum on_idle { ON_IDLE_NONE, ON_IDLE_SUSPEND, ON_IDLE_STOP, ON_IDLE_EXIT };
enum cache_how { CACHE_THRUSTER, CACHE_RFC9111, CACHE_OFF };

struct str_list {
	str *items;
	size_t count;
};
struct env_list {
	struct env_var {
		str name, value;
		bool is_unset; /* null in the file: removed from the inherited environment */
	} * items;
	size_t count;
};

/* A command of the operator's that runs at a certain moment; none if it has no words.  Words and
 * values are templates: config_expand_tenant, or config_expand_plain for those of the machine. */
struct hook_conf {
	struct str_list command;
	msec timeout; /* then it is killed, and has failed */
	struct env_list env;
};

#define CONFIG_BOOL	      bool
#define CONFIG_INT	      int64_t
#define CONFIG_MSEC	      msec
#define CONFIG_SIZE	      uint64_t
#define CONFIG_STR	      str /* NUL-ended after its length, like every str of the configuration */
#define CONFIG_PATH	      str /* absolute, or empty */
#define CONFIG_LIST	      struct str_list
#define CONFIG_ARGV	      struct str_list
#define CONFIG_MAP	      struct env_list
#define CONFIG_ENUM_LOG_LEVEL enum log_level
#define CONFIG_ENUM_REPLAY    enum replay_form
#define CONFIG_ENUM_CACHE     enum cache_how
#define CONFIG_ENUM_FRAMEWORK enum framework
#define CONFIG_ENUM_START     enum start_when
#define CONFIG_ENUM_LISTEN    enum listen_how
#define CONFIG_ENUM_PREFIX    enum prefix_how
#define CONFIG_ENUM_FILES     enum files_care
#define CONFIG_ENUM_TARGET    enum target_kind
#define CONFIG_ENUM_ON_IDLE   enum on_idle
#define CONFIG_HOOK	      struct hook_conf
#define CONFIG_PORT	      int64_t /* from 1 to 65535, or: */

#define CONFIG_PORT_ANY	 0    /* the kernel's choice */
#define CONFIG_PORT_AUTO (-1) /* that too, and then wherever the application listens */

struct server_conf {
#define SERVER_ROW(type, name, env, fallback, flags, check, doc) CONFIG_##type name;
#include "config/rows.def"
};

/* A database of an application; env and url_template have defaults from the preset. */
struct database_conf {
	str name;	  /* "primary" */
	str path;	  /* relative to the tenant's directory */
	str env;	  /* variable that tells the application; empty: it is not told */
	str url_template; /* its value; {path} is the absolute path */
	bool has_backup;
	bool is_required; /* the file must exist when the application is ready */
};

/* Settings of a tenant; shared by all tenants that have the same ones.  The words of command and
 * prepare and the values of env are templates: pass them through config_expand_tenant, even when
 * they look plain. */
struct app_conf {
#define APP_ROW(type, name, env, fallback, flags, check, doc) CONFIG_##type name;
#include "config/rows.def"
	struct database_conf *databases;
	size_t ndatabases;
};

struct backup_conf {
#define BACKUP_ROW(type, name, env, fallback, flags, check, doc) CONFIG_##type name;
#include "config/rows.def"
};

/* The section machine: what is said of the machine that we are.  What is true of it is in struct
 * config. */
struct our_machine_conf {
#define MACHINE_ROW(type, name, env, fallback, flags, check, doc) CONFIG_##type name;
#include "config/rows.def"
};

/* A machine of the fleet: of machines:, or known to the target.  A snapshot has name, address and
 * region only. */
struct machine_conf {
	str name;
	str address; /* "host:port", where its fly-atc answers; empty: the target knows */
	str region;  /* empty: none */
	struct {
		enum machine_wake how;
		struct str_list command; /* its words, which are literal */
		str http;		 /* URL that a POST wakes it by */
		str wol;		 /* "aa:bb:cc:dd:ee:ff" */
	} wake;
	struct {
		enum machine_sleep how;
		struct str_list command;
	} sleep;
	unsigned line;	   /* of the file; 0: from the target */
	bool is_of_target; /* not in the file */
};

/* Requests whose path the pattern matches are another app's. */
struct appliance_conf {
	str pattern; /* each * stands for any bytes */
	str app;
	str region;	/* empty: any */
	unsigned line;	/* of the file */
	bool is_rooted; /* its first segment has no *: nobody need know the path's user */
};

struct tenant_conf {
	uint32_t slot;	/* its place on the scoreboard: the same for as long as the tenant exists */
	uint64_t owner; /* a hash of its id, which marks a slot as its own.  The same in every
			   configuration */
	str id; /* "bellevue/2025/winter"; "main" for the only tenant of a configuration without
		   users */
	str user, name;	     /* "bellevue", "2025/winter" */
	str prefix;	     /* "/bellevue/2025/winter"; empty at the root */
	str host;	     /* empty: any host */
	str machine, region; /* what is said of where it lives */
	str lives_on; /* the machine by its name: `machine`, or one of its region's, always the
			 same; empty: no machine of the region is known, or it may be anywhere */
	str dir; /* absolute: its databases and files; for a single tenant the application's own
		    directory */
	const struct app_conf *app;
	uint64_t fingerprint; /* of everything that a running copy depends on: if it changes, the
				 copy is replaced; 0 in a snapshot */
};

struct config {
	struct server_conf server;
	struct backup_conf backup;
	struct app_conf app;	     /* the defaults of all tenants */
	struct tenant_conf *tenants; /* sorted by id */
	size_t ntenants;
	bool is_single;			  /* no users, no routes: Thruster for one application */
	struct str_list secret_variables; /* secrets were taken from variables of the environment */
	str file;			  /* the file that was read, or empty */
	const uint64_t *said_ports; /* 65536 bits: ports that tenants have of their own; NULL: there
				       are none, or this is a snapshot */
	struct str_list control_sockets; /* where a running fly-atc may be asked, the likeliest
					    first; none in a snapshot */
	struct our_machine_conf machine; /* what is said; not in a snapshot */
	enum target_kind target;	 /* NONE: no fleet, everything is here */
	str our_machine, our_region;	 /* may be empty: not known, or no fleet */
	str our_app;			 /* on Fly: FLY_APP_NAME */
	str hop_key;			 /* hex; from the fleet's secret; empty: there is none */
	struct machine_conf *machines;	 /* sorted by name */
	size_t nmachines;
	struct appliance_conf *appliances; /* the first one that matches is it */
	size_t nappliances;
	uint64_t version;	/* hash of the effective configuration */
	uint64_t fleet_version; /* of who lives where: the same on each machine with the same
				   users, tenants, machines and appliances */
	struct config_private *private; /* arena, origins, references */
};

/* One fault: where and what.  line and column count from 1; 0 = unknown (environment, command
 * line). */
struct config_fault {
	str where; /* file, "environment" or "command line" */
	unsigned line, column;
	str text; /* what is wrong and what to do */
	bool is_warning;
};
struct config_faults {
	struct config_fault *items;
	size_t count, errors;
	struct arena *arena; /* owns the texts */
};

struct config_source {
	const char *file;     /* NULL: config/atc.yml, .yaml or .json if one exists */
	char *const *command; /* the command line's own, NULL-ended, or NULL */
	char *const *environ; /* NULL-ended */
	bool is_thrust;	      /* started by the name thrust: no file, one tenant, no backup unless
				 configured */
	bool is_only_read; /* nothing will be started (check, dump, status …): a missing command is
			      only a warning */
	str roster;	   /* changes over users and machines, as roster_write has it; or empty */
	/* Machines that the target has found; what the file says of one of them wins.  Borrowed for
	 * the call. */
	const struct machine_conf *found;
	size_t nfound;
	str fleet_secret; /* the store's, used where machine.secret is empty */
};

#define CONFIG_MIN_FLEET_SECRET 16u

/* In run_dir: Litestream's own files; tenants with private directories do not see them. */
#define CONFIG_PRIVATE_RUN_DIR "private"

/* Where run_dir is if it is not configured, best first: the first that can be written to is
 * taken. */
#define CONFIG_RUN_DIR_SIZE 84 /* so that the names in it fit into the address of a socket */
enum config_run_dir_kind {
	CONFIG_RUN_DIR_XDG,
	CONFIG_RUN_DIR_SYSTEM,
	CONFIG_RUN_DIR_STORAGE,
	CONFIG_RUN_DIR_TMP /* anyone may create names there: only if config_run_dir_is_ours */
};
struct config_run_dirs {
	struct config_run_dir {
		enum config_run_dir_kind kind;
		char path[CONFIG_RUN_DIR_SIZE];
	} items[CONFIG_RUN_DIR_TMP + 1];
	size_t count; /* at least one */
};
/* xdg: $XDG_RUNTIME_DIR; storage: a path; both may be NULL. */
void config_run_dirs(const char *xdg, const char *storage, struct config_run_dirs *ret);
/* run_dir is in use by another fly-atc, though nobody has said that it should be this one: becomes
 * the one in /tmp.  False: it was said, or that one cannot be used. */
bool config_move_run_dir(struct config *c) MUST_USE;
/* A real directory (not a link to one) of this user, in which nobody else can create names. */
bool config_run_dir_is_ours(const char *path);
/* Whether a socket in it may be asked: what others have put into /tmp is not trusted. */
bool config_run_dir_is_trusted(const struct config_run_dir *dir);

/* Reads everything and reports all faults, sorted by position.  NULL if there are errors.  The
 * result has one reference.  *faults is overwritten; release it with config_faults_done. */
struct config *config_load(
	const struct config_source *source, struct config_faults *faults) MUST_USE;
/* From any thread; both accept NULL. */
struct config *config_ref(struct config *c);
void config_unref(struct config *c);
/* Prints "file:line:column: error: text" lines. */
void config_faults_print(const struct config_faults *faults, int fd);
void config_faults_done(struct config_faults *faults);

/* The effective configuration with the origin of each value, as YAML with comments.  Secrets are
 * hidden; apart from them config_load reads it back to the same configuration. */
void config_dump(const struct config *c, struct buf *out);
/* What the proxy needs, in canonical form (without backup, commands and tenants' environments), and
 * back.  NULL if the text is not a snapshot; the reason is logged. */
void config_snapshot_write(const struct config *c, struct buf *out);
struct config *config_snapshot_read(str text) MUST_USE;
/* A slot that is kept for a tenant that is no longer in the configuration. */
struct slot_claim {
	str id;
	uint32_t slot;
};
/* Gives every tenant the slot that it had in `before` (may be NULL) or that it has a claim to, and
 * new ones a slot below `nslots` that is free, and was free in `before`.  -ENOSPC. */
int config_assign_slots(struct config *c, const struct config *before,
	const struct slot_claim *claims, size_t nclaims, uint32_t nslots) MUST_USE;
/* It is the `port` of a tenant: no other tenant is given it. */
static inline bool config_port_is_said(const struct config *c, unsigned port)
{
	return c->said_ports && (c->said_ports[port / 64] >> port % 64 & 1);
}
/* Whether a user, or a segment of a tenant's name, may be called so. */
bool config_segment_is_legal(str segment);
const struct tenant_conf *config_find_tenant(const struct config *c, str id);
/* A user of `users:`: it is a tenant itself, or has some (which may be none at present). */
enum config_user { CONFIG_USER_NONE, CONFIG_USER_ALONE, CONFIG_USER_TENANTS };
enum config_user config_find_user(const struct config *c, str name);
/* Whether there is a tenant of that id below `users:`. */
bool config_user_has_tenant(const struct config *c, str id);
/* What stands of a user or tenant, for lists of them. */
struct config_said {
	str user, id;		   /* of a tenant; empty: this is a user */
	str host, machine, region; /* what is said of it itself; empty: nothing */
	size_t ntenants;	   /* of a user */
	char where[32];		   /* "line 7", or "roster:12": the version of the roster */
};
typedef void config_said_fn(void *arg, const struct config_said *said);
/* Each user of `users:`, by name, and each tenant, by id. */
void config_each_user(const struct config *c, config_said_fn *fn, void *arg);
void config_each_tenant(const struct config *c, config_said_fn *fn, void *arg);
/* A map of settings in YAML, as JSON in which each scalar is a text or null; for the roster.  False
 * and the reason: it cannot be understood. */
bool config_settings_read(str yaml, struct buf *ret_json, struct buf *ret_reason) MUST_USE;
/* Or NULL. */
const struct machine_conf *config_find_machine(const struct config *c, str name);
/* Whether the tenant is served on this machine: it lives here, its region is ours and no machine of
 * it is known by name, or there is no fleet. */
bool config_is_here(const struct config *c, const struct tenant_conf *t);
/* The prefix of the paths that the application sees; empty: none. */
static inline str config_seen_prefix(const struct tenant_conf *t)
{
	return t->app->prefix == PREFIX_PASS ? t->prefix : STR_EMPTY;
}
/* Settings with flag RESTART that differ: their names ("server.http_port, backup.url"), for the log
 * of a reload. */
void config_needs_restart(
	const struct config *before, const struct config *after, struct buf *ret_names);

/* Variables that every tenant's application is told, beside those of its databases and of its
 * framework: told.def. */
enum told {
#define TOLD(name, is_for_single, doc) TOLD_##name,
#include "config/told.def"
	NTOLD
};
const char *config_told_name(enum told told);
/* Whether the application is told a variable of this name, which command, prepare and env may
 * use. */
bool config_is_told(const struct app_conf *app, str name);

/* A word of command or prepare, or a value of env, for one tenant: ${tenant.id}, user, name, dir,
 * port, prefix, host, url, database.NAME, variables that the application is told, whose values are
 * in `told` (NAME=value, NULL-ended), and $$.  A new string; free() it. */
char *config_expand_tenant(
	str text, const struct tenant_conf *t, unsigned port, char *const *told) MUST_USE;
/* A word, or a value, of a hook of the machine.  A new string; free() it. */
char *config_expand_plain(str text) MUST_USE;
/* Absolute path of a database, and the value of its variable (url_template).  New strings; free()
 * them. */
char *config_database_path(const struct tenant_conf *t, const struct database_conf *db) MUST_USE;
char *config_database_url(const struct tenant_conf *t, const struct database_conf *db) MUST_USE;
/* True if the last of the patterns ("/path", "/prefix*", "*suffix") that matches a path has no "!"
 * before it. */
bool config_path_matches(const struct str_list *patterns, str path);
/* The pattern that decides, with its "!"; empty: none matches the path. */
str config_path_pattern(const struct str_list *patterns, str path);
/* What to write in place of the path of a tenant's database that is not known. */
#define CONFIG_NAME_ONE                                                                            \
	"name it, such as `databases: [{name: primary, path: data.sqlite3, env: DATABASE_PATH, "   \
	"url: \"{path}\"}]`"
/* The number of app_conf.stop_signal. */
int config_stop_signal(const struct app_conf *app);

/* The tables of all settings, for docs/configuration.md and fly-atc.yml(5). */
enum config_keys_format { CONFIG_KEYS_MARKDOWN, CONFIG_KEYS_MDOC };
void config_keys_write(enum config_keys_format format, struct buf *out);
/* The table of the variables of told.def, likewise. */
void config_told_write(enum config_keys_format format, struct buf *out);
/* The tables of presets and of their databases, in Markdown. */
void config_presets_write(struct buf *out);
void config_databases_write(struct buf *out);
