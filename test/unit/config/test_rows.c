/* test_rows.c - no setting is read and then ignored: every row, set to something else than its
 * default by the file or by the environment, changes the effective configuration, its version, the
 * dump and the origin there. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#include "config/config_int.h"

/* Rows whose check wants something special; the others take what fits their type. */
static const struct {
	const char *name, *value, *dumped;
} special[] = {
	{"address", "127.0.0.1", NULL},
	{"user", "daemon", NULL},
	{"trusted_proxies", "[192.0.2.1]", NULL},
	{"log_exclude", "[/health]", NULL},
	{"compression_order", "[br, gzip]", NULL},
	{"public_exclude", "[/health]", NULL},
	{"no_wake", "[/health, \"!/health/x\"]", NULL},
	{"error_pages", "/usr", NULL},
	{"root", "/usr", NULL},
	{"environment", "staging", NULL},
	{"stop_signal", "INT", NULL},
	{"health_path", "/healthz", NULL},
	{"health_check", "/health", NULL},
	{"private_directories", "[data]", NULL},
	{"url", "file:///backup", "\"file:///backup\""},
	{"access_key_id", "id", "\"[hidden]\""},
	{"secret_access_key", "secret", "\"[hidden]\""},
	{"eab_hmac_key", "secret", "\"[hidden]\""},
	{"framework", "node", NULL},
	{"log_level", "warn", NULL},
	{"replay", "header", NULL},
	{"cache", "rfc9111", NULL},
	{"start", "at_boot", NULL},
	{"listen", "unix", NULL},
	{"prefix", "pass", NULL},
	{"files", "none", NULL},
	{"on_idle", "suspend", NULL},
	{"busy", "[requests, tenants]", NULL},
	{"target", "fly", NULL},
	{"secret", "at-least-16-bytes", "\"[hidden]\""},
};

/* A value that is not the default, and its text in the dump. */
static const char *other_value(const struct row *row, const char **ret_dumped)
{
	const char *value = NULL;

	*ret_dumped = NULL;
	for (size_t i = 0; i < NITEMS(special); i++) {
		if (str_eq(row->name, str_of(special[i].name))) {
			*ret_dumped = special[i].dumped ? special[i].dumped : special[i].value;
			return special[i].value;
		}
	}
	switch (row->type) {
	case TYPE_BOOL:
		value = strcmp(row->fallback, "true") == 0 ? "false" : "true";
		break;
	case TYPE_INT:
		value = "17";
		break;
	case TYPE_PORT:
		value = "auto";
		break;
	case TYPE_MSEC:
		value = "77s";
		break;
	case TYPE_SIZE:
		value = "77KiB";
		break;
	case TYPE_STR:
		value = "other";
		break;
	case TYPE_PATH:
		value = "/other/path";
		break;
	case TYPE_LIST:
	case TYPE_ARGV:
		value = "[other, words]";
		break;
	case TYPE_MAP:
		value = "{OTHER: variable}";
		*ret_dumped = "";
		return value;
	case TYPE_HOOK:
		value = "{command: [other, words], timeout: 5s, env: {OTHER: variable}}";
		*ret_dumped = "";
		return value;
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
		fail_msg("%s has no value to test with", row->name.p);
	}
	*ret_dumped = value;
	return value;
}

static const void *value_of(const struct config *c, enum section_id id, const struct row *row)
{
	const void *bases[] = {&c->server, &c->app, &c->backup, &c->machine};

	return (const char *)bases[id] + row->offset;
}

/* The dump has a line "  <name>: <value>  … # <origin>". */
static void assert_dumped(
	const struct config *c, const char *name, const char *value, const char *origin)
{
	char *dump = dump_text(c), start[256], *line = dump;

	snprintf(start, sizeof(start), " %s:%s%s ", name, *value ? " " : "", value);
	while ((line = strstr(line, start))) {
		char *end = strchr(line, '\n');
		char *found = strstr(line, origin);

		if (found && found < end)
			break;
		line = end;
	}
	if (!line)
		fail_msg("no line \"%s…%s\" in:\n%s", start, origin, dump);
	free(dump);
}

static const char tenants[] = "users: {u: {tenants: [t]}}\n";

static void for_each_row(void (*check)(enum section_id id, const struct row *row))
{
	for (enum section_id id = 0; id < NSECTIONS; id++)
		for (size_t i = 0; i < sections[id].nrows; i++)
			check(id, &sections[id].rows[i]);
}

