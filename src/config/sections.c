/* sections.c - entries of server:, app: and backup: into their rows, and the old names of the
 * prototype. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

static void set(struct loader *ld, const struct values *v, size_t i, const struct node *entry)
{
	const struct row *row = &v->section->rows[i];
	struct value_origin *origin = &v->origins[i];

	/* Two keys of one file for one setting: an old name and the new one. */
	if (!v->is_layer && origin->kind == ORIGIN_FILE) {
		fault_at(ld, entry->key->place, "%s: was set on %s already, as " STR_FMT,
			entry->key->text.p, line_text(ld, origin->at), STR_ARG(row->name));
		return;
	}
	*origin = (struct value_origin){ORIGIN_FILE, entry->key->place.line};
	if (!value_read(ld, row, entry, value_at(v, i)))
		return;
	row->check(ld, row, value_at(v, i), entry->place);
}

bool section_read_entry(struct loader *ld, const struct values *v, const struct node *entry)
{
	const struct row *row = section_find(v->section, entry->key->text);

	if (!row)
		return false;
	set(ld, v, row_index(v->section, row), entry);
	return true;
}

bool section_expects_map(struct loader *ld, const struct node *n)
{
	if (n->kind == NODE_MAP)
		return true;
	if (!n->is_bad && !node_is_null(n))
		fault_at(ld, n->place, "%s: expected a map, not %s",
			n->key ? n->key->text.p : "configuration", node_kind_text(n));
	return false;
}

static void read_upstream(struct loader *ld, const struct node *entry)
{
	if (str_eq(entry->key->text, STR("upstream_command")))
		ld->upstream_command = entry;
	else
		ld->upstream_args = entry;
}

/* upstream_command is one word, upstream_args are the rest. */
void upstream_finish(struct loader *ld)
{
	const struct node *command = ld->upstream_command, *args = ld->upstream_args;
	struct node list, word;
	struct node key;

	if (!command && args)
		fault_at(ld, args->key->place, "upstream_args: upstream_command is missing");
	if (!command)
		return;
	if (args && args->kind != NODE_LIST) {
		fault_at(ld, args->place, "upstream_args: expected a list of texts, not %s",
			node_kind_text(args));
		return;
	}
	key = *command->key;
	key.text = STR("command");
	word = *command;
	word.next = args ? args->first : NULL;
	list = (struct node){
		.kind = NODE_LIST, .place = command->place, .key = &key, .first = &word};
	list.count = 1 + (args ? args->count : 0);
	set(ld,
		&(struct values){&sections[SECTION_APP], ld->config->private->root.conf,
			ld->config->private->root.origins, false},
		APP_command, &list);
}

bool alias_read(struct loader *ld, const struct node *entry)
{
	static const struct alias {
		str old;
		enum section_id section;
		size_t row;
	} aliases[] = {
#define ALIAS(old, section, row) {STR_INIT(#old), SECTION_##section, section##_##row},
#include "config/aliases.def"
	};
	struct values server = server_values(ld->config),
		      app = app_values(&ld->config->private->root);
	bool is_known = false;

	if (str_eq(entry->key->text, STR("upstream_command")) ||
		str_eq(entry->key->text, STR("upstream_args"))) {
		read_upstream(ld, entry);
		return true;
	}
	for (size_t i = 0; i < NITEMS(aliases); i++) {
		if (!str_eq(entry->key->text, aliases[i].old))
			continue;
		set(ld, aliases[i].section == SECTION_APP ? &app : &server, aliases[i].row, entry);
		is_known = true;
	}
	return is_known;
}
