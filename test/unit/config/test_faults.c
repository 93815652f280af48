/* test_faults.c - what is wrong is said with its place and a way out, and everything that is wrong
 * in one run. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#include "base/alloc.h"

#define PATH_RULE                                                                                  \
	"segments of a path have letters, digits and . _ ~ - only, and do not begin with . or -\n"

static void test_all_faults_are_reported_in_one_run_in_order(void **state)
{
	(void)state;
	assert_faults("users:\n"
		      "  bellevue: {tenants: [2025/winter, 2025/winter, ../x]}\n"
		      "server:\n"
		      "  http_prot: 80\n"
		      "  threads: many\n"
		      "  error_pages: /nowhere\n"
		      "app:\n"
		      "  framework: django\n"
		      "  idle_timeout: soon\n"
		      "  env: {1A: x, PORT: 1, B: [x]}\n"
		      "sevrer: {}\n",
		"2:37: error: tenant bellevue/2025/winter and tenant bellevue/2025/winter of line 2 are the same\n"
		"2:50: error: \"../x\" cannot be a tenant: " PATH_RULE
		"4:3: error: unknown key \"http_prot\"; did you mean \"http_port\"?\n"
		"5:12: error: threads: expected a whole number, not \"many\"\n"
		"6:16: error: error_pages: /nowhere: No such file or directory\n"
		"8:14: error: framework: expected rails, node or generic, not \"django\"\n"
		"9:17: error: idle_timeout: expected a duration such as 250ms, 5s, 10m, 2h or 1d, or a number of "
		"seconds, not \"soon\"\n"
		"10:9: error: env: \"1A\" is no name of a variable (letters, digits and _, no digit first)\n"
		"10:16: error: env: PORT is set by fly-atc\n"
		"10:28: error: env: B: expected a text, not a list\n"
		"11:1: error: unknown key \"sevrer\"; did you mean \"server\"?\n");
}

static void test_each_fault_of_a_file(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		/* syntax */
		{"server: [\n", "2:1: error: flow sequence without a closing bracket\n"},
		{"server:\n\thttp_port: 1\n",
			"2:1: error: tab character may not be used as indentation\n"},
		{"server: {}\n---\nserver: {}\n",
			"2:1: error: a second document; a configuration is one\n"},
		{"- server\n", "1:1: error: configuration: expected a map, not a list\n"},
		{"server: text\n", "1:9: error: server: expected a map, not a text\n"},
		{"? [a]\n: b\n", "1:3: error: a key must be a text\n"},
		{"server:\n  user: \"\xff\"\n",
			"2:10: error: the byte 0xff is not text (the file must be UTF-8)\n"},
		{"# é\x01\n", "1:4: error: the byte 0x01 is not text (the file must be UTF-8)\n"},
		{"server:\n  user: \"a\\0b\"\n",
			"2:9: error: a text must not contain the character NUL\n"
			"2:9: error: user: must be one line without control characters\n"},
		{"server:\n  bad_gateway_page: \"a\\nb\"\n",
			"2:21: error: bad_gateway_page: must be one line without control characters\n"},
		/* keys */
		{"server:\n  http_port: 1\n  http_port: 2\n",
			"3:3: error: \"http_port\" stands here again; it was on line 2\n"},
		{"server:\n  idle_timeout: 1m\n",
			"2:3: error: unknown key \"idle_timeout\" here; it belongs in app:\n"},
		{"backup:\n  xyz: 1\n", "2:3: error: unknown key \"xyz\"\n"},
		{"app:\n  idel_timeout: 1m\n",
			"2:3: error: unknown key \"idel_timeout\"; did you mean \"idle_timeout\"?\n"},
		{"snapshot: {}\n", "1:1: error: unknown key \"snapshot\"\n"},
		{"users:\n  a: {slot: 1}\n", "2:7: error: unknown key \"slot\"\n"},
		{"app:\n  <<: {a: b}\n", "2:3: error: unknown key \"<<\"\n"},
		/* what YAML can and a configuration need not */
		{"server: &x {}\n",
			"1:9: error: anchors (&) are not understood here; write the value out\n"},
		{"server: !!map {}\n",
			"1:9: error: tags (!) are not understood here; write the value out\n"},
		{"app: {environment: &x a, stop_signal: *x}\n",
			"1:20: error: anchors (&) are not understood here; write the value out\n"
			"1:39: error: aliases (*) are not understood here; write the value out\n"},
		/* types */
		{"server:\n  http_port: [1]\n",
			"2:14: error: http_port: expected a whole number, not a list\n"},
		{"server:\n  http_port:\n",
			"2:3: error: http_port: expected a whole number, not nothing\n"},
		{"server:\n  http_port: 99999999999999999999\n",
			"2:14: error: http_port: expected a smaller number, not \"99999999999999999999\"\n"},
		{"server:\n  http_port: 65536\n",
			"2:14: error: http_port: 65536 is not between 0 and 65535\n"},
		{"server:\n  http_port: 0x50\n",
			"2:14: error: http_port: expected a whole number, not \"0x50\"\n"},
		{"server:\n  debug: yes\n",
			"2:10: error: debug: expected true or false, not \"yes\"\n"},
		{"server:\n  connect_timeout: -1\n",
			"2:20: error: connect_timeout: expected a duration such as 250ms, 5s, 10m, 2h or 1d, or a number "
			"of seconds, not \"-1\"\n"},
		{"server:\n  max_request_body: 1 MB\n",
			"2:21: error: max_request_body: expected a size such as 64MB or 512KiB, or a number of bytes, not "
			"\"1 MB\"\n"},
		{"server:\n  log_exclude: [[a]]\n",
			"2:17: error: log_exclude: expected a text, not a list\n"},
		{"app:\n  env: text\n",
			"2:8: error: env: expected a map of names and texts, not a text\n"},
		{"app:\n  start: never\n",
			"2:10: error: start: expected on_request or at_boot, not \"never\"\n"},
		/* checks */
		{"server:\n  address: localhost\n",
			"2:12: error: address: \"localhost\" is not an IP address\n"},
		{"server:\n  max_headers: 257\n",
			"2:16: error: max_headers: 257 is not between 8 and 256\n"},
		{"server:\n  max_header_bytes: 1\n",
			"2:21: error: max_header_bytes: not between 1KiB and 16MiB\n"},
		{"server:\n  threads: 65\n", "2:12: error: threads: 65 is not between 0 and 64\n"},
		{"server:\n  max_held: -1\n",
			"2:13: error: max_held: -1 is not between 0 and 2147483647\n"},
		{"server:\n  user: a b\n",
			"2:9: error: user: \"a b\" may have letters, digits, _ and - only\n"},
		{"server:\n  error_pages: /etc/passwd\n",
			"2:16: error: error_pages: \"/etc/passwd\" is not a directory\n"},
		{"server:\n  log_exclude: [up]\n",
			"2:16: error: log_exclude: \"up\" must begin with / or *, after a ! if it is an exception\n"},
		{"server:\n  log_exclude: [/*/x]\n",
			"2:16: error: log_exclude: \"/*/x\" may have one * only, at its beginning or its end\n"},
		{"server:\n  log_exclude: ['!x']\n",
			"2:16: error: log_exclude: \"x\" must begin with / or *, after a ! if it is an exception\n"},
		{"app:\n  stop_signal: KILL\n",
			"2:16: error: stop_signal: \"KILL\" is not TERM, INT, QUIT, HUP, USR1 or USR2\n"},
		{"app:\n  health_check: up\n",
			"2:17: error: health_check: \"up\" must begin with /\n"},
		{"app:\n  root: /nowhere\n",
			"2:9: error: root: /nowhere: No such file or directory\n"},
		{"app:\n  private_directories: [/tmp]\n",
			"2:24: error: private_directories: \"/tmp\" must be a path within the application, without . and "
			"..\n"},
		{"app:\n  private_directories: [a, b/../c, a]\n",
			"2:24: error: private_directories: \"a\" is there twice\n"
			"2:24: error: private_directories: \"b/../c\" must be a path within the application, without . and "
			"..\n"},
		{"backup:\n  url: http://x\n",
			"2:8: error: url: \"http://x\" is neither s3://bucket/prefix nor file:///directory (keys belong in "
			"the environment)\n"},
		{"backup:\n  max_restores: 0\n",
			"2:17: error: max_restores: 0 is not between 1 and 2147483647\n"},
		/* users and tenants */
		{"users: [a]\n", "1:8: error: users: expected a map, not a list\n"},
		{"users:\n  a: [b]\n", "2:6: error: user a: expected a map, not a list\n"},
		{"users:\n  a/b: {tenants: [c]}\n",
			"2:3: error: a user is one segment of a path; \"a/b\" has several\n"},
		{"users:\n  .a: {tenants: []}\n",
			"2:3: error: \".a\" cannot be a user: " PATH_RULE},
		{"users:\n  a: {tenants: [b//c]}\n",
			"2:17: error: \"b//c\" cannot be a tenant: " PATH_RULE},
		{"users:\n  a: {tenants: [b/]}\n",
			"2:17: error: \"b/\" cannot be a tenant: " PATH_RULE},
		{"users:\n  a: {tenants: [b%2f]}\n",
			"2:17: error: \"b%2f\" cannot be a tenant: " PATH_RULE},
		{"users:\n  a: {tenants: [{b: c}]}\n",
			"2:17: error: tenants: expected the name of a tenant, not a map\n"},
		{"users:\n  a: {tenants: 1}\n",
			"2:16: error: tenants: expected a list or a map, not a text\n"},
		{"users:\n  a: {tenants: {b: c}}\n",
			"2:20: error: tenant b: expected a map of its settings, not a text\n"},
		{"users:\n  a: {tenants: {b: {tenants: [c]}}}\n",
			"2:21: error: unknown key \"tenants\"\n"},
		{"users:\n  a: {tenants: {b: {idle_timeuot: 1}}}\n",
			"2:21: error: unknown key \"idle_timeuot\"; did you mean \"idle_timeout\"?\n"},
		{"users:\n  a: {tenants: {b: , b: }}\n",
			"2:22: error: \"b\" stands here again; it was on line 2\n"},
		{"users:\n  Bob: {tenants: [a]}\n  bob: {tenants: [b]}\n",
			"3:3: error: user bob and user Bob of line 2 differ in capital letters only\n"},
		{"users:\n  a: {tenants: [b, B]}\n",
			"2:20: error: tenant a/B and tenant a/b of line 2 differ in capital letters only\n"},
		{"users:\n  a: {tenants: [b]}\nroutes:\n  - {endpoint: /a/b}\n",
			"4:5: error: tenant a/b and tenant a/b of line 2 are the same\n"},
		{"users:\n  a: {host: 'a b', tenants: [b]}\n",
			"2:13: error: host: \"a b\" is not the name of a host (without port)\n"},
		{"users:\n  a: {machine: x y, tenants: [b]}\n",
			"2:16: error: machine: \"x y\" may have letters, digits, - _ and . only\n"},
		{"users:\n  a: {machine: x, instance: y, tenants: [b]}\n",
			"2:19: error: machine and instance are the same; one of them was on line 2\n"},
		{"users:\n  a: {tenants: {b: {host: h.x}, c: {host: H.X}}}\n",
			"2:33: error: tenant a/c and tenant a/b of line 2 have the same host and path\n"},
		{"routes: {}\n", "1:9: error: routes: expected a list, not a map\n"},
		{"routes: [a]\n", "1:10: error: routes: expected a map, not a text\n"},
		{"routes:\n  - {endpoint: /a/../b}\n",
			"2:16: error: \"a/../b\" cannot be an endpoint: " PATH_RULE},
		{"routes:\n  - {endpoint: /a, database: ../b}\n",
			"2:30: error: database: \"../b\" must be a name, or a path within the tenant's directory\n"},
		{"routes:\n  - {endpoint: /a}\n  - {endpoint: a/}\n",
			"3:5: error: tenant a and tenant a of line 2 are the same\n"},
		/* databases */
		{"app:\n  databases: x\nusers: {}\n",
			"2:14: error: databases: expected a list or a map, not a text\n"},
		{"app:\n  databases: [{path: x}]\nusers: {}\n",
			"2:15: error: databases: a name is missing\n"},
		{"app:\n  databases: [{name: Ä, path: x}]\nusers: {}\n",
			"2:15: error: databases: the name \"Ä\" may have small letters, digits and _ only, no digit first\n"},
		{"app:\n  databases: {a: {}}\nusers: {}\n",
			"2:3: error: databases: a: a path is missing\n"},
		{"app:\n  databases: {a: {path: /x}}\nusers: {}\n",
			"2:25: error: databases: path: \"/x\" must be within the tenant's directory, without . and ..\n"},
		{"app:\n  databases: {a: {path: x, env: 1}}\nusers: {}\n",
			"2:33: error: databases: env: \"1\" is no name of a variable\n"},
		{"app:\n  databases: {a: {path: x, url: 'sqlite:'}}\nusers: {}\n",
			"2:33: error: databases: url: {path} is missing\n"},
		{"app:\n  databases: {a: {path: x}, b: {path: x}}\nusers: {}\n",
			"2:3: error: databases: a and b are the same file\n"},
		{"app:\n  databases: {a: {path: x, env: E}, b: {path: y, env: E}}\nusers: {}\n",
			"2:3: error: databases: a and b are told in the same variable\n"},
		{"app:\n  databases: {a: {path: x, bakcup: no}}\nusers: {}\n",
			"2:28: error: unknown key \"bakcup\"; did you mean \"backup\"?\n"},
		{"app: {framework: rails}\nroutes:\n  - {endpoint: /a, database: production_cache}\n",
			"3:30: error: databases: primary and cache are the same file\n"},
		{"app: {databases: {a: {path: x}}}\nusers: {u: {databases: {b: {path: x}}}}\n",
			"2:13: error: databases: a and b are the same file\n"},
		{"app: {framework: rails, databases: {a: {}}}\nusers: {u: {framework: generic}}\n",
			"1:25: error: databases: a: a path is missing\n"},
		/* ${…} */
		{"server:\n  user: ${NOBODY}\n",
			"2:9: error: the variable NOBODY is not set; set it, or write ${NOBODY:-default}\n"},
		{"server:\n  user: ${A:-${B}}\n",
			"2:9: error: ${…} within ${…} is not understood\n"},
		{"server:\n  user: ${\n", "2:9: error: ${ without }; write $$ for a dollar sign\n"},
		{"server:\n  user: ${a b}\n",
			"2:9: error: \"a b\" is no name of a variable; write $$ for a dollar sign\n"},
		{"server:\n  user: ${tenant.id}\n",
			"2:9: error: ${tenant.id} may stand in command, prepare, hooks and env only\n"},
		{"app:\n  env: {A: \"${tenant.color}\"}\n",
			"2:12: error: ${tenant.color} is unknown; there are ${tenant.id}, ${tenant.user}, ${tenant.name}, "
			"${tenant.dir}, ${tenant.port}, ${tenant.prefix}, ${tenant.host}, ${tenant.url}, "
			"and ${tenant.database.NAME}\n"},
		{"app:\n  env: {A: \"${tenant.prefx}\"}\n",
			"2:12: error: ${tenant.prefx} is unknown; did you mean ${tenant.prefix}?\n"},
		{"app:\n  env: {A: \"${MY_DATABASE}\"}\n",
			"2:12: error: the variable MY_DATABASE is not set; set it, or write "
			"${MY_DATABASE:-default}, or ${tenant.database.NAME} for the path of a tenant's own\n"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++)
		assert_faults(rows[i].text, rows[i].expected);
}

