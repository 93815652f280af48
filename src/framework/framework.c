/* framework.c - looks things up in frameworks.def, and fills in what they contain. */
/* SPDX-License-Identifier: MIT */
#include "framework/framework.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "framework/rackup.h"

#define DATABASES(...) ((const struct framework_database[]){__VA_ARGS__, {0}})
#define DATABASE(name_, path_, has_backup_)                                                        \
	{                                                                                          \
		.name = name_, .path = path_, .has_backup = has_backup_                            \
	}
#define VARIABLES(...) ((const struct framework_variable[]){__VA_ARGS__, {0}})
#define VARIABLE(how_, name_, value_)                                                              \
	{                                                                                          \
		.name = name_, .how = TELL_##how_, .value = value_                                 \
	}
#define NAMED(name_, value_, doc_)                                                                 \
	{                                                                                          \
		.name = name_, .how = TELL_NAMED, .value = value_, .doc = doc_                     \
	}

static const struct preset presets[] = {
#define FRAMEWORK(name, word_, ...) [FRAMEWORK_##name] = {.word = #word_, __VA_ARGS__},
#include "framework/frameworks.def"
};
static_assert(NITEMS(presets) == NFRAMEWORKS, "a preset for each framework");

static const char *const names[] = {
#define FRAMEWORK(name, word, ...) #word,
#include "framework/frameworks.def"
	NULL};

static const char *const passing[] = {
#define PASSING(name) name,
#include "framework/frameworks.def"
};
static const char *const worthless[] = {
#define WORTHLESS(name) name,
#include "framework/frameworks.def"
};
static const char *const built[] = {
#define BUILT(name) name,
#include "framework/frameworks.def"
};

const struct preset *framework_preset(enum framework f)
{
	assert(f < NFRAMEWORKS);
	return &presets[f];
}

enum framework framework_recognise(str root)
{
	char path[PATH_MAX];

	for (enum framework f = 0; f < FRAMEWORK_ANY; f++) {
		int n = snprintf(
			path, sizeof(path), STR_FMT "/%s", STR_ARG(root), presets[f].recognised_by);

		if (n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0)
			return f;
	}
	return FRAMEWORK_ANY;
}

const char *const *framework_names(void)
{
	return names;
}

const char *framework_choice(void)
{
	static const char choice[] =
#define FRAMEWORK(name, word, ...)	", " #word
#define LAST_FRAMEWORK(name, word, ...) " or " #word
#include "framework/frameworks.def"
		;

	return choice + strlen(", ");
}

const struct preset *framework_of_routes(void)
{
	return &presets[FRAMEWORK_RAILS];
}

/* --- databases and variables --- */

const struct framework_database *framework_find_database(enum framework f, str name)
{
	for (const struct framework_database *db = presets[f].databases; db && db->name; db++)
		if (str_eq(name, str_of(db->name)))
			return db;
	return NULL;
}

char *framework_database_variable(enum framework f, str name)
{
	const char *variable = presets[f].database_variable;
	char *text;

	if (!variable)
		return NULL;
	if (str_eq(name, STR("primary")))
		return xstrdup(variable);
	text = xasprintf(STR_FMT "_%s", STR_ARG(name), variable);
	for (size_t i = 0; i < name.n; i++)
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = (char)(text[i] - 'a' + 'A');
	return text;
}

bool framework_names_variable(enum framework f, str name)
{
	for (const struct framework_variable *v = presets[f].variables; v && v->name; v++)
		if (v->how == TELL_NAMED && str_eq(name, str_of(v->name)))
			return true;
	return false;
}

/* The fact whose name follows the brace at text[0], or NULL. */
static const struct framework_fact *fact_at(
	const char *text, const struct framework_fact *facts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(facts[i].name);

		if (strncmp(text + 1, facts[i].name, length) == 0 && text[1 + length] == '}')
			return &facts[i];
	}
	return NULL;
}

void framework_fill(const char *text, const struct framework_fact *facts, size_t n, struct buf *out)
{
	while (*text) {
		const struct framework_fact *fact = *text == '{' ? fact_at(text, facts, n) : NULL;

		if (fact) {
			buf_add(out, fact->value);
			text += strlen(fact->name) + strlen("{}");
		} else {
			buf_add_char(out, *text++);
		}
	}
}

char *framework_pid_file(enum framework f, str dir)
{
	const char *name = presets[f].pid_file;

	return name ? xasprintf(STR_FMT "/%s", STR_ARG(dir), name) : NULL;
}

char *framework_value(
	enum framework f, const struct framework_variable *v, const struct framework_place *place)
{
	CLEAN_FREE char *pid_file = framework_pid_file(f, place->dir);
	const struct framework_fact facts[] = {{"environment", place->environment},
		{"prefix", place->prefix}, {"pid_file", pid_file ? str_of(pid_file) : STR_EMPTY}};
	struct buf out = {0};
	char *value;

	if (!place->prefix.n && strstr(v->value, "{prefix}"))
		return NULL;
	framework_fill(v->value, facts, NITEMS(facts), &out);
	value = str_dup(buf_str(&out));
	buf_done(&out);
	return value;
}

/* --- what only one of them needs --- */

size_t framework_words(enum framework f, char *const *argv, const struct framework_start *start,
	char *ret[FRAMEWORK_WORDS])
{
	return presets[f].words ? presets[f].words(argv, start, ret) : 0;
}

int framework_write(const char *run_dir)
{
	int r = 0;

	for (enum framework f = 0; f < NFRAMEWORKS && r == 0; f++)
		if (presets[f].write)
			r = presets[f].write(run_dir);
	return r;
}

/* --- what any of them leaves in the tenant's directory --- */

static bool is_in(str word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, str_of(list[i])))
			return true;
	return false;
}

bool framework_has_private(str folder)
{
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const char *text = presets[f].private_directories;
		str rest = text ? str_of(text) : STR_EMPTY, word;

		while (str_split(&rest, ' ', &word))
			if (str_eq_nocase(folder, word))
				return true;
	}
	return false;
}

bool framework_is_passing(const char *folder)
{
	return is_in(str_of(folder), passing, NITEMS(passing));
}

bool framework_is_worthless(const char *folder)
{
	return is_in(str_of(folder), worthless, NITEMS(worthless));
}

bool framework_is_built(str folder)
{
	return is_in(folder, built, NITEMS(built));
}
