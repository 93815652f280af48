/* test_environment.c - the environment: Thruster's variables and rules, ${VAR}, the command line,
 * what comes before what. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

static void test_precedence(void **state)
{
	static const struct {
		const char *text;
		const char *a, *b;
		msec expected;
	} rows[] = {
		{NULL, NULL, NULL, 60000},
		{"server: {keepalive_timeout: 5s}\n", NULL, NULL, 5000},
		{"server: {keepalive_timeout: 5s}\n", "HTTP_IDLE_TIMEOUT=7", NULL, 7000},
		{"server: {keepalive_timeout: 5s}\n", "HTTP_IDLE_TIMEOUT=7",
			"THRUSTER_HTTP_IDLE_TIMEOUT=8", 8000},
		{NULL, "THRUSTER_HTTP_IDLE_TIMEOUT=8", NULL, 8000},
		/* What is there hides, whatever it holds. */
		{NULL, "HTTP_IDLE_TIMEOUT=7", "THRUSTER_HTTP_IDLE_TIMEOUT=", 60000},
		{"server: {keepalive_timeout: 5s}\n", "HTTP_IDLE_TIMEOUT=7",
			"THRUSTER_HTTP_IDLE_TIMEOUT=x", 5000},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = load_good(rows[i].text, WORDS(rows[i].a, rows[i].b));

		assert_int_equal(c->server.keepalive_timeout, rows[i].expected);
		config_unref(c);
	}
}

static void test_thrusters_numbers(void **state)
{
	static const struct {
		const char *variable;
		uint64_t expected;
		bool warns;
	} rows[] = {
		{"MAX_REQUEST_BODY=1000", 1000, false},
		{"MAX_REQUEST_BODY=+5", 5, false},
		{"MAX_REQUEST_BODY=-5", 0, false},
		{"MAX_REQUEST_BODY=64MB", 7, true},
		{"MAX_REQUEST_BODY= 1", 7, true},
		{"MAX_REQUEST_BODY=1_000", 7, true},
		{"MAX_REQUEST_BODY=0x10", 7, true},
		{"MAX_REQUEST_BODY=", 7, true},
		{"MAX_REQUEST_BODY=99999999999999999999", 7, true},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct loaded l = load_with(
			"server: {max_request_body: 7}\n", WORDS(rows[i].variable), WORDS("app"));

		assert_non_null(l.c);
		assert_int_equal(l.c->server.max_request_body, rows[i].expected);
		assert_int_equal(l.faults.count, rows[i].warns);
		if (rows[i].warns)
			assert_true(has_fault(&l, "environment: warning: MAX_REQUEST_BODY="));
		loaded_done(&l);
	}
}

static void test_thrusters_booleans(void **state)
{
	static const struct {
		const char *text;
		int expected; /* -1: ignored */
	} rows[] = {
		{"1", 1},
		{"t", 1},
		{"T", 1},
		{"TRUE", 1},
		{"true", 1},
		{"True", 1},
		{"0", 0},
		{"f", 0},
		{"F", 0},
		{"FALSE", 0},
		{"false", 0},
		{"False", 0},
		{"yes", -1},
		{"on", -1},
		{"", -1},
		{"tRUE", -1},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		for (int before = 0; before < 2; before++) {
			char variable[64];
			struct loaded l;

			snprintf(variable, sizeof(variable), "LOG_REQUESTS=%s", rows[i].text);
			l = load_with(before ? "server: {log_requests: true}\n"
					     : "server: {log_requests: false}\n",
				WORDS(variable), WORDS("app"));
			assert_int_equal(l.c->server.log_requests,
				rows[i].expected < 0 ? before : rows[i].expected);
			assert_int_equal(l.faults.count, rows[i].expected < 0);
			loaded_done(&l);
		}
	}
}

