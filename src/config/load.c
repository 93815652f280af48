/* load.c - from file, environment and command line to one immutable configuration. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"
#include "config/config_int.h"

#define MAX_FILE_BYTES (256u << 20)

static const char *const usual_files[] = {"config/atc.yml", "config/atc.yaml", "config/atc.json"};

static const struct place whole_file = {PLACE_FILE, 0, 0};

/* Which file, or NULL for none. */
static const char *choose_file(struct loader *ld)
{
	const char *chosen = NULL;

	if (ld->source->is_thrust)
		return NULL;
	if (ld->source->file)
		return ld->source->file;
	for (size_t i = 0; i < NITEMS(usual_files); i++) {
		if (access(usual_files[i], F_OK) < 0)
			continue;
		if (!chosen)
			chosen = usual_files[i];
		else
			warn_at(ld, whole_file, "%s is used, %s is there too and is not read",
				chosen, usual_files[i]);
	}
	return chosen;
}

/* The operator's file: it may even be a pipe. */
static bool read_config_file(struct loader *ld, struct buf *out)
{
	CLEAN_FD int fd = open(ld->file, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		fault_at(ld, whole_file, "cannot be opened: %m");
		return false;
	}
	r = file_read_from(fd, MAX_FILE_BYTES, out);
	if (r == -EFBIG)
		fault_at(ld, whole_file, "is larger than 256 MiB");
	else if (r < 0)
		fault_at(ld, whole_file, "cannot be read: %s", strerror(-r));
	return r == 0;
}

static void take_command_line(struct loader *ld)
{
	char *const *command = ld->source->command;
	struct app_layer *root = &ld->config->private->root;
	struct str_list words = {0};

	if (!command || !command[0])
		return;
	while (command[words.count])
		words.count++;
	words.items = arena_alloc(ld->arena, words.count * sizeof(str));
	for (size_t i = 0; i < words.count; i++)
		words.items[i] = expand_literal(ld, str_of(command[i]));
	root->conf->command = words;
	root->origins[APP_command] = (struct value_origin){ORIGIN_COMMAND, 0};
}

static bool read_snapshot_machine(struct config *c, str key, str value)
{
	if (str_eq(key, STR("our_machine")))
		c->our_machine = value;
	else if (str_eq(key, STR("our_region")))
		c->our_region = value;
	else if (str_eq(key, STR("our_app")))
		c->our_app = value;
	else if (str_eq(key, STR("hop_key")))
		c->hop_key = value;
	else
		return false;
	return true;
}

static void read_snapshot_head(struct loader *ld, const struct node *map)
{
	struct config *c = ld->config;
	uint64_t number;

	node_foreach(n, map)
	{
		str key = n->key->text, value = arena_dup(ld->arena, n->text);

		if (str_eq(key, STR("file")))
			c->file = value;
		else if (read_snapshot_machine(c, key, value))
			continue;
		else if (number_parse(value, UINT64_MAX, &number) < 0)
			fault_at(ld, n->place, "expected a whole number");
		else if (str_eq(key, STR("version")))
			c->version = number;
		else if (str_eq(key, STR("our_target")))
			c->target = number < TARGET_NONE ? (enum target_kind)number : TARGET_NONE;
		else if (str_eq(key, STR("single")))
			ld->single_slot = (uint32_t)number;
	}
}

/* The parts of a file, in the order in which they are needed. */
enum part {
	PART_SNAPSHOT,
	PART_SERVER,
	PART_APP,
	PART_BACKUP,
	PART_MACHINE,
	PART_MACHINES,
	PART_APPLIANCES,
	PART_USERS,
	PART_ROUTES,
	NPARTS
};
static const char *const part_names[NPARTS + 1] = {"snapshot", "server", "app", "backup", "machine",
	"machines", "appliances", "users", "routes", NULL};

static void find_parts(struct loader *ld, const struct node *root, const struct node *ret[NPARTS])
{
	if (!root || !section_expects_map(ld, root))
		return;
	node_foreach(n, root)
	{
		size_t part = ld->is_snapshot ? PART_SNAPSHOT : PART_SERVER;

		while (part < NPARTS && !str_eq(n->key->text, str_of(part_names[part])))
			part++;
		if (part < NPARTS)
			ret[part] = n;
		else
			fault_unknown_key(ld, n->key, NULL, part_names + PART_SERVER);
	}
}

static void read_server(struct loader *ld, const struct node *map)
{
	struct values values = server_values(ld->config);

	if (!map || !section_expects_map(ld, map))
		return;
	node_foreach(n, map) if (!section_read_entry(ld, &values, n) && !alias_read(ld, n))
		fault_unknown_key(ld, n->key, values.section, NULL);
	upstream_finish(ld);
}

static void read_app(struct loader *ld, const struct node *map)
{
	static const char *const databases[] = {"databases", NULL};
	struct app_layer *root = &ld->config->private->root;
	struct values values = app_values(root);

	if (!map || !section_expects_map(ld, map))
		return;
	node_foreach(n, map)
	{
		if (str_eq(n->key->text, STR("databases")))
			databases_read(ld, root, n);
		else if (!section_read_entry(ld, &values, n))
			fault_unknown_key(ld, n->key, values.section, databases);
	}
}

