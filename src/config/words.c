/* words.c - the words of a command written as one text, quoted as in a shell but without a shell's
 * expansions. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

struct splitter {
	struct loader *ld;
	struct place place;
	str name; /* of the setting */
	str text;
	size_t at;
	struct buf word; /* a template */
	struct str_list words;
	size_t cap;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool refuse_words(struct splitter *s, const char *why)
{
	fault_at(s->ld, s->place, STR_FMT ": %s", STR_ARG(s->name), why);
	return false;
}

/* ${…} is copied whole, whatever quotes are around and inside it. */
static bool take_braced(struct splitter *s)
{
	str inside;

	if (!expand_braced(s->text, s->at, &inside))
		return refuse_words(s, "${ without }; write $$ for a dollar sign");
	buf_printf(&s->word, "${" STR_FMT "}", STR_ARG(inside));
	s->at += inside.n + 3;
	return true;
}

static void take_escaped(struct splitter *s)
{
	char c = s->text.p[s->at++];

	if (c == '$')
		buf_add_char(&s->word, '$');
	buf_add_char(&s->word, c);
}

static bool starts_braced(const struct splitter *s)
{
	return str_starts(str_slice(s->text, s->at, s->text.n), STR("${"));
}

/* "$$" is one unit: its second half begins nothing. */
static bool take_doubled_dollar(struct splitter *s)
{
	if (!str_starts(str_slice(s->text, s->at, s->text.n), STR("$$")))
		return false;
	buf_add(&s->word, STR("$$"));
	s->at += 2;
	return true;
}

/* After an opening quote, up to and including the closing one. */
static bool take_quoted(struct splitter *s, char quote)
{
	while (s->at < s->text.n && s->text.p[s->at] != quote) {
		char c = s->text.p[s->at];
		char next = s->at + 1 < s->text.n ? s->text.p[s->at + 1] : 0;

		if (take_doubled_dollar(s))
			continue;
		if (starts_braced(s)) {
			if (!take_braced(s))
				return false;
		} else if (quote == '"' && c == '\\' &&
			   (next == '"' || next == '\\' || next == '$')) {
			s->at++;
			take_escaped(s);
		} else {
			buf_add_char(&s->word, c);
			s->at++;
		}
	}
	if (s->at == s->text.n)
		return refuse_words(s, "a quote is not closed");
	s->at++;
	return true;
}

static bool take_unquoted(struct splitter *s)
{
	char c = s->text.p[s->at];
	char next = s->at + 1 < s->text.n ? s->text.p[s->at + 1] : 0;

	if (take_doubled_dollar(s))
		return true;
	if (starts_braced(s))
		return take_braced(s);
	s->at++;
	if (c == '\'' || c == '"')
		return take_quoted(s, c);
	if (c == '\\') {
		if (s->at == s->text.n)
			return refuse_words(s, "a backslash ends the command");
		take_escaped(s);
		return true;
	}
	if (strchr("|&;<>()`", c))
		return refuse_words(s, "this needs a shell; write [sh, -c, \"…\"]");
	if (c == '$' && env_name_is_legal((str){&next, 1}))
		return refuse_words(s, "write ${NAME} for a variable, or $$ for a dollar sign");
	buf_add_char(&s->word, c);
	return true;
}

static bool take_word(struct splitter *s)
{
	str word;

	buf_clear(&s->word);
	while (s->at < s->text.n && !is_space(s->text.p[s->at]))
		if (!take_unquoted(s))
			return false;
	if (!expand_text(s->ld, buf_str(&s->word), true, s->place, &word))
		return false;
	if (s->words.count == s->cap) {
		str *more = arena_alloc(s->ld->arena, (s->cap + 8) * sizeof(*more));

		if (s->cap)
			memcpy(more, s->words.items, s->cap * sizeof(*more));
		s->words.items = more;
		s->cap += 8;
	}
	s->words.items[s->words.count++] = word;
	return true;
}

static bool split(struct splitter *s)
{
	for (;;) {
		while (s->at < s->text.n && is_space(s->text.p[s->at]))
			s->at++;
		if (s->at == s->text.n)
			return true;
		if (!take_word(s))
			return false;
	}
}

bool words_split(struct loader *ld, str name, str text, struct place place, struct str_list *ret)
{
	struct splitter s = {.ld = ld, .place = place, .name = name, .text = text};
	bool is_ok = split(&s);

	buf_done(&s.word);
	if (!is_ok)
		return false;
	if (s.words.count) {
		str first = s.words.items[0];
		ssize_t equals = str_find_char(first, '=');

		if (equals > 0 && env_name_is_legal(str_slice(first, 0, (size_t)equals))) {
			fault_at(ld, place,
				"\"" STR_FMT "\" is a variable, not a program; put it into env:",
				STR_ARG(first));
			return false;
		}
	}
	*ret = s.words;
	return true;
}