static void test_thrusters_other_types(void **state)
{
	struct config *c = load_good(
		NULL, WORDS("BAD_GATEWAY_PAGE=", "TLS_DOMAIN= a.example ,, b.example,",
			      "HTTP_READ_TIMEOUT=0", "HTTP_WRITE_TIMEOUT=-3", "DEBUG=express:*"));

	(void)state;
	assert_str(c->server.bad_gateway_page, "");
	assert_list(c->server.tls_domain, "a.example|b.example");
	assert_int_equal(c->server.header_timeout + c->server.body_timeout, 0);
	assert_int_equal(c->server.write_timeout, 0);
	assert_int_equal(c->server.log_level, LOG_INFO);
	config_unref(c);
	c = load_good(NULL, WORDS("TLS_DOMAIN="));
	assert_int_equal(c->server.tls_domain.count, 0);
	assert_true(c->server.forward_headers);
	config_unref(c);
}

static void test_forward_headers_follow_tls(void **state)
{
	struct config *c = load_good(NULL, WORDS("TLS_DOMAIN=a.example"));

	(void)state;
	assert_false(c->server.forward_headers);
	config_unref(c);
	c = load_good(NULL, WORDS("TLS_DOMAIN=a.example", "FORWARD_HEADERS=1"));
	assert_true(c->server.forward_headers);
	config_unref(c);
}

static void test_a_variable_that_is_read_twice_is_told_once(void **state)
{
	struct loaded l = load_with(NULL, WORDS("HTTP_READ_TIMEOUT=5s"), WORDS("app"));

	(void)state;
	assert_int_equal(l.faults.count, 1);
	assert_true(has_fault(
		&l, "HTTP_READ_TIMEOUT=5s is not a whole number of seconds; it is ignored"));
	loaded_done(&l);
}

static void test_a_port_that_is_none_is_an_error(void **state)
{
	struct loaded l = load_with(NULL, WORDS("HTTP_PORT=-1"), WORDS("app"));

	(void)state;
	assert_null(l.c);
	assert_true(has_fault(&l, "environment: error: HTTP_PORT: -1 is not between 0 and 65535"));
	loaded_done(&l);
}

static void test_log_levels(void **state)
{
	struct config *c = load_good(NULL, WORDS("LOG_LEVEL=-4"));

	(void)state;
	assert_int_equal(c->server.log_level, LOG_DEBUG);
	config_unref(c);
	c = load_good(NULL, WORDS("LOG_LEVEL=error", "DEBUG=1"));
	assert_int_equal(c->server.log_level, LOG_DEBUG);
	config_unref(c);
	c = load_good(NULL, WORDS("LOG_LEVEL=trace"));
	assert_int_equal(c->server.log_level, LOG_INFO);
	config_unref(c);
}

static void test_bytes_that_are_not_text_are_refused(void **state)
{
	struct loaded l = load_with("server: {user: \"${X}\"}\n",
		WORDS("BAD_GATEWAY_PAGE=\xff", "X=\xc0\x80"), WORDS("app"));

	(void)state;
	assert_true(has_fault(
		&l, "environment: error: BAD_GATEWAY_PAGE holds bytes that are not text"));
	assert_true(
		has_fault(&l, "atc.yml:1:16: error: the variable X holds bytes that are not text"));
	loaded_done(&l);
}

