/* rows.c - the tables made from rows.def. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

#define ROW(type_, name_, env_, fallback_, flags_, rule, doc_, conf)                               \
	{                                                                                          \
		.name = STR_INIT(#name_),                                                          \
		.env = env_,                                                                       \
		.fallback = fallback_,                                                             \
		.doc = doc_,                                                                       \
		.type = TYPE_##type_,                                                              \
		.flags = flags_,                                                                   \
		.offset = offsetof(struct conf, name_),                                            \
		.check = check_##rule,                                                             \
	},

static const struct row server_rows[] = {
#define SERVER_ROW(type, name, env, fallback, flags, check, doc)                                   \
	ROW(type, name, env, fallback, flags, check, doc, server_conf)
#include "config/rows.def"
};
static const struct row app_rows[] = {
#define APP_ROW(type, name, env, fallback, flags, check, doc)                                      \
	ROW(type, name, env, fallback, flags, check, doc, app_conf)
#include "config/rows.def"
};
static const struct row backup_rows[] = {
#define BACKUP_ROW(type, name, env, fallback, flags, check, doc)                                   \
	ROW(type, name, env, fallback, flags, check, doc, backup_conf)
#include "config/rows.def"
};

static const struct row machine_rows[] = {
#define MACHINE_ROW(type, name, env, fallback, flags, check, doc)                                  \
	ROW(type, name, env, fallback, flags, check, doc, our_machine_conf)
#include "config/rows.def"
};

const struct section sections[NSECTIONS] = {
	[SECTION_SERVER] = {STR_INIT("server"), server_rows, NITEMS(server_rows)},
	[SECTION_APP] = {STR_INIT("app"), app_rows, NITEMS(app_rows)},
	[SECTION_BACKUP] = {STR_INIT("backup"), backup_rows, NITEMS(backup_rows)},
	[SECTION_MACHINE] = {STR_INIT("machine"), machine_rows, NITEMS(machine_rows)},
};
static_assert(NITEMS(server_rows) == NSERVER_ROWS, "the enum and the table come from one list");
static_assert(NITEMS(app_rows) == NAPP_ROWS, "the enum and the table come from one list");
static_assert(NITEMS(backup_rows) == NBACKUP_ROWS, "the enum and the table come from one list");
static_assert(NITEMS(machine_rows) == NMACHINE_ROWS, "the enum and the table come from one list");

const struct row *section_find(const struct section *s, str key)
{
	for (size_t i = 0; i < s->nrows; i++)
		if (str_eq(s->rows[i].name, key))
			return &s->rows[i];
	return NULL;
}

void values_set_defaults(struct loader *ld, const struct values *v)
{
	for (size_t i = 0; i < v->section->nrows; i++) {
		const struct row *row = &v->section->rows[i];
		const char *why;
		bool is_ok = value_read_text(ld, row, str_of(row->fallback), value_at(v, i), &why);

		assert(is_ok);
		v->origins[i] = (struct value_origin){ORIGIN_DEFAULT, 0};
	}
}

struct values server_values(struct config *c)
{
	return (struct values){
		&sections[SECTION_SERVER], &c->server, c->private->server_origins, false};
}

struct values app_values(struct app_layer *layer)
{
	return (struct values){
		&sections[SECTION_APP], layer->conf, layer->origins, layer->parent != NULL};
}

struct values backup_values(struct config *c)
{
	return (struct values){
		&sections[SECTION_BACKUP], &c->backup, c->private->backup_origins, false};
}

struct values machine_values(struct config *c)
{
	return (struct values){
		&sections[SECTION_MACHINE], &c->machine, c->private->machine_origins, false};
}
