/* emit.c - the effective configuration as YAML: for people (dump), for the proxy (snapshot), for
 * hashes.
 *
 * All three are written in the same order: sections with all rows; then users and tenants with what
 * differs from further out. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/hash.h"
#include "base/number.h"
#include "config/config_int.h"

enum purpose { FOR_PEOPLE, FOR_PROXY, FOR_HASH };

struct emitter {
	struct buf *out;
	const struct config *c;
	enum purpose purpose;
	unsigned depth;
	size_t line_start; /* of the line being written, for the column of the comment */
};

#define COMMENT_COLUMN 44

/* -- lines -- */

static void begin_line(struct emitter *e)
{
	e->line_start = buf_len(e->out);
	for (unsigned i = 0; i < e->depth; i++)
		buf_add(e->out, STR("  "));
}

static void end_line(struct emitter *e)
{
	buf_add_char(e->out, '\n');
}

static void begin_comment(struct emitter *e)
{
	do
		buf_add_char(e->out, ' ');
	while (buf_len(e->out) - e->line_start < COMMENT_COLUMN);
	buf_add(e->out, STR("# "));
}

static void add_file_line(struct emitter *e, unsigned line)
{
	if (line_is_roster(line))
		buf_printf(e->out, "roster:%u", line & ~ROSTER_LINES);
	else
		buf_printf(e->out, STR_FMT ":%u", STR_ARG(e->c->file), line);
}

static void end_line_from(struct emitter *e, unsigned line)
{
	if (e->purpose == FOR_PEOPLE && line) {
		begin_comment(e);
		add_file_line(e, line);
	}
	end_line(e);
}

static const char *const note_texts[] = {
#define NOTE(name, text) text,
#include "config/notes.def"
};
static_assert(NITEMS(note_texts) == NNOTES, "a text for each note");

static void end_line_with_origin(
	struct emitter *e, const struct row *row, struct value_origin origin)
{
	if (e->purpose == FOR_PEOPLE) {
		begin_comment(e);
		switch (origin.kind) {
		case ORIGIN_DEFAULT:
			buf_add(e->out, STR("default"));
			break;
		case ORIGIN_NOTE:
			buf_add(e->out, str_of(note_texts[origin.at]));
			break;
		case ORIGIN_PRESET:
			buf_printf(e->out, "default for %s", framework_preset(origin.at)->word);
			break;
		case ORIGIN_RECOGNISED:
			buf_printf(e->out, "default: %s exists",
				framework_preset(origin.at)->recognised_by);
			break;
		case ORIGIN_MODE:
			buf_printf(e->out, "environment %s", framework_preset(origin.at)->mode);
			break;
		case ORIGIN_FILE:
			add_file_line(e, origin.at);
			break;
		case ORIGIN_PLAIN:
			buf_printf(e->out, "environment %s", row->env);
			break;
		case ORIGIN_THRUSTER:
			buf_printf(e->out, "environment THRUSTER_%s", row->env);
			break;
		case ORIGIN_COMMAND:
			buf_add(e->out, STR("command line"));
			break;
		}
		if (row->flags & EDGE)
			buf_add(e->out,
				STR("; without effect: TLS belongs to the platform's edge"));
	}
	end_line(e);
}

static bool sounds_secret(str name)
{
	static const char *const words[] = {
		"SECRET", "TOKEN", "PASSW", "KEY", "CREDENTIAL", "PRIVATE", "DSN", NULL};

	for (size_t i = 0; words[i]; i++)
		if (str_find(name, str_of(words[i])) >= 0)
			return true;
	return false;
}

static const struct env_var *find_variable(const struct env_list *list, str name)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (str_eq(list->items[i].name, name))
			return &list->items[i];
	return NULL;
}

/* Variables that differ from those further out. */
static void emit_variables(
	struct emitter *e, const struct env_list *list, const struct env_list *outer)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct env_var *var = &list->items[i],
				     *before = find_variable(outer, var->name);

		if (before && before->is_unset == var->is_unset &&
			str_eq(before->value, var->value))
			continue;
		begin_line(e);
		buf_printf(e->out, STR_FMT ": ", STR_ARG(var->name));
		if (var->is_unset)
			buf_add(e->out, STR("null"));
		else if (e->purpose == FOR_PEOPLE && sounds_secret(var->name))
			buf_add(e->out, STR("\"[hidden]\""));
		else
			text_add(e->out, var->value);
		end_line(e);
	}
}

/* A default without effect: of TLS, of a port that tenants do not use, of no
 * command. */
