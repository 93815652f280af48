/* settings.c - settings as somebody wrote them, in the one form that the roster keeps. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "config/config_int.h"

/* Every scalar is a text, since the loader takes texts only; nothing is null. */
static void write_node(struct json *j, const struct node *n)
{
	switch (n->kind) {
	case NODE_SCALAR:
		if (node_is_null(n))
			json_none(j, NULL);
		else
			json_str(j, NULL, n->text);
		break;
	case NODE_LIST:
		json_open_array(j, NULL);
		node_foreach(inner, n) write_node(j, inner);
		json_close_array(j);
		break;
	case NODE_MAP:
		json_open_object(j, NULL);
		node_foreach(inner, n)
		{
			json_name(j, inner->key->text);
			write_node(j, inner);
		}
		json_close_object(j);
		break;
	}
}

bool config_settings_read(str yaml, struct buf *ret_json, struct buf *ret_reason)
{
	struct config_faults faults = {.arena = xcalloc(1, sizeof(struct arena))};
	struct loader ld = {.faults = &faults, .file = "settings"};
	const struct node *root = yaml_parse(&ld, yaml, false);
	bool is_sound = root && root->kind == NODE_MAP && !faults.errors;

	if (is_sound)
		write_node(&(struct json){.out = ret_json}, root);
	else if (faults.count)
		buf_add(ret_reason, faults.items[0].text);
	else
		buf_add(ret_reason, STR("expected a map, as {machine: m1}"));
	arena_done(&ld.tree);
	config_faults_done(&faults);
	return is_sound;
}
