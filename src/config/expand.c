/* expand.c - ${VAR} from the environment while loading; ${tenant.x}, and variables that the
 * application is told, when a tenant is started. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"
#include "config/config_int.h"

#define DATABASE "tenant.database."

static const char *const tenant_words[] = {"tenant.id", "tenant.user", "tenant.name", "tenant.dir",
	"tenant.port", "tenant.prefix", "tenant.host", "tenant.url", NULL};

static bool names_database(str word)
{
	return str_starts(word, STR(DATABASE)) && word.n > strlen(DATABASE);
}

static str name_of_database(str word)
{
	return str_slice(word, strlen(DATABASE), word.n);
}

static bool is_tenant_word(str word)
{
	for (size_t i = 0; tenant_words[i]; i++)
		if (str_eq(word, str_of(tenant_words[i])))
			return true;
	return names_database(word);
}

static bool has_at(str text, size_t i, char c)
{
	return i < text.n && text.p[i] == c;
}

/* In a default "$$" and "$}" stand for the character after the dollar sign. */
static bool is_escape(str text, size_t i)
{
	return has_at(text, i, '$') && (has_at(text, i + 1, '$') || has_at(text, i + 1, '}'));
}

bool expand_braced(str text, size_t at, str *ret_inside)
{
	for (size_t i = at + 2; i < text.n; i++) {
		if (text.p[i] == '}') {
			*ret_inside = str_slice(text, at + 2, i);
			return true;
		}
		i += is_escape(text, i);
	}
	return false;
}

static bool has_braces(str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (has_at(text, i, '$') && has_at(text, i + 1, '{'))
			return true;
		i += is_escape(text, i);
	}
	return false;
}

const char *environment_get(const struct loader *ld, const char *name)
{
	size_t n = strlen(name);

	for (char *const *e = ld->source ? ld->source->environ : NULL; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

void secret_variable_add(struct loader *ld, str name)
{
	struct str_list *list = &ld->config->secret_variables, grown;

	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i], name))
			return;
	grown.items = arena_alloc(ld->arena, (list->count + 1) * sizeof(str));
	if (list->count)
		memcpy(grown.items, list->items, list->count * sizeof(str));
	grown.items[list->count] = arena_dup(ld->arena, name);
	grown.count = list->count + 1;
	*list = grown;
}

