/* values.c - the types of settings: turns a file's node or a text into a value. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/number.h"
#include "config/config_int.h"

/* The words of each enum, in its order.  Every enum is stored as an unsigned int. */
static const char *const log_level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const replay_words[] = {"json", "header", NULL};
static const char *const cache_words[] = {"thruster", "rfc9111", "off", NULL};
static const char *const start_words[] = {"on_request", "at_boot", NULL};
static const char *const listen_words[] = {"tcp", "fd", "unix", NULL};
static const char *const prefix_words[] = {"pass", "strip", NULL};
static const char *const files_words[] = {"local", "none", NULL};
static const char *const target_words[] = {"auto", "fly", "hosts", "kubernetes", "none", NULL};
static const char *const on_idle_words[] = {"none", "suspend", "stop", "exit", NULL};
static_assert(
	sizeof(enum framework) == sizeof(unsigned) && sizeof(enum log_level) == sizeof(unsigned),
	"values of enums are written as unsigned int");
static_assert(NITEMS(log_level_words) == LOG_DEBUG + 2, "a word for each level");
static_assert(NITEMS(replay_words) == REPLAY_HEADER + 2, "a word for each form");
static_assert(NITEMS(cache_words) == CACHE_OFF + 2, "a word for each way");
static_assert(NITEMS(start_words) == START_AT_BOOT + 2, "a word for each start");
static_assert(NITEMS(listen_words) == LISTEN_UNIX + 2, "a word for each way");
static_assert(NITEMS(prefix_words) == PREFIX_STRIP + 2, "a word for each way");
static_assert(NITEMS(files_words) == FILES_NONE + 2, "a word for each care");
static_assert(NITEMS(on_idle_words) == ON_IDLE_EXIT + 2, "a word for each way");
static_assert(NITEMS(target_words) == TARGET_NONE + 2, "a word for each target");

const char *const *type_words(enum row_type type)
{
	switch (type) {
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_PORT:
	case TYPE_MSEC:
	case TYPE_SIZE:
	case TYPE_STR:
	case TYPE_PATH:
	case TYPE_LIST:
	case TYPE_ARGV:
	case TYPE_MAP:
	case TYPE_HOOK:
		return NULL;
	case TYPE_ENUM_LOG_LEVEL:
		return log_level_words;
	case TYPE_ENUM_REPLAY:
		return replay_words;
	case TYPE_ENUM_CACHE:
		return cache_words;
	case TYPE_ENUM_FRAMEWORK:
		return framework_names();
	case TYPE_ENUM_START:
		return start_words;
	case TYPE_ENUM_LISTEN:
		return listen_words;
	case TYPE_ENUM_PREFIX:
		return prefix_words;
	case TYPE_ENUM_FILES:
		return files_words;
	case TYPE_ENUM_TARGET:
		return target_words;
	case TYPE_ENUM_ON_IDLE:
		return on_idle_words;
	}
	return NULL;
}

static const char *type_text(enum row_type type)
{
	switch (type) {
	case TYPE_BOOL:
		return "true or false";
	case TYPE_INT:
		return "a whole number";
	case TYPE_PORT:
		return "any, auto or a port from 1 to 65535";
	case TYPE_MSEC:
		return "a duration such as 250ms, 5s, 10m, 2h or 1d, or a number of seconds";
	case TYPE_SIZE:
		return "a size such as 64MB or 512KiB, or a number of bytes";
	case TYPE_STR:
		return "a text";
	case TYPE_PATH:
		return "a path";
	case TYPE_LIST:
		return "a list of texts";
	case TYPE_ARGV:
		return "a command: a text or a list of words";
	case TYPE_MAP:
		return "a map of names and texts";
	case TYPE_HOOK:
		return "a command, or a map of command, timeout and env";
	case TYPE_ENUM_LOG_LEVEL:
		return "error, warn, info or debug";
	case TYPE_ENUM_REPLAY:
		return "json or header";
	case TYPE_ENUM_CACHE:
		return "thruster, rfc9111 or off";
	case TYPE_ENUM_FRAMEWORK:
		return framework_choice();
	case TYPE_ENUM_START:
		return "on_request or at_boot";
	case TYPE_ENUM_LISTEN:
		return "tcp, fd or unix";
	case TYPE_ENUM_PREFIX:
		return "pass or strip";
	case TYPE_ENUM_FILES:
		return "local or none";
	case TYPE_ENUM_TARGET:
		return "auto, fly, hosts, kubernetes or none";
	case TYPE_ENUM_ON_IDLE:
		return "suspend, stop, exit or none";
	}
	return "";
}