static void test_the_bucket_switches_the_backup_on(void **state)
{
	const char *const fly[] = {"BUCKET_NAME=nice", "AWS_ACCESS_KEY_ID=id",
		"AWS_SECRET_ACCESS_KEY=secret",
		"AWS_ENDPOINT_URL_S3=https://fly.storage.tigris.dev", "AWS_REGION=auto", NULL};
	struct config *c = load_good("users: {}\n", fly);
	struct loaded l;

	(void)state;
	assert_str(c->backup.url, "s3://nice/atc");
	assert_str(c->backup.endpoint, "https://fly.storage.tigris.dev");
	assert_str(c->backup.access_key_id, "id");
	assert_str(c->backup.secret_access_key, "secret");
	config_unref(c);
	c = load_good("backup: {url: ''}\n", fly);
	assert_str(c->backup.url, "");
	config_unref(c);
	c = load_good("backup: {url: \"s3://${BUCKET_NAME}/other\"}\n", fly);
	assert_str(c->backup.url, "s3://nice/other");
	config_unref(c);
	c = load_good("users: {}\n",
		WORDS("BUCKET_NAME=", "AWS_REGION=", "THRUSTER_AWS_ACCESS_KEY_ID=x"));
	assert_str(c->backup.url, "");
	assert_str(c->backup.region, "auto");
	assert_str(c->backup.access_key_id, "");
	config_unref(c);
	l = load_source(&(struct config_source){
		.environ = words(fly), .command = words(WORDS("app")), .is_thrust = true});
	assert_str(l.c->backup.url, "");
	loaded_done(&l);
}

static void test_where_we_are(void **state)
{
	struct config *c = load_good(NULL, WORDS("FLY_MACHINE_ID=148e", "FLY_REGION=sea"));

	(void)state;
	assert_str(c->our_machine, "148e");
	assert_str(c->our_region, "sea");
	config_unref(c);
	c = load_good(NULL, NULL);
	assert_str(c->our_machine, "");
	config_unref(c);
}

static void test_the_environment_of_the_application(void **state)
{
	static const struct {
		const char *framework, *a, *b, *expected;
	} rows[] = {
		{"rails", NULL, NULL, "production"},
		{"rails", "RAILS_ENV=staging", "NODE_ENV=x", "staging"},
		{"node", "RAILS_ENV=staging", "NODE_ENV=test", "test"},
		{"node", "RAILS_ENV=staging", NULL, "staging"},
		{"rails", "NODE_ENV=test", NULL, "test"},
		{"generic", "RAILS_ENV=", "NODE_ENV=test", "test"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char text[64];
		struct config *c;

		snprintf(text, sizeof(text), "app: {framework: %s}\n", rows[i].framework);
		c = load_good(text, WORDS(rows[i].a, rows[i].b));
		assert_str(c->app.environment, rows[i].expected);
		config_unref(c);
	}
}

static void test_variables_in_texts(void **state)
{
	struct config *c = load_good("server:\n"
				     "  http_port: ${MY_PORT:-1234}\n"
				     "  threads: \"${THREADS}\"\n"
				     "  bad_gateway_page: /a/$$x/$y/${EMPTY:-e}${EMPTY}/${A}\n"
				     "  log_exclude: [\"/${A}\", /b]\n",
		WORDS("THREADS=3", "EMPTY=", "A=$z"));

	(void)state;
	assert_int_equal(c->server.http_port, 1234);
	assert_int_equal(c->server.threads, 3);
	assert_str(c->server.bad_gateway_page, "/a/$x/$y/e/$z");
	assert_list(c->server.log_exclude, "/$z|/b");
	config_unref(c);
}

static void assert_expands(str text, const struct tenant_conf *t, const char *expected)
{
	char *result = config_expand_tenant(text, t, 4321,
		words(WORDS("PORT=4321", "DATABASE_URL=sqlite3:///own", "MY_DB=/own/db",
			"DATABASE_URL_X=x", "SECRET_KEY_BASE=own", "RAILS_ENV=staging")));

	assert_string_equal(result, expected);
	free(result);
}

static void test_what_a_tenant_is_told(void **state)
{
	struct config *c = load_good(
		"app:\n"
		"  prepare: [a, \"${tenant.id} $${tenant.id} $$ $x ${V}\"]\n"
		"  env: {A: \"${tenant.user}|${tenant.name}|${tenant.port}|${V}\", B: \"${tenant.dir}/x\"}\n"
		"users: {u: {tenants: [s/t]}}\n",
		WORDS("V=${tenant.id}$$"));
	const struct tenant_conf *t = tenant(c, "u/s/t");
	char expected[4096];

	(void)state;
	assert_expands(t->app->prepare.items[1], t, "u/s/t ${tenant.id} $ $x ${tenant.id}$$");
	assert_expands(t->app->env.items[0].value, t, "u|s/t|4321|${tenant.id}$$");
	snprintf(expected, sizeof(expected), "%s/x", t->dir.p);
	assert_expands(t->app->env.items[1].value, t, expected);
	config_unref(c);
}

static void test_a_tenant_is_told_its_addresses_and_databases(void **state)
{
	struct config *c =
		load_good("app:\n"
			  "  prepare: [a, \"--db=${tenant.database.primary}\", \"${tenant.url}\"]\n"
			  "  env: {A: \"${tenant.prefix}|${tenant.host}\"}\n"
			  "  databases: {primary: {path: data/one.sqlite3}}\n"
			  "users: {u: {tenants: [s]}, v: {host: v.example.com, tenants: [s]}}\n",
			NULL);
	const struct tenant_conf *t = tenant(c, "u/s"), *v = tenant(c, "v/s");
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected), "--db=%s/data/one.sqlite3", t->dir.p);
	assert_expands(t->app->prepare.items[1], t, expected);
	assert_expands(t->app->prepare.items[2], t, "/u/s");
	assert_expands(t->app->env.items[0].value, t, "/u/s|");
	snprintf(expected, sizeof(expected), "https://v.example.com" STR_FMT, STR_ARG(v->prefix));
	assert_expands(v->app->prepare.items[2], v, expected);
	config_unref(c);
}