bool env_name_is_legal(str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_letter = (char_lower(c) >= 'a' && char_lower(c) <= 'z') || c == '_';

		if (!is_letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.n > 0;
}

/* Adds a value as it is, or so that a template gives it back. */
static void add_value(struct buf *out, str value, bool is_template)
{
	for (size_t i = 0; i < value.n; i++) {
		if (is_template && value.p[i] == '$')
			buf_add_char(out, '$');
		buf_add_char(out, value.p[i]);
	}
}

static void fault_unknown_word(struct loader *ld, struct place place, str word)
{
	str nearest = nearest_word(word, tenant_words);
	struct buf all = {0};

	for (size_t i = 0; tenant_words[i]; i++)
		buf_printf(&all, "${%s}, ", tenant_words[i]);
	if (nearest.n)
		fault_at(ld, place, "${" STR_FMT "} is unknown; did you mean ${" STR_FMT "}?",
			STR_ARG(word), STR_ARG(nearest));
	else
		fault_at(ld, place,
			"${" STR_FMT "} is unknown; there are " STR_FMT "and ${" DATABASE "NAME}",
			STR_ARG(word), STR_ARG(buf_str(&all)));
	buf_done(&all);
}

static bool add_tenant_word(
	struct loader *ld, struct buf *out, str word, bool is_template, struct place place)
{
	if (!is_template) {
		fault_at(ld, place,
			"${" STR_FMT "} may stand in command, prepare, hooks and env only",
			STR_ARG(word));
		return false;
	}
	if (!is_tenant_word(word)) {
		fault_unknown_word(ld, place, word);
		return false;
	}
	buf_printf(out, "${" STR_FMT "}", STR_ARG(word));
	return true;
}

struct variable {
	str name, fallback;
	bool has_fallback;
};

static struct variable variable_of(str inside)
{
	ssize_t colon = str_find(inside, STR(":-"));

	if (colon < 0)
		return (struct variable){inside, STR_EMPTY, false};
	return (struct variable){str_slice(inside, 0, (size_t)colon),
		str_slice(inside, (size_t)colon + 2, inside.n), true};
}

static void add_fallback(struct buf *out, str fallback, bool is_template)
{
	for (size_t i = 0; i < fallback.n; i++) {
		i += is_escape(fallback, i);
		add_value(out, str_slice(fallback, i, i + 1), is_template);
	}
}

/* Whether the tenant is told it will be known later: until then its other meaning is kept beside
 * it, as its default. */
static void add_reference(struct buf *out, const struct variable *v, const char *value)
{
	buf_printf(out, "${" STR_FMT, STR_ARG(v->name));
	if (value && (*value || !v->has_fallback)) {
		buf_add(out, STR(":-"));
		for (const char *p = value; *p; p++) {
			if (*p == '$' || *p == '}')
				buf_add_char(out, '$');
			buf_add_char(out, *p);
		}
	} else if (v->has_fallback) {
		buf_printf(out, ":-" STR_FMT, STR_ARG(v->fallback));
	}
	buf_add_char(out, '}');
}

/* VAR or VAR:-default. */
static bool add_variable(
	struct loader *ld, struct buf *out, str inside, bool is_template, struct place place)
{
	struct variable v = variable_of(inside);
	str name = v.name;
	CLEAN_FREE char *name0 = str_dup(name);
	const char *value;

	if (!env_name_is_legal(name)) {
		fault_at(ld, place,
			"\"" STR_FMT "\" is no name of a variable; write $$ for a dollar sign",
			STR_ARG(name));
		return false;
	}
	if (ld->reads_secret)
		secret_variable_add(ld, name);
	if (is_template && is_told_to_all(ld, name)) {
		buf_printf(out, "${" STR_FMT "}", STR_ARG(name));
		return true;
	}
	value = environment_get(ld, name0);
	if (value && utf8_valid_length(str_of(value)) != strlen(value)) {
		fault_at(ld, place, "the variable %s holds bytes that are not text", name0);
		return false;
	}
	if (is_template && may_be_told(ld, name)) {
		add_reference(out, &v, value);
		return true;
	}
	if (v.has_fallback && (!value || !*value)) {
		add_fallback(out, v.fallback, is_template);
		return true;
	}
	if (!value) {
		fault_at(ld, place, "the variable %s is not set; set it, or write ${%s:-default}%s",
			name0, name0,
			is_template && str_find(name, STR("DATABASE")) >= 0
				? ", or ${" DATABASE "NAME} for the path of a tenant's own"
				: "");
		return false;
	}
	add_value(out, str_of(value), is_template);
	return true;
}

static bool add_braced(
	struct loader *ld, struct buf *out, str inside, bool is_template, struct place place)
{
	if (has_braces(inside)) {
		fault_at(ld, place, "${…} within ${…} is not understood");
		return false;
	}
	if (str_starts(inside, STR("tenant.")))
		return add_tenant_word(ld, out, inside, is_template, place);
	return add_variable(ld, out, inside, is_template, place);
}

/* True even after a fault: the rest is looked at too. */
static bool expand_into(
	struct loader *ld, str text, bool is_template, struct place place, struct buf *out)
{
	bool is_ok = true;
	str inside;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '$') {
			buf_add_char(out, text.p[i]);
		} else if (has_at(text, i + 1, '$')) {
			buf_add(out, is_template ? STR("$$") : STR("$"));
			i++;
		} else if (!has_at(text, i + 1, '{')) {
			buf_add_char(out, '$');
		} else if (expand_braced(text, i, &inside)) {
			is_ok &= add_braced(ld, out, inside, is_template, place);
			i += inside.n + 2;
		} else {
			fault_at(ld, place, "${ without }; write $$ for a dollar sign");
			return false;
		}
	}
	return is_ok;
}

bool expand_text(struct loader *ld, str text, bool is_template, struct place place, str *ret)
{
	struct buf out = {0};
	bool is_ok = true;

	if (str_find_char(text, '$') < 0) {
		*ret = arena_dup(ld->arena, text);
		return true;
	}
	is_ok = expand_into(ld, text, is_template, place, &out);
	if (is_ok)
		*ret = arena_dup(ld->arena, buf_str(&out));
	buf_done(&out);
	return is_ok;
}

str expand_literal(struct loader *ld, str word)
{
	struct buf out = {0};
	str inside, result;

	for (size_t i = 0; i < word.n; i++) {
		bool is_ours = word.p[i] == '$' && has_at(word, i + 1, '{') &&
			       expand_braced(word, i, &inside) && is_tenant_word(inside) &&
			       !ld->source->is_thrust;

		if (word.p[i] == '$' && !is_ours)
			buf_add_char(&out, '$');
		buf_add_char(&out, word.p[i]);
	}
	result = arena_dup(ld->arena, buf_str(&out));
	buf_done(&out);
	return result;
}

static const struct database_conf *database_of(const struct app_conf *app, str word)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (str_eq(app->databases[i].name, name_of_database(word)))
			return &app->databases[i];
	return NULL;
}

/* If no host is known the address is the path alone. */
static void add_url(struct buf *out, const struct tenant_conf *t)
{
	if (t->host.n)
		buf_printf(out, "https://" STR_FMT, STR_ARG(t->host));
	buf_add(out, t->prefix);
}

