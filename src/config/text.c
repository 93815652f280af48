/* text.c - values as YAML, so that the loader reads the same values back. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/number.h"
#include "config/config_int.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (char_lower(c) >= 'a' && char_lower(c) <= 'z');
}

/* Would YAML read the bare text back as the same text (and not as nothing)? */
static bool is_plain(str s)
{
	if (!s.n || (!is_alnum(s.p[0]) && s.p[0] != '/') || str_eq_nocase(s, STR("null")))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (!s.p[i] || !strchr("_./-", s.p[i])))
			return false;
	return true;
}

void text_add(struct buf *out, str s)
{
	if (is_plain(s)) {
		buf_add(out, s);
		return;
	}
	json_str(&(struct json){.out = out}, NULL, s); /* which YAML reads as well */
}

void text_add_escaped(struct buf *out, str s)
{
	struct buf doubled = {0};

	for (size_t i = 0; i < s.n; i++)
		buf_add(&doubled, s.p[i] == '$' ? STR("$$") : str_slice(s, i, i + 1));
	text_add(out, buf_str(&doubled));
	buf_done(&doubled);
}

static void add_list(struct buf *out, const struct str_list *list, bool is_template)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			buf_add(out, STR(", "));
		(is_template ? text_add : text_add_escaped)(out, list->items[i]);
	}
	buf_add_char(out, ']');
}

static void add_port(struct buf *out, int64_t port)
{
	if (port > 0)
		buf_add_number(out, (uint64_t)port);
	else
		buf_add(out, port == CONFIG_PORT_AUTO ? STR("auto") : STR("any"));
}

void value_add(struct buf *out, const struct row *row, const void *value)
{
	char text[NUMBER_TEXT_MAX];

	switch (row->type) {
	case TYPE_BOOL:
		buf_add(out, *(const bool *)value ? STR("true") : STR("false"));
		break;
	case TYPE_INT:
		buf_printf(out, "%lld", (long long)*(const int64_t *)value);
		break;
	case TYPE_PORT:
		add_port(out, *(const int64_t *)value);
		break;
	case TYPE_MSEC:
		number_duration_text(*(const msec *)value, text);
		buf_add(out, str_of(text));
		break;
	case TYPE_SIZE:
		number_size_text(*(const uint64_t *)value, text);
		buf_add(out, str_of(text));
		break;
	case TYPE_STR:
	case TYPE_PATH:
		text_add_escaped(out, *(const str *)value);
		break;
	case TYPE_LIST:
		add_list(out, value, false);
		break;
	case TYPE_ARGV:
		add_list(out, value, true);
		break;
	case TYPE_MAP:
	case TYPE_HOOK:
		break; /* has lines of its own */
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
		buf_add(out, str_of(type_words(row->type)[*(const unsigned *)value]));
		break;
	}
}