static void test_variables_that_a_tenant_is_told_are_its_own(void **state)
{
	struct config *c = load_good(
		"app: {framework: generic, prepare: [a, \"${MY_DB} ${DATABASE_URL}\", \"${RAILS_ENV:-x}\"]}\n"
		"users:\n"
		"  u:\n"
		"    databases: {primary: {path: d, env: MY_DB}}\n"
		"    tenants: {s: , r: {framework: rails}}\n"
		"  v: {databases: {primary: {path: d, env: OTHER}}, tenants: [s]}\n"
		"  w: {prepare: '${MY_DB:-no$}ne$$} $${MY_DB} ${PORT} ${SECRET_KEY_BASE}', tenants: [s]}\n",
		WORDS("DATABASE_URL=of ${ours} $}}", "MY_DB=", "SECRET_KEY_BASE=master"));
	const struct tenant_conf *s = tenant(c, "u/s"), *r = tenant(c, "u/r"),
				 *v = tenant(c, "v/s"), *w = tenant(c, "w/s");
	CLEAN_FREE char *dump = dump_text(c);
	struct config *again = load_good(dump, NULL);

	(void)state;
	assert_expands(s->app->prepare.items[1], s, "/own/db of ${ours} $}}");
	assert_expands(s->app->prepare.items[2], s, "x");
	assert_expands(r->app->prepare.items[2], r, "staging");
	assert_expands(v->app->prepare.items[1], v, " of ${ours} $}}");
	assert_expands(w->app->prepare.items[0], w, "no}ne$");
	assert_expands(w->app->prepare.items[1], w, "${MY_DB}");
	assert_expands(w->app->prepare.items[2], w, "4321");
	assert_expands(w->app->prepare.items[3], w, "own");
	assert_null(strstr(dump, "master"));
	s = tenant(again, "u/s"), w = tenant(again, "w/s");
	assert_expands(s->app->prepare.items[1], s, "/own/db of ${ours} $}}");
	assert_expands(w->app->prepare.items[0], w, "no}ne$");
	config_unref(again);
	config_unref(c);
}

