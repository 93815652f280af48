/* environment.c - settings from the environment: Thruster's variables with Thruster's parsing
 * rules.
 *
 * THRUSTER_K hides K merely by being set, whatever its value.  A value that cannot be parsed counts
 * as not set; Thruster ignores it silently, we warn. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/number.h"
#include "config/config_int.h"

static const struct place in_environment = {PLACE_ENVIRONMENT, 0, 0};

/* An optional sign and decimal digits. */
static bool read_go_int(str text, int64_t *ret)
{
	bool has_sign = text.n && (text.p[0] == '-' || text.p[0] == '+');
	uint64_t magnitude;

	if (number_parse(str_slice(text, has_sign, text.n), INT64_MAX, &magnitude) < 0)
		return false;
	*ret = has_sign && text.p[0] == '-' ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}

static bool read_go_bool(str text, bool *ret)
{
	static const str words[] = {STR_INIT("1"), STR_INIT("t"), STR_INIT("T"), STR_INIT("TRUE"),
		STR_INIT("true"), STR_INIT("True"), STR_INIT("0"), STR_INIT("f"), STR_INIT("F"),
		STR_INIT("FALSE"), STR_INIT("false"), STR_INIT("False")};

	for (size_t i = 0; i < NITEMS(words); i++) {
		if (str_eq(text, words[i])) {
			*ret = i < NITEMS(words) / 2;
			return true;
		}
	}
	return false;
}

static struct str_list read_comma_list(struct loader *ld, str text)
{
	struct str_list list = {arena_alloc(ld->arena, (text.n + 1) * sizeof(str)), 0};
	str part;

	while (str_split(&text, ',', &part)) {
		part = str_trim(part);
		if (part.n)
			list.items[list.count++] = arena_dup(ld->arena, part);
	}
	return list;
}

/* False: it cannot be parsed, and *ret_why says what was expected. */
static bool read_value(
	struct loader *ld, const struct row *row, str text, void *value, const char **ret_why)
{
	int64_t number;

	*ret_why = "a whole number";
	switch (row->type) {
	case TYPE_INT:
		return read_go_int(text, value);
	case TYPE_MSEC:
		*ret_why = "a whole number of seconds";
		if (!read_go_int(text, &number) || number > INT64_MAX / 1000)
			return false;
		*(msec *)value = (msec)MAX(number, 0) * 1000;
		return true;
	case TYPE_SIZE:
		*ret_why = "a whole number of bytes";
		if (!read_go_int(text, &number))
			return false;
		*(uint64_t *)value = (uint64_t)MAX(number, 0);
		return true;
	case TYPE_BOOL:
		*ret_why = "one of 1 t T TRUE true True 0 f F FALSE false False";
		return read_go_bool(text, value);
	case TYPE_LIST:
		*(struct str_list *)value = read_comma_list(ld, text);
		return true;
	case TYPE_PORT:
	case TYPE_STR:
	case TYPE_PATH:
	case TYPE_ENUM_LOG_LEVEL:
	case TYPE_ENUM_REPLAY:
	case TYPE_ENUM_CACHE:
	case TYPE_ENUM_FRAMEWORK:
	case TYPE_ENUM_START:
	case TYPE_ENUM_LISTEN:
	case TYPE_ENUM_PREFIX:
	case TYPE_ENUM_FILES:
	case TYPE_ENUM_TARGET:
	case TYPE_ENUM_ON_IDLE:
		return value_read_text(ld, row, text, value, ret_why);
	case TYPE_ARGV:
	case TYPE_MAP:
	case TYPE_HOOK:
		break; /* no row of these types has a variable */
	}
	return false;
}

static void read_variable(struct loader *ld, const struct values *v, size_t i, const char *name,
	const char *text, enum origin_kind kind)
{
	const struct row *row = &v->section->rows[i];
	/* Rows that share a variable are adjacent; it is reported once. */
	bool is_told = i && row[-1].env && strcmp(row[-1].env, row->env) == 0;
	const char *why;

	if (row->flags & SECRET)
		secret_variable_add(ld, str_of(name));
	if (utf8_valid_length(str_of(text)) != strlen(text)) {
		fault_at(ld, in_environment, "%s holds bytes that are not text", name);
		return;
	}
	if (!read_value(ld, row, str_of(text), value_at(v, i), &why)) {
		if (!is_told)
			warn_at(ld, in_environment, "%s=%s is not %s; it is ignored", name, text,
				why);
		return;
	}
	v->origins[i] = (struct value_origin){kind, 0};
	ld->variable = name;
	row->check(ld, row, value_at(v, i), in_environment);
	ld->variable = NULL;
}

static void read_row(struct loader *ld, const struct values *v, size_t i)
{
	const char *name = v->section->rows[i].env, *text;
	bool is_thrusters =
		v->section == &sections[SECTION_SERVER] || v->section == &sections[SECTION_APP];
	char prefixed[64];

	if (!name)
		return;
	snprintf(prefixed, sizeof(prefixed), "THRUSTER_%s", name);
	text = is_thrusters ? environment_get(ld, prefixed) : NULL;
	if (text) {
		read_variable(ld, v, i, prefixed, text, ORIGIN_THRUSTER);
		return;
	}
	text = environment_get(ld, name);
	/* Unlike in Thruster, an empty variable means nothing. */
	if (text && (*text || is_thrusters))
		read_variable(ld, v, i, name, text, ORIGIN_PLAIN);
}

void environment_read(struct loader *ld)
{
	struct values all[] = {server_values(ld->config), app_values(&ld->config->private->root),
		backup_values(ld->config), machine_values(ld->config)};

	for (size_t s = 0; s < NITEMS(all); s++)
		for (size_t i = 0; i < all[s].section->nrows; i++)
			read_row(ld, &all[s], i);
}