static void read_backup(struct loader *ld, const struct node *map)
{
	struct values values = backup_values(ld->config);

	if (!map || !section_expects_map(ld, map))
		return;
	node_foreach(n, map) if (!section_read_entry(ld, &values, n))
		fault_unknown_key(ld, n->key, values.section, NULL);
}

static void read_fleet(struct loader *ld, const struct node *const parts[NPARTS])
{
	if (parts[PART_MACHINE])
		machine_read(ld, parts[PART_MACHINE]);
	if (parts[PART_MACHINES])
		machines_read(ld, parts[PART_MACHINES]);
	if (parts[PART_APPLIANCES])
		appliances_read(ld, parts[PART_APPLIANCES]);
}

static void load_tree(struct loader *ld, const struct node *root)
{
	const struct node *parts[NPARTS] = {0};
	struct config *c = ld->config;

	find_parts(ld, root, parts);
	c->is_single = !parts[PART_USERS] && !(parts[PART_ROUTES] && parts[PART_ROUTES]->count);
	told_collect(ld, root);
	if (parts[PART_SNAPSHOT])
		read_snapshot_head(ld, parts[PART_SNAPSHOT]);
	read_server(ld, parts[PART_SERVER]);
	read_app(ld, parts[PART_APP]);
	read_backup(ld, parts[PART_BACKUP]);
	read_fleet(ld, parts);
	if (!ld->is_snapshot) {
		environment_read(ld);
		take_command_line(ld);
	}
	machines_derive(ld);
	server_derive(ld);
	backup_derive(ld);
	layer_derive(ld, &c->private->root);
	if (parts[PART_USERS])
		users_read(ld, parts[PART_USERS]);
	if (parts[PART_ROUTES])
		routes_read(ld, parts[PART_ROUTES]);
	if (c->is_single)
		single_add(ld);
	c->app = *c->private->root.conf;
	tenants_finish(ld);
	machines_place(ld);
}

static void begin_config(struct loader *ld)
{
	struct config *c = xcalloc(1, sizeof(*c));
	struct config_private *private = xcalloc(1, sizeof(*private));
	struct values server, app, backup, machine;

	MAGIC_BEGIN(private, CONFIG_MAGIC);
	c->private = private;
	atomic_init(&private->references, 1);
	ld->config = c;
	ld->arena = &private->arena;
	ld->cwd = getcwd(NULL, 0);
	if (!ld->cwd)
		ld->cwd = xstrdup("/");
	private->root.conf = arena_zalloc(ld->arena, sizeof(*private->root.conf));
	server = server_values(c);
	app = app_values(&private->root);
	backup = backup_values(c);
	machine = machine_values(c);
	values_set_defaults(ld, &server);
	values_set_defaults(ld, &app);
	values_set_defaults(ld, &backup);
	values_set_defaults(ld, &machine);
	c->file = c->our_machine = c->our_region = c->our_app = c->hop_key = STR_EMPTY;
	*ld->faults = (struct config_faults){.arena = xcalloc(1, sizeof(struct arena))};
}

/* Hands the configuration out, or NULL if there are errors. */
static struct config *finish_config(struct loader *ld)
{
	struct config *c = ld->config;

	faults_sort(ld->faults);
	arena_done(&ld->tree);
	free(ld->cwd);
	free(ld->machines);
	free(ld->users);
	free(ld->tenants);
	if (!ld->faults->errors)
		return c;
	config_unref(c);
	return NULL;
}

struct config *config_load(const struct config_source *source, struct config_faults *faults)
{
	struct loader ld = {.source = source, .faults = faults};
	struct node *root = NULL;
	struct buf text = {0};

	begin_config(&ld);
	ld.file = choose_file(&ld);
	if (ld.file) {
		ld.config->file = arena_dup(ld.arena, str_of(ld.file));
		if (read_config_file(&ld, &text))
			root = yaml_parse(
				&ld, buf_str(&text), str_ends(str_of(ld.file), STR(".json")));
	}
	/* Nobody knows what an unreadable file would have said: no guesses about the rest. */
	if (!ld.file || root || !faults->errors)
		load_tree(&ld, roster_overlay(&ld, root));
	buf_done(&text);
	if (!faults->errors)
		ld.config->version = config_hash(ld.config);
	return finish_config(&ld);
}

struct config *config_snapshot_read(str text)
{
	struct config_faults faults;
	struct loader ld = {.faults = &faults, .is_snapshot = true};
	const struct node *root;
	struct config *c;

	begin_config(&ld);
	root = yaml_parse(&ld, text, false);
	if (root)
		load_tree(&ld, root);
	else
		fault_at(&ld, whole_file, "is empty");
	c = finish_config(&ld);
	for (size_t i = 0; i < faults.count; i++)
		log_error("snapshot of the configuration, line %u: " STR_FMT, faults.items[i].line,
			STR_ARG(faults.items[i].text));
	config_faults_done(&faults);
	return c;
}