static void check_file(enum section_id id, const struct row *row)
{
	const char *dumped, *value = other_value(row, &dumped);
	/* The command line's command would hide the file's. */
	bool is_command = id == SECTION_APP && str_eq(row->name, STR("command"));
	struct config *before = load_good(tenants, NULL);
	struct loaded after;
	char text[512];

	snprintf(text, sizeof(text), "%s:\n  %s: %s\n%s", sections[id].name.p, row->name.p, value,
		tenants);
	after = load_with(text, NULL, is_command ? NULL : WORDS("app"));
	assert_non_null(after.c);
	if (value_equal(row, value_of(before, id, row), value_of(after.c, id, row)))
		fail_msg("%s is read and ignored", row->name.p);
	assert_true(before->version != after.c->version);
	assert_dumped(after.c, row->name.p, dumped, "# atc.yml:2");
	config_unref(before);
	loaded_done(&after);
}

static void test_every_row_of_the_file_is_obeyed(void **state)
{
	(void)state;
	for_each_row(check_file);
}

static void check_tenant(enum section_id id, const struct row *row)
{
	const char *dumped, *value = other_value(row, &dumped);
	struct config *c;
	const struct app_conf *own, *other;
	char text[512];

	if (id != SECTION_APP)
		return;
	snprintf(text, sizeof(text),
		"users:\n  u:\n    tenants:\n      s:\n      t:\n        %s: %s\n", row->name.p,
		value);
	c = load_good(text, NULL);
	own = tenant(c, "u/t")->app;
	other = tenant(c, "u/s")->app;
	assert_false(value_equal(
		row, (const char *)own + row->offset, (const char *)other + row->offset));
	assert_true(value_equal(
		row, (const char *)other + row->offset, (const char *)&c->app + row->offset));
	assert_dumped(c, row->name.p, dumped, "# atc.yml:6");
	config_unref(c);
}

static void test_every_row_of_a_tenant_is_obeyed_for_it_alone(void **state)
{
	(void)state;
	for_each_row(check_tenant);
}

/* What Thruster's rules take for a value. */
static const char *environment_value(const struct row *row, const char **ret_dumped)
{
	switch (row->type) {
	case TYPE_MSEC:
		*ret_dumped = "77s";
		return "77";
	case TYPE_SIZE:
		*ret_dumped = "77KiB";
		return "78848";
	case TYPE_LIST:
		*ret_dumped = "[a.example, b.example]";
		return "a.example, b.example";
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_PORT:
	case TYPE_STR:
	case TYPE_PATH:
	case TYPE_ARGV:
	case TYPE_MAP:
	case TYPE_HOOK:
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
		break;
	}
	return other_value(row, ret_dumped);
}

static void check_variable(enum section_id id, const struct row *row)
{
	const char *prefixes[] = {"", "THRUSTER_"};

	for (size_t i = 0; row->env && i < (id >= SECTION_BACKUP ? 1 : NITEMS(prefixes)); i++) {
		const char *dumped, *value = environment_value(row, &dumped);
		struct config *before = load_good(tenants, NULL), *after;
		char variable[256], origin[256];

		snprintf(variable, sizeof(variable), "%s%s=%s", prefixes[i], row->env, value);
		snprintf(origin, sizeof(origin), "# environment %s%s", prefixes[i], row->env);
		after = load_good(tenants, WORDS(variable));
		if (value_equal(row, value_of(before, id, row), value_of(after, id, row)))
			fail_msg("%s is read and ignored", variable);
		assert_dumped(after, row->name.p, dumped, origin);
		config_unref(before);
		config_unref(after);
	}
}

static void test_every_variable_is_obeyed(void **state)
{
	(void)state;
	for_each_row(check_variable);
}

static void check_snapshot(enum section_id id, const struct row *row)
{
	const char *dumped, *value = other_value(row, &dumped);
	bool is_told = id != SECTION_BACKUP && !(row->flags & (SUPERVISOR | EDGE | SECRET));
	struct config *c, *again;
	char text[512], *snapshot;

	snprintf(text, sizeof(text), "%s:\n  %s: %s\n%s", sections[id].name.p, row->name.p, value,
		tenants);
	c = load_good(text, NULL);
	snapshot = snapshot_text(c);
	again = config_snapshot_read(str_of(snapshot));
	assert_non_null(again);
	snprintf(text, sizeof(text), " %s:", row->name.p);
	if (is_told)
		assert_true(value_equal(row, value_of(c, id, row), value_of(again, id, row)));
	else if (id == SECTION_MACHINE) /* another section may have the same name */
		assert_false(value_equal(row, value_of(c, id, row), value_of(again, id, row)));
	else if (id != SECTION_BACKUP)
		assert_null(strstr(snapshot, text));
	assert_null(strstr(snapshot, "backup"));
	assert_null(strstr(snapshot, "secret"));
	free(snapshot);
	config_unref(c);
	config_unref(again);
}

static void test_the_proxy_is_told_what_it_needs_and_nothing_else(void **state)
{
	(void)state;
	for_each_row(check_snapshot);
}