const char *type_name(enum row_type type)
{
	switch (type) {
	case TYPE_INT:
		return "number";
	case TYPE_PORT:
		return "any, auto or number";
	case TYPE_MSEC:
		return "duration";
	case TYPE_SIZE:
		return "size";
	case TYPE_STR:
		return "text";
	case TYPE_PATH:
		return "path";
	case TYPE_LIST:
		return "list";
	case TYPE_ARGV:
		return "command";
	case TYPE_MAP:
		return "map";
	case TYPE_HOOK:
		return "hook";
	case TYPE_BOOL:
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
		return type_text(type);
	}
	return "";
}

static int read_bool(str text, bool *ret)
{
	bool is_true =
		str_eq(text, STR("true")) || str_eq(text, STR("True")) || str_eq(text, STR("TRUE"));
	bool is_false = str_eq(text, STR("false")) || str_eq(text, STR("False")) ||
			str_eq(text, STR("FALSE"));

	if (!is_true && !is_false)
		return -EINVAL;
	*ret = is_true;
	return 0;
}

static int read_int(str text, int64_t *ret)
{
	bool is_negative = text.n && text.p[0] == '-';
	uint64_t magnitude;
	int r = number_parse(str_slice(text, is_negative, text.n), INT64_MAX, &magnitude);

	if (r == 0)
		*ret = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return r;
}

static int read_port(str text, int64_t *ret)
{
	uint64_t number;

	if (str_eq(text, STR("any")))
		*ret = CONFIG_PORT_ANY;
	else if (str_eq(text, STR("auto")))
		*ret = CONFIG_PORT_AUTO;
	else if (number_parse(text, 65535, &number) < 0 || !number)
		return -EINVAL;
	else
		*ret = (int64_t)number;
	return 0;
}