static void test_two_ports_of_one_machine_must_differ(void **state)
{
	(void)state;
	assert_faults("server:\n  http_port: 3000\n",
		" error: target_port: 3000 is http_port too; the application needs another\n");
	assert_faults("server:\n  target_port: 80\n",
		"2:1: error: target_port: 80 is http_port too; the application needs another\n");
}

static void test_json_is_strict(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"{\"server\": {\"http_port\": 1,}}",
			"atc.json:1:27: error: JSON disallows trailing comma"},
		{"{\"server\": {'http_port': 1}}", "atc.json:1:"},
		{"{\"server\": {\"http_port\": 1, \"http_port\": 2}}",
			"atc.json:1:29: error: \"http_port\" stands here again"},
		{"{\"server\": {\n\"threads\": \"x\"}}",
			"atc.json:2:12: error: threads: expected a whole number"},
		{"{\"server\": {\"http_port\": 1}", "atc.json:"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct loaded l = load(rows[i].text);

		assert_true(has_fault(&l, rows[i].why));
		loaded_done(&l);
	}
}

static void test_deep_nesting_is_refused(void **state)
{
	struct buf text = {0};
	struct loaded l;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_add(&text, STR("- "));
	buf_add_char(&text, 0);
	l = load(buf_str(&text).p);
	assert_true(has_fault(&l, "atc.yml:1:49: error: nested too deeply"));
	loaded_done(&l);
	buf_done(&text);
}

