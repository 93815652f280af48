/* public_file.c - tries the names that a path may mean, and precompressed neighbours. */
/* SPDX-License-Identifier: MIT */
#include "content/public_file.h"

#include "content/mime.h"
#include "framework/framework.h"
#include "http/field.h"

#define HEX_MIN	  8  /* Propshaft */
#define HEX_MAX	  64 /* Sprockets: SHA-256 */
#define BUILT_LEN 8  /* Vite, esbuild */

/* --- names --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return char_lower(c) >= 'a' && char_lower(c) <= 'z';
}

/* Has both digits and letters, which words and dates do not. */
static bool is_mixed(str s)
{
	bool has_digit = false, has_letter = false;

	for (size_t i = 0; i < s.n; i++) {
		has_digit |= is_digit(s.p[i]);
		has_letter |= is_letter(s.p[i]);
	}
	return has_digit && has_letter;
}

static bool has_capital(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 'A' && s.p[i] <= 'Z')
			return true;
	return false;
}

static bool is_hex_digest(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]) && (s.p[i] < 'a' || s.p[i] > 'f'))
			return false;
	return s.n >= HEX_MIN && s.n <= HEX_MAX && is_mixed(s);
}

static bool is_built_digest(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]) && !is_letter(s.p[i]) && s.p[i] != '_')
			return false;
	return s.n == BUILT_LEN && is_mixed(s) && has_capital(s);
}

static bool is_below_build(str path)
{
	str rest = path, part;

	while (str_split(&rest, '/', &part))
		if (rest.n && framework_is_built(part))
			return true;
	return false;
}

static str last_part(str path)
{
	size_t start = path.n;

	while (start > 0 && path.p[start - 1] != '/')
		start--;
	return str_slice(path, start, path.n);
}

bool public_file_is_fingerprinted(str path)
{
	str name = last_part(path), stem;
	ssize_t dot = str_find_char(name, '.');
	bool is_built = is_below_build(path);

	if (dot <= 0)
		return false;
	stem = str_slice(name, 0, (size_t)dot);
	for (size_t i = 1; i < stem.n; i++) {
		str digest = str_slice(stem, i, stem.n);

		if (stem.p[i - 1] == '-' &&
			(is_hex_digest(digest) || (is_built && is_built_digest(digest))))
			return true;
	}
	return false;
}

static bool is_hidden(str path)
{
	str rest = path, part;

	if (str_starts(path, STR("/.well-known/")))
		rest = str_slice(path, STR("/.well-known/").n, path.n);
	while (str_split(&rest, '/', &part))
		if (str_starts(part, STR(".")))
			return true;
	return false;
}

/* --- the search --- */

struct search {
	struct open_files *files;
	int dir;
	msec now;
	struct arena *arena;
};

static str join_text(struct search *s, str a, str b)
{
	char *text = arena_alloc(s->arena, a.n + b.n);

	memcpy(mempcpy(text, a.p, a.n), b.p, b.n);
	return (str){text, a.n + b.n};
}

/* NONE: try another name.  FILE: *ret_file. */
static enum public_verdict look_up(struct search *s, str path, struct open_file **ret_file)
{
	struct open_file *f = open_files_get(s->files, s->dir, str_slice(path, 1, path.n), s->now);
	int error = f->error;

	if (f->fd >= 0) {
		*ret_file = f;
		return PUBLIC_FILE;
	}
	open_file_unref(f);
	return error == -EXDEV || error == -ELOOP || error == -EINVAL ? PUBLIC_REFUSED
								      : PUBLIC_NONE;
}

/* The file itself, or a page with that name.  *ret_path is the path of the file. */
static enum public_verdict look_for_page(
	struct search *s, str path, struct open_file **ret_file, str *ret_path)
{
	static const str endings[] = {STR_INIT(""), STR_INIT(".html"), STR_INIT("/index.html")};
	bool is_folder = str_ends(path, STR("/"));
	size_t count = mime_of(path).n ? 1 : NITEMS(endings);

	if (is_folder)
		path = str_slice(path, 0, path.n - 1);
	for (size_t i = is_folder ? 2 : 0; i < count; i++) {
		str name = i ? join_text(s, path, endings[i]) : path;
		enum public_verdict v = look_up(s, name, ret_file);

		if (v == PUBLIC_NONE)
			continue;
		*ret_path = name;
		return v;
	}
	return PUBLIC_NONE;
}

/* The neighbour that the client prefers replaces the file; among equals the first one, which is
 * usually the smallest.  That there is none is remembered as long as the file is believed. */
static void negotiate(struct search *s, str path, str accept_encoding, struct public_file *f)
{
	static const struct coding {
		str ending, name;
	} codings[] = {{STR_INIT(".br"), STR_INIT("br")}, {STR_INIT(".zst"), STR_INIT("zstd")},
		{STR_INIT(".gz"), STR_INIT("gzip")}};
	struct open_file *best = NULL, *neighbour;
	unsigned best_weight = 0, weight, present = 0;

	for (size_t i = 0; i < NITEMS(codings); i++) {
		if (f->file->knows_neighbours && !(f->file->neighbours & 1u << i))
			continue;
		if (look_up(s, join_text(s, path, codings[i].ending), &neighbour) != PUBLIC_FILE)
			continue;
		present |= 1u << i;
		weight = coding_weight(accept_encoding, codings[i].name);
		if (weight <= best_weight) {
			open_file_unref(neighbour);
			continue;
		}
		best_weight = weight;
		open_file_unref(best);
		best = neighbour;
		f->encoding = codings[i].name;
	}
	f->is_negotiated = present != 0;
	f->file->neighbours = present;
	f->file->knows_neighbours = true;
	if (best) {
		open_file_unref(f->file);
		f->file = best;
	}
}

enum public_verdict public_file_find(struct open_files *o, int dir, str path, str accept_encoding,
	struct arena *a, msec now, struct public_file *ret)
{
	struct search s = {.files = o, .dir = dir, .now = now, .arena = a};
	struct public_file f = {.encoding = STR_EMPTY};
	enum public_verdict v = look_for_page(&s, path, &f.file, &path);

	if (v != PUBLIC_FILE)
		return v;
	if (is_hidden(path)) {
		open_file_unref(f.file);
		return PUBLIC_REFUSED;
	}
	f.type = mime_of(path);
	f.is_immutable = public_file_is_fingerprinted(path);
	negotiate(&s, path, accept_encoding, &f);
	*ret = f;
	return PUBLIC_FILE;
}