static int read_word(str text, const char *const *words, unsigned *ret)
{
	for (unsigned i = 0; words[i]; i++) {
		if (str_eq(text, str_of(words[i]))) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Also the prototype's numbers, which are those of Go's slog. */
static int read_log_level(str text, unsigned *ret)
{
	static const char *const numbers[] = {"8", "4", "0", "-4", NULL};

	return read_word(text, log_level_words, ret) == 0 ? 0 : read_word(text, numbers, ret);
}

str path_absolute(struct loader *ld, str path)
{
	struct buf out = {0};
	str rest = path, part, result;

	if (!path.n)
		return STR_EMPTY;
	if (path.p[0] != '/')
		buf_add(&out, str_of(ld->cwd));
	while (str_split(&rest, '/', &part)) {
		if (!part.n || str_eq(part, STR(".")))
			continue;
		if (!str_ends(buf_str(&out), STR("/")))
			buf_add_char(&out, '/');
		buf_add(&out, part);
	}
	if (!buf_len(&out))
		buf_add_char(&out, '/');
	result = arena_dup(ld->arena, buf_str(&out));
	buf_done(&out);
	return result;
}

/* Parts between commas and blanks. */
static struct str_list read_list(struct loader *ld, str text)
{
	struct str_list list = {0};
	size_t start = 0;

	list.items = arena_alloc(ld->arena, (text.n / 2 + 1) * sizeof(*list.items));
	for (size_t i = 0; i <= text.n; i++) {
		if (i < text.n && !strchr(", \t", text.p[i]))
			continue;
		if (i > start)
			list.items[list.count++] = arena_dup(ld->arena, str_slice(text, start, i));
		start = i + 1;
	}
	return list;
}

bool value_read_text(
	struct loader *ld, const struct row *row, str text, void *value, const char **ret_why)
{
	int r = 0;

	switch (row->type) {
	case TYPE_BOOL:
		r = read_bool(text, value);
		break;
	case TYPE_INT:
		r = read_int(text, value);
		break;
	case TYPE_PORT:
		r = read_port(text, value);
		break;
	case TYPE_MSEC:
		r = number_parse_duration(text, value);
		break;
	case TYPE_SIZE:
		r = number_parse_size(text, value);
		break;
	case TYPE_STR:
		*(str *)value = arena_dup(ld->arena, text);
		break;
	case TYPE_PATH:
		*(str *)value = path_absolute(ld, text);
		break;
	case TYPE_LIST:
		*(struct str_list *)value = read_list(ld, text);
		break;
	case TYPE_ARGV:
		*(struct str_list *)value = (struct str_list){0};
		break;
	case TYPE_MAP:
		*(struct env_list *)value = (struct env_list){0};
		break;
	case TYPE_HOOK:
		hook_set_none(ld, value);
		break;
	case TYPE_ENUM_LOG_LEVEL:
		r = read_log_level(text, value);
		break;
	case TYPE_ENUM_REPLAY:
	case TYPE_ENUM_CACHE:
	case TYPE_ENUM_FRAMEWORK:
	case TYPE_ENUM_START:
	case TYPE_ENUM_LISTEN:
	case TYPE_ENUM_PREFIX:
	case TYPE_ENUM_FILES:
	case TYPE_ENUM_TARGET:
	case TYPE_ENUM_ON_IDLE:
		r = read_word(text, type_words(row->type), value);
		break;
	}
	*ret_why = r == -ERANGE ? "a smaller number" : type_text(row->type);
	return r == 0;
}

static bool wrong_type(struct loader *ld, const struct row *row, const struct node *n)
{
	if (!n->is_bad)
		fault_at(ld, n->place, STR_FMT ": expected %s, not %s", STR_ARG(row->name),
			type_text(row->type), node_kind_text(n));
	return false;
}

static bool has_controls(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static bool no_controls(struct loader *ld, const struct row *row, str s, struct place place)
{
	if (!has_controls(s))
		return true;
	fault_at(ld, place, STR_FMT ": must be one line without control characters",
		STR_ARG(row->name));
	return false;
}

static bool read_scalar(struct loader *ld, const struct row *row, const struct node *n, void *value)
{
	const char *why;
	str text;

	if (n->kind != NODE_SCALAR || n->is_bad || node_is_null(n))
		return wrong_type(ld, row, n);
	if (!expand_text(ld, n->text, false, n->place, &text) ||
		!no_controls(ld, row, text, n->place))
		return false;
	if (value_read_text(ld, row, text, value, &why))
		return true;
	fault_at(ld, n->place, STR_FMT ": expected %s, not \"" STR_FMT "\"", STR_ARG(row->name),
		why, STR_ARG(text));
	return false;
}

/* A list of texts; in a command they are templates and may have several lines. */
static bool read_items(
	struct loader *ld, const struct row *row, const struct node *n, struct str_list *ret)
{
	bool is_template = row->type == TYPE_ARGV, is_ok = true;
	struct str_list list = {arena_alloc(ld->arena, n->count * sizeof(str)), 0};

	node_foreach(item, n)
	{
		str *text = &list.items[list.count++];

		if (item->kind != NODE_SCALAR || item->is_bad || node_is_null(item)) {
			if (!item->is_bad)
				fault_at(ld, item->place, STR_FMT ": expected a text, not %s",
					STR_ARG(row->name), node_kind_text(item));
			is_ok = false;
		} else if (!expand_text(ld, item->text, is_template, item->place, text) ||
			   (!is_template && !no_controls(ld, row, *text, item->place))) {
			is_ok = false;
		}
	}
	if (is_ok)
		*ret = list;
	return is_ok;
}

static bool read_argv(
	struct loader *ld, const struct row *row, const struct node *n, struct str_list *ret)
{
	if (n->kind == NODE_LIST) {
		if (!read_items(ld, row, n, ret))
			return false;
		if (!ret->count || ret->items[0].n)
			return true;
	} else if (n->kind == NODE_SCALAR && !n->is_bad && !node_is_null(n)) {
		if (!words_split(ld, row->name, n->text, n->place, ret))
			return false;
		if (ret->count && ret->items[0].n)
			return true;
	} else {
		return wrong_type(ld, row, n);
	}
	fault_at(ld, n->place, STR_FMT ": names no program", STR_ARG(row->name));
	return false;
}

static bool env_name_is_ours(str name)
{
	static const str ours[] = {STR_INIT("PORT"), STR_INIT("LISTEN_FDS"), STR_INIT("LISTEN_PID"),
		STR_INIT("LISTEN_FDNAMES"), STR_INIT("FLY_ATC_SCOPE"), STR_INIT("FLY_ATC_NAME")};

	for (size_t i = 0; i < NITEMS(ours); i++)
		if (str_eq(name, ours[i]))
			return true;
	return false;
}

static bool read_variable(struct loader *ld, const struct node *n, struct env_var *ret)
{
	str name = n->key->text;

	if (!env_name_is_legal(name)) {
		fault_at(ld, n->key->place,
			"env: \"" STR_FMT
			"\" is no name of a variable (letters, digits and _, no digit first)",
			STR_ARG(name));
		return false;
	}
	if (env_name_is_ours(name)) {
		fault_at(ld, n->key->place, "env: " STR_FMT " is set by fly-atc", STR_ARG(name));
		return false;
	}
	if (n->kind != NODE_SCALAR) {
		fault_at(ld, n->place, "env: " STR_FMT ": expected a text, not %s", STR_ARG(name),
			node_kind_text(n));
		return false;
	}
	*ret = (struct env_var){arena_dup(ld->arena, name), STR_EMPTY, node_is_null(n)};
	return !n->is_bad &&
	       (ret->is_unset || expand_text(ld, n->text, true, n->place, &ret->value));
}

static struct env_var *find_variable(const struct env_list *list, str name)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i].name, name))
			return &list->items[i];
	return NULL;
}