static void test_a_file_that_cannot_be_read(void **state)
{
	struct loaded l = load_source(
		&(struct config_source){.file = "missing.yml", .command = words(WORDS("app"))});

	(void)state;
	assert_true(
		has_fault(&l, "missing.yml: error: cannot be opened: No such file or directory"));
	assert_int_equal(l.faults.count, 1);
	loaded_done(&l);
	l = load_source(&(struct config_source){.file = ".", .command = words(WORDS("app"))});
	assert_true(has_fault(&l, ".: error: cannot be read: Is a directory"));
	loaded_done(&l);
}

static void test_words_of_databases(void **state)
{
	static const char *const wrong[] = {"command: 'a ${tenant.database.secondary}'",
		"command: a, prepare: [b, '${tenant.database.secondary}']",
		"command: a, env: {A: '$$x ${tenant.database.primary} ${tenant.database.secondary}'}"};
	char text[400];
	struct loaded l;

	(void)state;
	for (size_t i = 0; i < NITEMS(wrong); i++) {
		snprintf(text, sizeof(text),
			"app: {%s, databases: {primary: {path: a.sqlite3}}}\nusers: {a: {tenants: [b]}}\n",
			wrong[i]);
		l = load_with(text, NULL, NULL);
		assert_true(has_fault(&l,
			"tenant a/b: ${tenant.database.secondary} is the name of none of its databases"));
		assert_int_equal(l.faults.errors, 1);
		loaded_done(&l);
	}
	l = load_with(
		"app: {command: 'a $${tenant.database.x}', databases: {primary: {path: a.sqlite3}}}\n"
		"users: {a: {tenants: [b]}}\n",
		NULL, NULL);
	assert_non_null(l.c);
	loaded_done(&l);
}