static bool means_nothing(
	const struct emitter *e, const struct row *row, struct value_origin origin)
{
	return origin.kind == ORIGIN_DEFAULT &&
	       ((row->flags & EDGE) || row == &sections[SECTION_APP].rows[APP_command] ||
		       (row == &sections[SECTION_SERVER].rows[SERVER_target_port] &&
			       !e->c->is_single));
}

static bool is_for(const struct emitter *e, const struct row *row, struct value_origin origin)
{
	switch (e->purpose) {
	case FOR_PEOPLE:
		return !means_nothing(e, row, origin);
	case FOR_PROXY:
		return !(row->flags & (SUPERVISOR | EDGE | SECRET));
	case FOR_HASH:
		return true;
	}
	return false;
}

static void emit_map(struct emitter *e, const struct env_list *list, const struct env_list *outer)
{
	e->depth++;
	emit_variables(e, list, outer);
	e->depth--;
}

static void emit_part(void *arg, const struct row *part, const void *value)
{
	struct emitter *e = arg;
	const struct env_list *list = part->type == TYPE_MAP ? value : NULL;

	begin_line(e);
	buf_printf(e->out, STR_FMT ": ", STR_ARG(part->name));
	if (!list)
		value_add(e->out, part, value);
	else if (!list->count)
		buf_add(e->out, STR("{}"));
	end_line(e);
	if (list)
		emit_map(e, list, NULL);
}

static void emit_hook(struct emitter *e, const struct row *row, const struct hook_conf *hook,
	struct value_origin origin)
{
	if (!hook->command.count)
		buf_add(e->out, STR(" []"));
	end_line_with_origin(e, row, origin);
	if (!hook->command.count)
		return;
	e->depth++;
	hook_emit(hook, emit_part, e);
	e->depth--;
}

static void emit_row(struct emitter *e, const struct row *row, const void *value, const void *outer,
	struct value_origin origin)
{
	bool is_hidden =
		e->purpose == FOR_PEOPLE && (row->flags & SECRET) && ((const str *)value)->n;

	begin_line(e);
	buf_printf(e->out, STR_FMT ":", STR_ARG(row->name));
	if (row->type == TYPE_MAP) {
		const struct env_list *list = value;

		if (!list->count)
			buf_add(e->out, STR(" {}"));
		end_line_with_origin(e, row, origin);
		emit_map(e, list, outer);
		return;
	}
	if (row->type == TYPE_HOOK) {
		emit_hook(e, row, value, origin);
		return;
	}
	buf_add_char(e->out, ' ');
	if (is_hidden)
		buf_add(e->out, STR("\"[hidden]\""));
	else
		value_add(e->out, row, value);
	end_line_with_origin(e, row, origin);
}

static void emit_section(
	struct emitter *e, enum section_id id, const void *base, const struct value_origin *origins)
{
	const struct section *s = &sections[id];

	buf_printf(e->out, STR_FMT ":\n", STR_ARG(s->name));
	e->depth++;
	for (size_t i = 0; i < s->nrows; i++)
		if (is_for(e, &s->rows[i], origins[i]))
			emit_row(e, &s->rows[i], (const char *)base + s->rows[i].offset, NULL,
				origins[i]);
	e->depth--;
}

static bool origins_equal(struct value_origin a, struct value_origin b)
{
	return a.kind == b.kind && a.at == b.at;
}

/* True if something in `layer` must be written where `outer` applies around it. */
static bool row_differs(const struct emitter *e, const struct row *row, size_t i,
	const struct app_layer *layer, const struct app_layer *outer)
{
	const void *a = (const char *)layer->conf + row->offset,
		   *b = (const char *)outer->conf + row->offset;

	if (!is_for(e, row, layer->origins[i]))
		return false;
	return !value_equal(row, a, b) ||
	       (e->purpose == FOR_PEOPLE && !origins_equal(layer->origins[i], outer->origins[i]));
}

/* -- databases -- */

static void emit_database(struct emitter *e, const struct database_conf *db)
{
	begin_line(e);
	buf_printf(e->out, STR_FMT ": {path: ", STR_ARG(db->name));
	text_add_escaped(e->out, db->path);
	buf_add(e->out, STR(", env: "));
	text_add(e->out, db->env);
	buf_add(e->out, STR(", url: "));
	text_add_escaped(e->out, db->url_template);
	buf_printf(e->out, ", backup: %s, required: %s}", db->has_backup ? "true" : "false",
		db->is_required ? "true" : "false");
	end_line(e);
}

static bool has_database(const struct app_conf *app, str name)
{
	for (size_t i = 0; i < app->ndatabases; i++)
		if (str_eq(app->databases[i].name, name))
			return true;
	return false;
}

