/* yaml.c - from the text of a file to a tree of nodes with their positions.
 *
 * libfyaml gives events; the tree is our own, because its documents look for duplicate keys one by
 * one (slow with many tenants), stop at the first one, and follow anchors, for which a
 * configuration has no use. */
/* SPDX-License-Identifier: MIT */
#include <libfyaml.h>

#include "config/config_int.h"

#define MAX_DEPTH 24

struct level {
	struct node *container, *last, *key; /* key: waits for its value */
};

struct builder {
	struct loader *ld;
	str text; /* the text that is parsed */
	struct node *root;
	struct level levels[MAX_DEPTH];
	size_t depth;
	struct place
		last; /* position of the last thing that had one, for values that are missing */
	bool is_over;
};

bool node_is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && !n->is_quoted &&
	       (!n->text.n || str_eq(n->text, STR("~")) || str_eq(n->text, STR("null")) ||
		       str_eq(n->text, STR("Null")) || str_eq(n->text, STR("NULL")));
}

const char *node_kind_text(const struct node *n)
{
	switch (n->kind) {
	case NODE_SCALAR:
		return node_is_null(n) ? "nothing" : "a text";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	}
	return "";
}

static struct place place_of_mark(const struct fy_mark *mark, struct place otherwise)
{
	if (!mark)
		return otherwise;
	return (struct place){PLACE_FILE, (unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

static struct node *node_new(struct builder *b, enum node_kind kind, struct place place)
{
	struct node *n = arena_zalloc(&b->ld->tree, sizeof(*n));

	n->kind = kind;
	n->place = b->last = place;
	n->text = STR_EMPTY;
	return n;
}

static void give_up_document(struct builder *b, struct place place, const char *why)
{
	fault_at(b->ld, place, "%s", why);
	b->is_over = true;
}

/* Puts a node where it belongs: root, entry of a list, key or value of a map. */
static void attach(struct builder *b, struct node *n)
{
	struct level *level;

	if (!b->depth) {
		b->root = n;
		return;
	}
	level = &b->levels[b->depth - 1];
	assert(level->container);
	if (level->container->kind == NODE_MAP) {
		if (!level->key) {
			if (n->kind != NODE_SCALAR)
				give_up_document(b, n->place, "a key must be a text");
			level->key = n;
			return;
		}
		n->key = level->key;
		level->key = NULL;
	}
	if (level->last)
		level->last->next = n;
	else
		level->container->first = n;
	level->last = n;
	level->container->count++;
}

static void open_container(struct builder *b, enum node_kind kind, const struct fy_mark *mark)
{
	struct node *n = node_new(b, kind, place_of_mark(mark, b->last));

	attach(b, n);
	if (b->depth == MAX_DEPTH) {
		give_up_document(b, n->place, "nested too deeply");
		return;
	}
	b->levels[b->depth++] = (struct level){.container = n};
}

/* Of entries with the same key the first one counts. */
static void drop_duplicates(struct builder *b, struct node *map)
{
	struct map seen = {0};
	struct node **link = &map->first;

	while (*link) {
		struct node *n = *link, *before = map_get(&seen, n->key->text);

		if (before) {
			fault_at(b->ld, n->key->place,
				"\"" STR_FMT "\" stands here again; it was on line %u",
				STR_ARG(n->key->text), before->key->place.line);
			*link = n->next;
			map->count--;
			continue;
		}
		map_put(&seen, n->key->text, n);
		link = &n->next;
	}
	map_done(&seen);
}

static void close_container(struct builder *b)
{
	struct node *n = b->levels[--b->depth].container;

	assert(n);
	if (n->kind == NODE_MAP)
		drop_duplicates(b, n);
}

/* Where the first line that is not blank begins, counted in blanks. */
static size_t indentation(str text)
{
	size_t blanks = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			blanks = 0;
		else if (text.p[i] == ' ')
			blanks++;
		else if (text.p[i] != '\r')
			break;
	}
	return blanks;
}

/* The lines of a block (| or >) are indented further than what they belong to.  libfyaml takes
 * others too, and then returns bytes that were never written. */
static bool block_is_indented(const struct builder *b, const struct fy_mark *mark)
{
	const struct level *level;
	const struct node *parent;

	if (!b->depth || !mark)
		return true;
	level = &b->levels[b->depth - 1];
	parent = level->key ? level->key : level->container;
	assert(parent);
	return indentation(str_slice(b->text, mark->input_pos, b->text.n)) >= parent->place.column;
}

static void add_scalar(struct builder *b, const struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
	struct place place = place_of_mark(token ? fy_token_start_mark(token) : NULL, b->last);
	struct node *n;
	size_t length = 0;
	const char *text = token ? fy_token_get_text(token, &length) : NULL;

	/* The mark is after the quote. */
	if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
		place.column--;
	n = node_new(b, NODE_SCALAR, place);
	n->is_quoted = style != FYSS_PLAIN;
	if (text)
		n->text = arena_dup(&b->ld->tree, (str){text, length});
	if (length && (style == FYSS_LITERAL || style == FYSS_FOLDED) &&
		!block_is_indented(b, fy_token_start_mark(token)))
		give_up_document(
			b, n->place, "the lines of this text must be indented deeper than its key");
	else if (text && memchr(text, 0, length))
		fault_at(b->ld, n->place, "a text must not contain the character NUL");
	attach(b, n);
}

/* Marks of anchors and aliases are after their first character, those of tags are not. */
static void refuse_token(
	struct builder *b, struct fy_token *token, unsigned behind, const char *what)
{
	struct place place;

	if (!token)
		return;
	place = place_of_mark(fy_token_start_mark(token), b->last);
	place.column -= behind;
	fault_at(b->ld, place, "%s are not understood here; write the value out", what);
}

static void on_yaml_event(struct builder *b, struct fy_event *event)
{
	struct node *n;

	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (b->root)
			give_up_document(b, place_of_mark(fy_event_start_mark(event), b->last),
				"a second document; a configuration is one");
		break;
	case FYET_SCALAR:
		refuse_token(b, event->scalar.anchor, 1, "anchors (&)");
		refuse_token(b, event->scalar.tag, 0, "tags (!)");
		add_scalar(b, event);
		break;
	case FYET_ALIAS:
		refuse_token(b, event->alias.anchor, 1, "aliases (*)");
		n = node_new(b, NODE_SCALAR, place_of_mark(fy_event_start_mark(event), b->last));
		n->is_bad = true;
		attach(b, n);
		break;
	case FYET_MAPPING_START:
		refuse_token(b, event->mapping_start.anchor, 1, "anchors (&)");
		refuse_token(b, event->mapping_start.tag, 0, "tags (!)");
		open_container(b, NODE_MAP, fy_event_start_mark(event));
		break;
	case FYET_SEQUENCE_START:
		refuse_token(b, event->sequence_start.anchor, 1, "anchors (&)");
		refuse_token(b, event->sequence_start.tag, 0, "tags (!)");
		open_container(b, NODE_LIST, fy_event_start_mark(event));
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		close_container(b);
		break;
	default: /* not our enum: the ends of stream and document mean nothing */
		break;
	}
}

/* What libfyaml reported. */
static void report_syntax(struct loader *ld, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *iterator = NULL;
	bool is_said = false;

	while ((error = fy_diag_errors_iterate(diag, &iterator))) {
		struct place place = {
			PLACE_FILE, (unsigned)MAX(error->line, 0), (unsigned)MAX(error->column, 0)};

		fault_at(ld, place, "%s", error->msg);
		is_said = true;
	}
	if (!is_said)
		fault_at(ld, (struct place){PLACE_FILE, 0, 0}, "not understood as YAML");
}

static bool check_characters(struct loader *ld, str text)
{
	struct place place = {PLACE_FILE, 1, 1};
	size_t bad = utf8_valid_length(text);

	if (bad == text.n)
		return true;
	for (size_t i = 0; i < bad; i++) {
		if (text.p[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	fault_at(ld, place, "the byte 0x%02x is not text (the file must be UTF-8)",
		(unsigned char)text.p[bad]);
	return false;
}

struct node *yaml_parse(struct loader *ld, str text, bool is_json)
{
	struct builder b = {.ld = ld, .text = text, .last = {PLACE_FILE, 1, 1}};
	struct fy_diag_cfg diag_cfg;
	struct fy_diag *diag;
	struct fy_parser *parser;
	struct fy_event *event;

	if (!check_characters(ld, text))
		return NULL;
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.level = FYET_ERROR;
	diag = fy_diag_create(&diag_cfg);
	assert(diag);
	fy_diag_set_collect_errors(diag, true);
	parser = fy_parser_create(&(struct fy_parse_cfg){
		.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
			 (is_json ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE),
		.diag = diag,
	});
	assert(parser);
	if (fy_parser_set_string(parser, text.p, text.n) < 0)
		b.is_over = true;
	while (!b.is_over && (event = fy_parser_parse(parser))) {
		on_yaml_event(&b, event);
		fy_parser_event_free(parser, event);
	}
	if (fy_parser_get_stream_error(parser)) {
		report_syntax(ld, diag);
		b.is_over = true;
	}
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return b.is_over ? NULL : b.root;
}
