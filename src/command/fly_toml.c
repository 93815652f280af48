/* fly_toml.c - finds one key in a TOML file without reading the rest of TOML. */
/* SPDX-License-Identifier: MIT */
#include "command/fly_toml.h"

#include "base/number.h"

#define KEY STR("kill_timeout")

struct toml_reader {
	str text;
	size_t at;
	unsigned line;
};

static bool is_at_end(const struct toml_reader *r)
{
	return r->at == r->text.n;
}

static char here(const struct toml_reader *r)
{
	return is_at_end(r) ? '\n' : r->text.p[r->at];
}

static void step_char(struct toml_reader *r)
{
	if (is_at_end(r))
		return;
	r->line += r->text.p[r->at] == '\n';
	r->at++;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct toml_reader *r)
{
	while (is_blank(here(r)))
		step_char(r);
}

/* Up to the end of the line, which stays. */
static void skip_line(struct toml_reader *r)
{
	while (here(r) != '\n')
		step_char(r);
}

static bool starts(const struct toml_reader *r, str s)
{
	return str_starts(str_slice(r->text, r->at, r->text.n), s);
}

static void skip_chars(struct toml_reader *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		step_char(r);
}

/* At its first quote; the text within, or nothing if it has no end. */
static str read_string(struct toml_reader *r)
{
	char quote = here(r);
	str three = quote == '"' ? STR("\"\"\"") : STR("'''");
	str end = starts(r, three) ? three : str_slice(three, 0, 1);
	size_t from;

	skip_chars(r, end.n);
	from = r->at;
	while (!is_at_end(r) && !starts(r, end) && !(end.n == 1 && here(r) == '\n')) {
		if (quote == '"' && here(r) == '\\')
			step_char(r);
		step_char(r);
	}
	if (!starts(r, end))
		return STR_EMPTY;
	skip_chars(r, end.n);
	return str_slice(r->text, from, r->at - end.n);
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* The text before the '=', of which only the first part matters: kill_timeout has no dot. */
static str read_key(struct toml_reader *r)
{
	size_t from = r->at;

	if (is_quote(here(r)))
		return read_string(r);
	while (here(r) != '=' && here(r) != '\n' && here(r) != '#' && !is_blank(here(r)))
		step_char(r);
	return str_slice(r->text, from, r->at);
}

/* One value, which may go over several lines. */
static void skip_value(struct toml_reader *r)
{
	int depth = 0;

	while (!is_at_end(r) && !(depth <= 0 && here(r) == '\n')) {
		char c = here(r);

		if (is_quote(c)) {
			(void)!read_string(r).n;
			continue;
		}
		if (c == '#') {
			skip_line(r);
			continue;
		}
		depth += (c == '[' || c == '{') - (c == ']' || c == '}');
		step_char(r);
	}
}

static str read_value(struct toml_reader *r)
{
	size_t from = r->at;

	if (is_quote(here(r)))
		return read_string(r);
	while (here(r) != '\n' && here(r) != '#')
		step_char(r);
	return str_trim(str_slice(r->text, from, r->at));
}

/* As Go writes it: "1m30s"; or seconds. */
static int read_length(str text, msec *ret)
{
	msec all = 0, part;

	if (!text.n)
		return -EINVAL;
	while (text.n) {
		size_t n = 0;

		while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
			n++;
		while (n < text.n && !(text.p[n] >= '0' && text.p[n] <= '9'))
			n++;
		if (number_parse_duration(str_slice(text, 0, n), &part) < 0)
			return -EINVAL;
		all += MIN(part, (msec)INT32_MAX);
		text = str_slice(text, n, text.n);
	}
	*ret = all;
	return 0;
}

int fly_toml_kill_timeout(str text, msec *ret, unsigned *ret_line)
{
	struct toml_reader r = {.text = text, .line = 1};

	for (; !is_at_end(&r); step_char(&r)) {
		str key;

		skip_blanks(&r);
		if (here(&r) == '[')
			break; /* the first table */
		key = read_key(&r);
		skip_blanks(&r);
		if (here(&r) != '=') {
			skip_line(&r);
			continue;
		}
		step_char(&r);
		skip_blanks(&r);
		if (str_eq(key, KEY)) {
			*ret_line = r.line;
			return read_length(read_value(&r), ret);
		}
		skip_value(&r);
	}
	return -ENOENT;
}