static void add_tenant_value(struct buf *out, str word, const struct tenant_conf *t, str port)
{
	const struct {
		str word, value;
	} values[] = {
		{STR("tenant.id"), t->id},
		{STR("tenant.user"), t->user},
		{STR("tenant.name"), t->name},
		{STR("tenant.dir"), t->dir},
		{STR("tenant.port"), port},
		{STR("tenant.prefix"), t->prefix},
		{STR("tenant.host"), t->host},
	};
	const struct database_conf *db;

	for (size_t i = 0; i < NITEMS(values); i++)
		if (str_eq(word, values[i].word)) {
			buf_add(out, values[i].value);
			return;
		}
	db = names_database(word) ? database_of(t->app, word) : NULL;
	if (db)
		buf_printf(out, STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(db->path));
	else if (str_eq(word, STR("tenant.url")))
		add_url(out, t);
}

static bool names_host(str text)
{
	return str_find(text, STR("${tenant.host}")) >= 0 ||
	       str_find(text, STR("${tenant.url}")) >= 0;
}

bool words_name_host(const struct app_conf *app)
{
	const struct str_list *lists[] = {&app->command, &app->prepare};
	bool is_named = false;

	for (size_t l = 0; l < NITEMS(lists); l++)
		for (size_t i = 0; i < lists[l]->count; i++)
			is_named |= names_host(lists[l]->items[i]);
	for (size_t i = 0; i < app->env.count; i++)
		is_named |= names_host(app->env.items[i].value);
	return is_named; /* a hook that names it is no part of a running copy */
}

static bool is_unknown(str inside, const struct app_conf *app)
{
	struct variable v = variable_of(inside);

	if (names_database(inside))
		return !database_of(app, inside);
	return !is_tenant_word(inside) && !v.has_fallback && !config_is_told(app, v.name);
}

/* The first word of a template that names what the tenant does not have, or empty. */
static str unknown_word(str text, const struct app_conf *app)
{
	str inside;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '$')
			continue;
		if (has_at(text, i + 1, '$'))
			i++;
		else if (has_at(text, i + 1, '{') && expand_braced(text, i, &inside) &&
			 is_unknown(inside, app))
			return inside;
	}
	return STR_EMPTY;
}

str words_unknown(const struct app_conf *app)
{
	const struct str_list *lists[] = {&app->command, &app->prepare};
	const struct hook_conf *hooks[] = {&app->start_hook, &app->stop_hook};
	str word = STR_EMPTY;

	for (size_t l = 0; l < NITEMS(lists); l++)
		for (size_t i = 0; i < lists[l]->count && !word.n; i++)
			word = unknown_word(lists[l]->items[i], app);
	for (size_t i = 0; i < app->env.count && !word.n; i++)
		if (!app->env.items[i].is_unset)
			word = unknown_word(app->env.items[i].value, app);
	for (size_t h = 0; h < NITEMS(hooks); h++)
		for (size_t i = 0; i < hook_ntexts(hooks[h]) && !word.n; i++)
			word = unknown_word(hook_text(hooks[h], i), app);
	return word;
}

static void add_told_value(
	struct buf *out, str inside, const struct tenant_conf *t, char *const *told)
{
	struct variable v = variable_of(inside);

	if (!config_is_told(t->app, v.name)) {
		add_fallback(out, v.fallback, false);
		return;
	}
	for (; told && *told; told++) {
		str item = str_of(*told);

		if (str_starts(item, v.name) && has_at(item, v.name.n, '='))
			buf_add(out, str_slice(item, v.name.n + 1, item.n));
	}
}

char *config_expand_tenant(str text, const struct tenant_conf *t, unsigned port, char *const *told)
{
	char digits[20];
	str inside, port_text = {digits, number_write(digits, port)};
	struct buf out = {0};
	char *result;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '$' && has_at(text, i + 1, '{') &&
			expand_braced(text, i, &inside)) {
			if (is_tenant_word(inside))
				add_tenant_value(&out, inside, t, port_text);
			else
				add_told_value(&out, inside, t, told);
			i += inside.n + 2;
			continue;
		}
		buf_add_char(&out, text.p[i]);
		if (text.p[i] == '$' && has_at(text, i + 1, '$'))
			i++;
	}
	result = str_dup(buf_str(&out));
	buf_done(&out);
	return result;
}

char *config_expand_plain(str text)
{
	struct buf out = {0};
	char *result;

	for (size_t i = 0; i < text.n; i++) {
		buf_add_char(&out, text.p[i]);
		i += text.p[i] == '$' && has_at(text, i + 1, '$');
	}
	result = str_dup(buf_str(&out));
	buf_done(&out);
	return result;
}