static void emit_removed(struct emitter *e, const struct app_conf *app, str name)
{
	if (has_database(app, name))
		return;
	begin_line(e);
	buf_printf(e->out, STR_FMT ": null", STR_ARG(name));
	end_line(e);
}

/* Those that it has, then those that the framework or `outer` has and that are removed here. */
static void emit_databases(
	struct emitter *e, const struct app_layer *layer, const struct app_layer *outer)
{
	const struct app_conf *app = layer->conf;
	const struct framework_database *known = framework_preset(app->framework)->databases;
	unsigned line = layer->databases_place.line;

	begin_line(e);
	buf_add(e->out, STR("databases:"));
	if (line)
		end_line_from(e, line);
	else
		end_line_with_origin(e, &sections[SECTION_APP].rows[APP_framework],
			(struct value_origin){ORIGIN_DEFAULT, 0});
	e->depth++;
	for (size_t i = 0; i < app->ndatabases; i++)
		emit_database(e, &app->databases[i]);
	for (; known && known->name; known++)
		emit_removed(e, app, str_of(known->name));
	for (size_t i = 0; outer && i < outer->conf->ndatabases; i++)
		if (!framework_find_database(app->framework, outer->conf->databases[i].name))
			emit_removed(e, app, outer->conf->databases[i].name);
	e->depth--;
}

/* -- users and tenants -- */

static bool layer_differs(
	const struct emitter *e, const struct app_layer *layer, const struct app_layer *outer)
{
	if (layer == outer)
		return false;
	for (size_t i = 0; i < NAPP_ROWS; i++)
		if (row_differs(e, &sections[SECTION_APP].rows[i], i, layer, outer))
			return true;
	return e->purpose != FOR_PROXY && !databases_equal(layer->conf, outer->conf);
}

static void emit_layer(
	struct emitter *e, const struct app_layer *layer, const struct app_layer *outer)
{
	if (layer == outer)
		return;
	for (size_t i = 0; i < NAPP_ROWS; i++) {
		const struct row *row = &sections[SECTION_APP].rows[i];

		if (row_differs(e, row, i, layer, outer))
			emit_row(e, row, (const char *)layer->conf + row->offset,
				(const char *)outer->conf + row->offset, layer->origins[i]);
	}
	if (e->purpose != FOR_PROXY && !databases_equal(layer->conf, outer->conf))
		emit_databases(e, layer, outer);
}

static void emit_word(struct emitter *e, const char *key, str value, unsigned line)
{
	if (!line)
		return;
	begin_line(e);
	buf_printf(e->out, "%s: ", key);
	text_add_escaped(e->out, value);
	end_line_from(e, line);
}

static void emit_location(struct emitter *e, const struct setting_location *l)
{
	if (!l)
		return;
	emit_word(e, "host", l->host, l->host_line);
	emit_word(e, "machine", l->machine, l->machine_line);
	emit_word(e, "region", l->region, l->region_line);
}

static void emit_slot(struct emitter *e, const struct tenant_conf *t)
{
	if (e->purpose != FOR_PROXY)
		return;
	begin_line(e);
	buf_printf(e->out, "slot: %u\n", t->slot);
}

static void emit_tenant(
	struct emitter *e, const struct tenant_conf *t, const struct tenant_private *private)
{
	const struct app_layer *outer = private->user->layer;
	bool has_own = private->location || layer_differs(e, private->layer, outer);

	begin_line(e);
	text_add(e->out, t->name);
	buf_add_char(e->out, ':');
	if (!has_own && e->purpose == FOR_PROXY)
		buf_printf(e->out, " {slot: %u}", t->slot);
	end_line_from(e, private->place.line);
	if (!has_own)
		return;
	e->depth++;
	emit_slot(e, t);
	emit_location(e, private->location);
	emit_layer(e, private->layer, outer);
	e->depth--;
}