static void test_variables_that_some_tenant_is_not_told(void **state)
{
	static const char *const wrong[] = {"command: 'a ${MY_DB}'",
		"command: a, prepare: [b, '${MY_DB}']",
		"command: a, env: {A: '$$x ${PORT} ${MY_DB}'}"};
	char text[400];
	struct loaded l;

	(void)state;
	for (size_t i = 0; i < NITEMS(wrong); i++) {
		snprintf(text, sizeof(text),
			"app: {%s}\nusers:\n"
			"  a: {databases: {primary: {path: a.sqlite3, env: MY_DB}}, tenants: [b]}\n"
			"  c: {tenants: [d]}\n",
			wrong[i]);
		l = load_with(text, NULL, NULL);
		assert_true(has_fault(&l,
			"atc.yml:4:17: error: tenant c/d: it is not told the variable MY_DB, as none of "
			"its databases has it, and fly-atc's own environment has none"));
		assert_int_equal(l.faults.errors, 1);
		loaded_done(&l);
	}
}

static void test_a_missing_command(void **state)
{
	struct loaded l = load_with("users: {a: {tenants: [b, c]}}\n", NULL, NULL);

	(void)state;
	assert_true(has_fault(
		&l, "atc.yml:1:23: error: tenant a/b has no command; say `fly-atc PROGRAM`"));
	assert_int_equal(l.faults.count, 1);
	loaded_done(&l);
	l = load_with(NULL, NULL, NULL);
	assert_true(has_fault(&l, "command line: error: tenant main has no command"));
	loaded_done(&l);
	l = load_source(&(struct config_source){.is_only_read = true});
	assert_true(l.c && has_fault(&l, "command line: warning: tenant main has no command"));
	loaded_done(&l);
	l = load_with("users: {a: {tenants: [b]}}\napp: {framework: node}\n", NULL, NULL);
	assert_true(has_fault(&l, "atc.yml:1:23: error: tenant a/b has no command; "
				  "say `fly-atc node server.js`, or set command in app:"));
	loaded_done(&l);
	l = load_with("users: {a: {tenants: [b]}}\napp: {framework: rails}\n", NULL, NULL);
	assert_true(has_fault(&l, "atc.yml:1:23: error: tenant a/b has no command; "
				  "say `fly-atc bin/rails server`, or set command in app:"));
	loaded_done(&l);
	l = load_with("users: {a: {tenants: [b]}}\napp: {command: 'a | b'}\n", NULL, NULL);
	assert_int_equal(l.faults.count, 1);
	loaded_done(&l);
	l = load_with("users: {a: {command: x, tenants: [b]}}\n", NULL, NULL);
	assert_int_equal(l.faults.count, 0);
	loaded_done(&l);
}

