/* framework.h - what frameworks expect from a program that runs and serves their applications:
 * frameworks.def.
 *
 * The only folder that names a framework.  It knows nothing of tenants and configurations; what it
 * needs to know of them comes as plain values. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

enum framework {
#define FRAMEWORK(name, word, ...) FRAMEWORK_##name,
#include "framework/frameworks.def"
	NFRAMEWORKS,
	FRAMEWORK_ANY = NFRAMEWORKS - 1 /* the last one: its values are the usual ones */
};
enum listen_how { LISTEN_TCP, LISTEN_FD, LISTEN_UNIX };
enum prefix_how { PREFIX_PASS, PREFIX_STRIP };

/* A database that applications have by default. */
struct framework_database {
	const char *name; /* NULL ends a list */
	const char *path; /* {environment} */
	bool has_backup;
};

enum framework_tell {
	TELL_NAMED,   /* the same, and command, prepare and env may name it */
	TELL_SET,     /* with tenants */
	TELL_DEFAULT, /* the same, unless it is in our own environment */
	TELL_ALWAYS   /* a single application too */
};
struct framework_variable {
	const char *name; /* NULL ends a list */
	enum framework_tell how;
	const char *value; /* {environment} {prefix} {pid_file} */
	const char *doc;   /* TELL_NAMED: what it is, for the manual */
};

/* Where an application is. */
struct framework_place {
	str environment; /* "production" */
	str dir;	 /* the tenant's */
	str prefix;	 /* of the paths that it sees; empty: none */
};
/* For its start, with tenants. */
struct framework_start {
	const char *run_dir; /* where framework_write has written */
	str prefix;	     /* as above */
	bool is_inherited;   /* descriptor 3 listens */
};
#define FRAMEWORK_WORDS 3 /* at most, beside those of the command */

/* A row of frameworks.def. */
struct preset {
	const char *word;
	const char *recognised_by, *example, *mode;
	enum listen_how listen;
	enum prefix_how prefix;
	const char *prepare, *private_directories; /* words between blanks */
	const char *public, *health_check, *pid_file;
	const struct framework_database *databases; /* or NULL */
	const char *database_path, *database_variable, *url;
	const struct framework_variable *variables; /* or NULL */
	/* See framework_words and framework_write; or NULL. */
	size_t (*words)(
		char *const *argv, const struct framework_start *start, char *ret[FRAMEWORK_WORDS]);
	int (*write)(const char *run_dir);
};

const struct preset *framework_preset(enum framework f);
/* Of the application in this directory. */
enum framework framework_recognise(str root);
/* Their words, in order, NULL-ended; and for people: "a, b or c". */
const char *const *framework_names(void);
const char *framework_choice(void);
/* For routes, which are older than presets and were for one framework only. */
const struct preset *framework_of_routes(void);

/* NULL if there is none of this name. */
const struct framework_database *framework_find_database(enum framework f, str name);
/* The variable that names a database to an application, or NULL.  free() it. */
char *framework_database_variable(enum framework f, str name) MUST_USE;
/* Command, prepare and env may name the variable in an application of this framework. */
bool framework_names_variable(enum framework f, str name);

/* The value for an application; NULL: it must not have the variable, since it sees no prefix.
 * free() it. */
char *framework_value(enum framework f, const struct framework_variable *v,
	const struct framework_place *place) MUST_USE;
/* "<dir>/tmp/pids/server.pid", or NULL if it has none.  free() it. */
char *framework_pid_file(enum framework f, str dir) MUST_USE;

/* {name} becomes the value of that fact; other braces stay. */
struct framework_fact {
	const char *name;
	str value;
};
void framework_fill(
	const char *text, const struct framework_fact *facts, size_t n, struct buf *out);

/* What to add to a command (argv, NULL-ended) so that the application it starts listens and serves
 * where it should.  The number of words; free() each. */
size_t framework_words(enum framework f, char *const *argv, const struct framework_start *start,
	char *ret[FRAMEWORK_WORDS]);
/* Writes our own files for applications into run_dir.  0 or -errno. */
int framework_write(const char *run_dir) MUST_USE;

/* Whether any framework keeps such a folder in the tenant's directory: private directories; one for
 * temporary files; one for files that can be made again, anywhere in it.  A folder that builds
 * fill. `folder` is one name; of private ones in any case. */
bool framework_has_private(str folder);
bool framework_is_passing(const char *folder);
bool framework_is_worthless(const char *folder);
bool framework_is_built(str folder);