/* Index of the first tenant whose id is not smaller. */
static size_t lower_bound(const struct config *c, str id)
{
	size_t low = 0, high = c->ntenants;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(c->tenants[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_of_user(const struct config *c, size_t i, str name)
{
	str id = i < c->ntenants ? c->tenants[i].id : STR_EMPTY;

	return str_starts(id, name) && id.n > name.n && id.p[name.n] == '/';
}

static void emit_user(struct emitter *e, const struct user_conf *user)
{
	const struct config *c = e->c;
	size_t at = lower_bound(c, user->name);
	bool is_alone = at < c->ntenants && str_eq(c->tenants[at].id, user->name) &&
			c->private->tenants[at].user == user;
	struct buf first = {0};

	begin_line(e);
	text_add(e->out, user->name);
	buf_add_char(e->out, ':');
	end_line_from(e, user->place.line);
	e->depth++;
	emit_location(e, &user->location);
	emit_layer(e, user->layer, &c->private->root);
	if (is_alone) {
		emit_slot(e, &c->tenants[at]);
		e->depth--;
		return;
	}
	buf_printf(&first, STR_FMT "/", STR_ARG(user->name));
	at = lower_bound(c, buf_str(&first));
	buf_done(&first);
	begin_line(e);
	buf_add(e->out, is_of_user(c, at, user->name) ? STR("tenants:\n") : STR("tenants: {}\n"));
	e->depth++;
	for (; is_of_user(c, at, user->name); at++)
		if (c->private->tenants[at].user == user)
			emit_tenant(e, &c->tenants[at], &c->private->tenants[at]);
	e->depth -= 2;
}

static void emit_route(
	struct emitter *e, const struct tenant_conf *t, const struct tenant_private *private)
{
	begin_line(e);
	buf_add(e->out, STR("- endpoint: "));
	text_add(e->out, t->user.n ? t->id : STR_EMPTY);
	end_line_from(e, private->place.line);
	e->depth++;
	begin_line(e);
	buf_add(e->out, STR("name: "));
	text_add_escaped(e->out, t->name);
	end_line(e);
	emit_slot(e, t);
	emit_location(e, private->location);
	emit_layer(e, private->layer, &e->c->private->root);
	e->depth--;
}

static void emit_users(struct emitter *e)
{
	const struct config_private *private = e->c->private;

	if (!private->nusers)
		return;
	buf_add(e->out, STR("users:\n"));
	e->depth++;
	for (size_t i = 0; i < private->nusers; i++)
		emit_user(e, private->users[i]);
	e->depth--;
}

static void emit_routes(struct emitter *e)
{
	const struct config *c = e->c;
	bool is_first = true;

	for (size_t i = 0; i < c->ntenants && !c->is_single; i++) {
		if (c->private->tenants[i].user)
			continue;
		if (is_first)
			buf_add(e->out, STR("routes:\n"));
		is_first = false;
		e->depth++;
		emit_route(e, &c->tenants[i], &c->private->tenants[i]);
		e->depth--;
	}
}

/* -- the fleet -- */

static void add_words(struct emitter *e, const char *key, const struct str_list *words)
{
	buf_printf(e->out, "%s: [", key);
	for (size_t i = 0; i < words->count; i++) {
		buf_add(e->out, i ? STR(", ") : STR_EMPTY);
		text_add_escaped(e->out, words->items[i]);
	}
	buf_add_char(e->out, ']');
}

static void add_pair(struct emitter *e, const char *key, str value)
{
	buf_printf(e->out, "%s: ", key);
	text_add_escaped(e->out, value);
}

static void add_waking(struct emitter *e, const struct machine_conf *m)
{
	buf_add(e->out, STR(", wake: {"));
	switch (m->wake.how) {
	case MACHINE_WAKE_NONE:
		break;
	case MACHINE_WAKE_COMMAND:
		add_words(e, "command", &m->wake.command);
		break;
	case MACHINE_WAKE_HTTP:
		add_pair(e, "http", m->wake.http);
		break;
	case MACHINE_WAKE_WOL:
		add_pair(e, "wol", m->wake.wol);
		break;
	}
	buf_add_char(e->out, '}');
}

static void add_sleeping(struct emitter *e, const struct machine_conf *m)
{
	switch (m->sleep.how) {
	case MACHINE_SLEEP_NONE:
		break;
	case MACHINE_SLEEP_COMMAND:
		buf_add(e->out, STR(", sleep: {"));
		add_words(e, "command", &m->sleep.command);
		buf_add_char(e->out, '}');
		break;
	case MACHINE_SLEEP_EXIT:
		buf_add(e->out, STR(", sleep: exit"));
		break;
	}
}

static void emit_machine(struct emitter *e, const struct machine_conf *m)
{
	begin_line(e);
	text_add(e->out, m->name);
	buf_add(e->out, STR(": {"));
	add_pair(e, "address", m->address);
	buf_add(e->out, STR(", "));
	add_pair(e, "region", m->region);
	if (e->purpose != FOR_PROXY) {
		add_waking(e, m);
		add_sleeping(e, m);
	}
	buf_add_char(e->out, '}');
	end_line_from(e, m->line);
}

/* What the target found is no part of what was configured. */
static bool machine_is_for(const struct emitter *e, const struct machine_conf *m)
{
	return e->purpose == FOR_PROXY || !m->is_of_target;
}

static void emit_machines(struct emitter *e)
{
	const struct config *c = e->c;
	bool is_first = true;

	for (size_t i = 0; i < c->nmachines; i++) {
		if (!machine_is_for(e, &c->machines[i]))
			continue;
		buf_add(e->out, is_first ? STR("machines:\n") : STR_EMPTY);
		is_first = false;
		e->depth++;
		emit_machine(e, &c->machines[i]);
		e->depth--;
	}
}

static void emit_appliances(struct emitter *e)
{
	const struct config *c = e->c;

	if (c->nappliances)
		buf_add(e->out, STR("appliances:\n"));
	e->depth++;
	for (size_t i = 0; i < c->nappliances; i++) {
		const struct appliance_conf *a = &c->appliances[i];

		begin_line(e);
		text_add(e->out, a->pattern);
		buf_add(e->out, STR(": {"));
		add_pair(e, "app", a->app);
		if (a->region.n) {
			buf_add(e->out, STR(", "));
			add_pair(e, "region", a->region);
		}
		buf_add_char(e->out, '}');
		end_line_from(e, a->line);
	}
	e->depth--;
}

static void emit_all(struct emitter *e)
{
	const struct config *c = e->c;
	const struct config_private *private = c->private;

	emit_section(e, SECTION_SERVER, &c->server, private->server_origins);
	emit_section(e, SECTION_APP, &c->app, private->root.origins);
	if (e->purpose != FOR_PROXY) {
		e->depth++;
		emit_databases(e, &private->root, NULL);
		e->depth--;
		emit_section(e, SECTION_BACKUP, &c->backup, private->backup_origins);
	}
	emit_section(e, SECTION_MACHINE, &c->machine, private->machine_origins);
	emit_machines(e);
	emit_appliances(e);
	emit_users(e);
	emit_routes(e);
	if (!c->is_single && !c->ntenants && !private->nusers)
		buf_add(e->out, STR("users: {}\n"));
}

/* -- the three purposes -- */

void config_dump(const struct config *c, struct buf *out)
{
	struct emitter e = {.out = out, .c = c, .purpose = FOR_PEOPLE};

	if (c->file.n)
		buf_printf(
			out, "# The effective configuration of " STR_FMT ".\n", STR_ARG(c->file));
	else
		buf_add(out, STR("# The effective configuration; there is no file.\n"));
	emit_all(&e);
}

static void emit_meta(struct emitter *e, const char *key, str value)
{
	buf_printf(e->out, "  %s: ", key);
	text_add(e->out, value);
	end_line(e);
}

static void emit_our_machine(struct emitter *e)
{
	emit_meta(e, "our_machine", e->c->our_machine);
	emit_meta(e, "our_region", e->c->our_region);
	emit_meta(e, "our_app", e->c->our_app);
}

void config_snapshot_write(const struct config *c, struct buf *out)
{
	struct emitter e = {.out = out, .c = c, .purpose = FOR_PROXY};

	buf_add(out, STR("snapshot:\n"));
	emit_meta(&e, "file", c->file);
	emit_our_machine(&e);
	emit_meta(&e, "hop_key", c->hop_key);
	buf_printf(out, "  our_target: %u\n", c->target);
	buf_printf(out, "  version: %llu\n", (unsigned long long)c->version);
	if (c->is_single)
		buf_printf(out, "  single: %u\n", c->tenants[0].slot);
	emit_all(&e);
}

uint64_t config_hash(const struct config *c)
{
	struct buf text = {0};
	struct emitter e = {.out = &text, .c = c, .purpose = FOR_HASH};
	uint64_t hash;

	emit_our_machine(&e);
	emit_all(&e);
	hash = hash_keyed(buf_str(&text), CONFIG_HASH_KEYS);
	buf_done(&text);
	return hash;
}

uint64_t layer_hash(const struct config *c, const struct app_layer *layer)
{
	struct buf text = {0};
	struct emitter e = {.out = &text, .c = c, .purpose = FOR_HASH};
	uint64_t hash;

	for (size_t i = 0; i < NAPP_ROWS; i++) {
		const struct row *row = &sections[SECTION_APP].rows[i];

		if (row->flags & BOOT)
			emit_row(&e, row, (const char *)layer->conf + row->offset, NULL,
				layer->origins[i]);
	}
	emit_databases(&e, layer, NULL);
	hash = hash_keyed(buf_str(&text), CONFIG_HASH_KEYS);
	buf_done(&text);
	return hash;
}