/* A tenant may lie below another one's path, but not in a folder that the other one uses. */
static void test_nested_tenants(void **state)
{
	struct config *c =
		load_good("users: {a: {tenants: [2025, 2025/winter, 2025/winter/extra]}}\n", NULL);

	(void)state;
	assert_int_equal(c->ntenants, 3);
	config_unref(c);
	assert_faults("users: {a: {tenants: [b, b/Storage]}}\n",
		"1:26: error: tenant a/b/Storage and tenant a/b of line 1 overlap: one has its directory where the "
		"other keeps its files\n");
	assert_faults("users: {a: {private_directories: [data/x], tenants: [b/data/c, b]}}\n",
		"1:64: error: tenant a/b and tenant a/b/data/c of line 1 overlap: one has its directory where the other "
		"keeps its files\n");
	assert_faults("users: {a: {databases: {d: {path: db/x}}, tenants: [b, b/db]}}\n",
		"1:56: error: tenant a/b/db and tenant a/b of line 1 overlap: one has its directory where the other "
		"keeps its files\n");
	assert_faults("users: {a: {tenants: [b, b/20250101]}}\n",
		"1:26: error: tenant a/b/20250101 and tenant a/b of line 1 overlap: one has its directory where the "
		"other keeps its files\n");
	assert_faults("users: {main: {tenants: [log]}}\nroutes: [{name: root}]\n",
		"2:10: error: tenant main and tenant main/log of line 1 overlap: one has its directory where the other "
		"keeps its files\n");
}