static void test_a_preset_tells_of_its_databases(void **state)
{
	struct config *c =
		load_good("app: {framework: rails, prepare: 'a ${DATABASE_URL}'}\n"
			  "users: {u: {tenants: {s: , t: {databases: {primary: null}}}}}\n",
			WORDS("DATABASE_URL=ours"));
	const struct tenant_conf *s = tenant(c, "u/s"), *t = tenant(c, "u/t");

	(void)state;
	assert_expands(s->app->prepare.items[1], s, "sqlite3:///own");
	assert_expands(t->app->prepare.items[1], t, "ours");
	config_unref(c);
	c = load_good("app: {framework: rails, prepare: 'a ${DATABASE_URL} ${RAILS_ENV}'}\n",
		WORDS("DATABASE_URL=ours", "RAILS_ENV=test"));
	s = tenant(c, "main");
	assert_expands(s->app->prepare.items[1], s, "ours");
	assert_expands(s->app->prepare.items[2], s, "test");
	config_unref(c);
}

static uint64_t fingerprint_with(const char *host, const char *words)
{
	struct config *c;
	uint64_t fingerprint;
	char text[400];

	snprintf(text, sizeof(text),
		"app: {prepare: [a, \"%s\"]}\nusers: {u: {host: %s, tenants: [s]}}\n", words, host);
	c = load_good(text, NULL);
	fingerprint = tenant(c, "u/s")->fingerprint;
	config_unref(c);
	return fingerprint;
}

static void test_another_host_means_restart_only_for_who_is_told_it(void **state)
{
	(void)state;
	assert_int_equal(fingerprint_with("a.example", "x"), fingerprint_with("b.example", "x"));
	assert_int_not_equal(fingerprint_with("a.example", "${tenant.url}"),
		fingerprint_with("b.example", "${tenant.url}"));
	assert_int_not_equal(fingerprint_with("a.example", "-h ${tenant.host}"),
		fingerprint_with("b.example", "-h ${tenant.host}"));
}

static void test_the_command_line_is_literal_but_for_the_tenant(void **state)
{
	static const char *const command[] = {
		"sh", "-c", "echo $HOME $$ ${HOME} ${tenant.id} ${tenant.x}", NULL};
	struct loaded l = load_with(
		"app: {command: other}\nusers: {u: {tenants: {a: , b: {command: own}}}}\n", NULL,
		command);
	const struct tenant_conf *t = tenant(l.c, "u/a");
	char *dump = dump_text(l.c);

	(void)state;
	assert_int_equal(t->app->command.count, 3);
	assert_expands(t->app->command.items[2], t, "echo $HOME $$ ${HOME} u/a ${tenant.x}");
	assert_list(tenant(l.c, "u/b")->app->command, "own");
	assert_non_null(strstr(dump, "# command line"));
	free(dump);
	loaded_done(&l);
	l = load_source(&(struct config_source){.command = words(command), .is_thrust = true});
	assert_expands(l.c->app.command.items[2], tenant(l.c, "main"), command[2]);
	loaded_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_thrusters_numbers),
		cmocka_unit_test(test_thrusters_booleans),
		cmocka_unit_test(test_thrusters_other_types),
		cmocka_unit_test(test_forward_headers_follow_tls),
		cmocka_unit_test(test_a_variable_that_is_read_twice_is_told_once),
		cmocka_unit_test(test_a_port_that_is_none_is_an_error),
		cmocka_unit_test(test_log_levels),
		cmocka_unit_test(test_bytes_that_are_not_text_are_refused),
		cmocka_unit_test(test_the_bucket_switches_the_backup_on),
		cmocka_unit_test(test_where_we_are),
		cmocka_unit_test(test_the_environment_of_the_application),
		cmocka_unit_test(test_variables_in_texts),
		cmocka_unit_test(test_what_a_tenant_is_told),
		cmocka_unit_test(test_a_tenant_is_told_its_addresses_and_databases),
		cmocka_unit_test(test_variables_that_a_tenant_is_told_are_its_own),
		cmocka_unit_test(test_a_preset_tells_of_its_databases),
		cmocka_unit_test(test_another_host_means_restart_only_for_who_is_told_it),
		cmocka_unit_test(test_the_command_line_is_literal_but_for_the_tenant),
	};

	return cmocka_run_group_tests_name("environment", tests, enter_directory, leave_directory);
}