static void test_edge_is_said_for_what_was_set_only(void **state)
{
	struct loaded l = load_with("server:\n  x_sendfile_enabled: false\n  https_port: 1\n",
		WORDS("H2C_ENABLED=1"), WORDS("app"));
	char *dump = dump_text(l.c);

	(void)state;
	assert_true(has_fault(&l,
		"atc.yml:3:1: warning: https_port: without effect, TLS belongs to the platform's edge"));
	assert_int_equal(l.faults.count, 1);
	assert_non_null(strstr(dump, "# environment H2C_ENABLED"));
	assert_non_null(strstr(dump, "# atc.yml:3; without effect"));
	assert_null(strstr(dump, "acme_directory"));
	free(dump);
	loaded_done(&l);
}

static void test_tls_in_the_environment_is_one_line(void **state)
{
	struct loaded l = load_with(NULL,
		WORDS("TLS_DOMAIN=a.example", "THRUSTER_EAB_KID=x", "STORAGE_PATH=/x"),
		WORDS("app"));

	(void)state;
	assert_int_equal(l.faults.count, 1);
	assert_true(has_fault(
		&l, "environment: warning: TLS_DOMAIN, EAB_KID, STORAGE_PATH: without effect"));
	assert_false(l.c->server.forward_headers);
	loaded_done(&l);
	l = load_with(NULL, WORDS("STORAGE_PATH=/x"), WORDS("app"));
	assert_int_equal(l.faults.count, 0);
	loaded_done(&l);
}

/* What the tables say of a row: the rest of its line, or of its paragraph. */
static str told_of(str tables, const char *begin, const char *end)
{
	ssize_t at = str_find(tables, str_of(begin));
	str rest;

	assert_true(at >= 0);
	rest = str_slice(tables, (size_t)at + strlen(begin), tables.n);
	at = str_find(rest, str_of(end));
	return at < 0 ? rest : str_slice(rest, 0, (size_t)at);
}

static void test_the_tables_say_which_settings_replace_running_copies(void **state)
{
	struct buf markdown = {0}, mdoc = {0};

	(void)state;
	config_keys_write(CONFIG_KEYS_MARKDOWN, &markdown);
	config_keys_write(CONFIG_KEYS_MDOC, &mdoc);
	for (size_t i = 0; i < sections[SECTION_APP].nrows; i++) {
		const struct row *row = &sections[SECTION_APP].rows[i];
		bool replaces = row->flags & BOOT;
		char begin[128];

		snprintf(begin, sizeof(begin), "| `%s` |", row->name.p);
		assert_int_equal(replaces, str_find(told_of(buf_str(&markdown), begin, "\n"),
						   STR("| new copy |")) >= 0);
		snprintf(begin, sizeof(begin), ".It Cm %s ", row->name.p);
		assert_int_equal(replaces, str_find(told_of(buf_str(&mdoc), begin, "\n.It"),
						   STR("replaces running copies")) >= 0);
	}
	buf_done(&markdown);
	buf_done(&mdoc);
}

static void test_the_tables_of_the_manual_have_every_row(void **state)
{
	struct buf markdown = {0}, mdoc = {0};

	(void)state;
	config_keys_write(CONFIG_KEYS_MARKDOWN, &markdown);
	config_keys_write(CONFIG_KEYS_MDOC, &mdoc);
	for (enum section_id id = 0; id < NSECTIONS; id++) {
		for (size_t i = 0; i < sections[id].nrows; i++) {
			char cell[128];

			snprintf(cell, sizeof(cell), "| `%s` |", sections[id].rows[i].name.p);
			assert_true(str_find(buf_str(&markdown), str_of(cell)) >= 0);
			snprintf(cell, sizeof(cell), ".It Cm %s ", sections[id].rows[i].name.p);
			assert_true(str_find(buf_str(&mdoc), str_of(cell)) >= 0);
		}
	}
	buf_done(&markdown);
	buf_done(&mdoc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_of_the_file_is_obeyed),
		cmocka_unit_test(test_every_row_of_a_tenant_is_obeyed_for_it_alone),
		cmocka_unit_test(test_every_variable_is_obeyed),
		cmocka_unit_test(test_the_proxy_is_told_what_it_needs_and_nothing_else),
		cmocka_unit_test(test_edge_is_said_for_what_was_set_only),
		cmocka_unit_test(test_tls_in_the_environment_is_one_line),
		cmocka_unit_test(test_the_tables_of_the_manual_have_every_row),
		cmocka_unit_test(test_the_tables_say_which_settings_replace_running_copies),
	};

	return cmocka_run_group_tests_name("rows", tests, enter_directory, leave_directory);
}