static void test_only_one_of_the_usual_files_is_read(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(system("mkdir -p config"), 0);
	write_file("config/atc.yaml", "server: {http_port: 1234}\n");
	l = load_source(&(struct config_source){.command = words(WORDS("app"))});
	assert_int_equal(l.c->server.http_port, 1234);
	assert_str(l.c->file, "config/atc.yaml");
	loaded_done(&l);
	write_file("config/atc.json", "{\"server\": {\"http_port\": 4321}}");
	l = load_source(&(struct config_source){.command = words(WORDS("app"))});
	assert_true(has_fault(&l,
		"warning: config/atc.yaml is used, config/atc.json is there too and is not read"));
	assert_int_equal(l.c->server.http_port, 1234);
	loaded_done(&l);
	l = load_source(&(struct config_source){.command = words(WORDS("app")), .is_thrust = true});
	assert_int_equal(l.c->server.http_port, 80);
	loaded_done(&l);
	assert_int_equal(unlink("config/atc.yaml"), 0);
	l = load_source(&(struct config_source){.command = words(WORDS("app"))});
	assert_int_equal(l.c->server.http_port, 4321);
	loaded_done(&l);
	assert_int_equal(unlink("config/atc.json"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_faults_are_reported_in_one_run_in_order),
		cmocka_unit_test(test_each_fault_of_a_file),
		cmocka_unit_test(test_two_ports_of_one_machine_must_differ),
		cmocka_unit_test(test_json_is_strict),
		cmocka_unit_test(test_deep_nesting_is_refused),
		cmocka_unit_test(test_a_file_that_cannot_be_read),
		cmocka_unit_test(test_words_of_databases),
		cmocka_unit_test(test_variables_that_some_tenant_is_not_told),
		cmocka_unit_test(test_a_missing_command),
		cmocka_unit_test(test_nested_tenants),
		cmocka_unit_test(test_only_one_of_the_usual_files_is_read),
	};

	return cmocka_run_group_tests_name("faults", tests, enter_directory, leave_directory);
}