/* Joins the variables with those that *value has from further out. */
static bool read_env(
	struct loader *ld, const struct row *row, const struct node *n, struct env_list *value)
{
	struct env_list list;
	bool is_ok = true;

	if (node_is_null(n))
		return true;
	if (n->kind != NODE_MAP)
		return wrong_type(ld, row, n);
	list.items = arena_alloc(ld->arena, (value->count + n->count) * sizeof(*list.items));
	list.count = value->count;
	if (value->count)
		memcpy(list.items, value->items, value->count * sizeof(*list.items));
	node_foreach(entry, n)
	{
		struct env_var var, *known;

		if (!read_variable(ld, entry, &var)) {
			is_ok = false;
			continue;
		}
		known = find_variable(&list, var.name);
		*(known ? known : &list.items[list.count++]) = var;
	}
	if (is_ok)
		*value = list;
	return is_ok;
}

static bool read_any(struct loader *ld, const struct row *row, const struct node *n, void *value)
{
	switch (row->type) {
	case TYPE_LIST:
		return n->kind == NODE_LIST ? read_items(ld, row, n, value)
					    : read_scalar(ld, row, n, value);
	case TYPE_ARGV:
		return read_argv(ld, row, n, value);
	case TYPE_MAP:
		return read_env(ld, row, n, value);
	case TYPE_HOOK:
		return hook_read(ld, row, n, value);
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_PORT:
	case TYPE_MSEC:
	case TYPE_SIZE:
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
		return read_scalar(ld, row, n, value);
	}
	return false;
}

bool value_read(struct loader *ld, const struct row *row, const struct node *n, void *value)
{
	bool is_ok;

	ld->reads_secret = row->flags & SECRET;
	is_ok = read_any(ld, row, n, value);
	ld->reads_secret = false;
	return is_ok;
}

static bool lists_equal(const struct str_list *a, const struct str_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!str_eq(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool envs_equal(const struct env_list *a, const struct env_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!str_eq(a->items[i].name, b->items[i].name) ||
			a->items[i].is_unset != b->items[i].is_unset ||
			!str_eq(a->items[i].value, b->items[i].value))
			return false;
	return true;
}

bool value_equal(const struct row *row, const void *a, const void *b)
{
	switch (row->type) {
	case TYPE_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case TYPE_INT:
	case TYPE_PORT:
	case TYPE_MSEC:
	case TYPE_SIZE:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case TYPE_STR:
	case TYPE_PATH:
		return str_eq(*(const str *)a, *(const str *)b);
	case TYPE_LIST:
	case TYPE_ARGV:
		return lists_equal(a, b);
	case TYPE_MAP:
		return envs_equal(a, b);
	case TYPE_HOOK:
		return hook_equal(a, b);
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
		return *(const unsigned *)a == *(const unsigned *)b;
	}
	return false;
}
