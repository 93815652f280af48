/* test_environment.c - what tenants, a single application and the proxy are told. */
/* SPDX-License-Identifier: MIT */
#include "tenant/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char *const ours[] = {"PATH=/bin", "LANG=C.UTF-8", "INHERITED=yes", "AWS_ACCESS_KEY_ID=key",
	"AWS_REGION=auto", "AWS_SECRET_ACCESS_KEY=s3-secret", "LITESTREAM_ACCESS_KEY_ID=key",
	"FLY_API_TOKEN=token", "SECRET_KEY_BASE=master", "LISTEN_FDS=1", "LISTEN_PID=7",
	"NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=30000000", "WATCHDOG_PID=7", "PORT=80",
	"BUCKET_NAME=bucket", "THRUSTER_HTTP_PORT=80", "RAILS_RELATIVE_URL_ROOT=/old",
	"FLY_REGION=sea", "MY_KEY=named", "HOME=/srv", "XDG_CACHE_HOME=/var/cache",
	"SPACES_SECRET_ACCESS_KEY=by its end", NULL};

static struct env_var rows[] = {
	{STR_INIT("WHO"), STR_INIT("${tenant.id} on ${tenant.port}"), false},
	{STR_INIT("INHERITED"), STR_INIT(""), true},
	{STR_INIT("AWS_REGION"), STR_INIT("given back"), false},
};
static struct database_conf databases[] = {
	{STR_INIT("primary"), STR_INIT("storage/one.sqlite3"), STR_INIT("DATABASE_URL"),
		STR_INIT("sqlite3://{path}"), true, true},
	{STR_INIT("quiet"), STR_INIT("storage/two.sqlite3"), STR_INIT(""), STR_INIT("{path}"), true,
		true},
};
static const struct tenant_port tcp = {.number = 4711},
				inherited = {.number = 4711, .is_inherited = true},
				unix_socket = {.socket_path = "/run/tenant-3.sock"};

static str names[] = {STR_INIT("MY_KEY")};
static const struct str_list named = {names, 1};

static struct app_conf app(enum framework framework)
{
	return (struct app_conf){.framework = framework,
		.root = STR("/app"),
		.environment = STR("production"),
		.prefix = framework == FRAMEWORK_RAILS ? PREFIX_PASS : PREFIX_STRIP,
		.env = {rows, NITEMS(rows)},
		.databases = databases,
		.ndatabases = NITEMS(databases)};
}

static struct tenant_conf tenant(const struct app_conf *conf)
{
	return (struct tenant_conf){.id = STR("bellevue/2025"),
		.user = STR("bellevue"),
		.name = STR("2025"),
		.prefix = STR("/bellevue/2025"),
		.dir = STR("/data/bellevue/2025"),
		.app = conf};
}

/* All that a tenant is told which listens there; NULL: nowhere. */
static void tell_tenant(
	struct environment *e, const struct tenant_conf *t, const struct tenant_port *port)
{
	environment_of_tenant(e, ours, t, port, "derived", &named);
	environment_add_rows(e, t, &t->app->env, port ? port->number : 0);
}

static void expect(const struct environment *e, const char *name, const char *value)
{
	const char *found = environment_value(e, name);

	if (!value && found)
		fail_msg("%s is %s", name, found);
	if (value && (!found || strcmp(found, value) != 0))
		fail_msg("%s is %s instead of %s", name, found ? found : "not there", value);
}

static void a_tenant_sees_no_secret_and_nothing_that_is_ours_alone(void **state)
{
	static const char *const gone[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"LITESTREAM_ACCESS_KEY_ID", "FLY_API_TOKEN", "LISTEN_FDS", "LISTEN_PID",
		"NOTIFY_SOCKET", "THRUSTER_HTTP_PORT", "MY_KEY", "SPACES_SECRET_ACCESS_KEY",
		"XDG_CACHE_HOME"};
	struct app_conf conf = app(FRAMEWORK_GENERIC);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &tcp);
	for (size_t i = 0; i < NITEMS(gone); i++)
		expect(&e, gone[i], NULL);
	expect(&e, "SECRET_KEY_BASE", "derived");
	expect(&e, "PATH", "/bin");
	expect(&e, "FLY_REGION", "sea");
	expect(&e, "BUCKET_NAME", "bucket");
	expect(&e, "HOME", "/data/bellevue/2025/.home");
	expect(&e, "TMPDIR", "/data/bellevue/2025/.tmp");
	environment_done(&e);
}

static void a_tenant_is_told_who_and_where_it_is(void **state)
{
	struct app_conf conf = app(FRAMEWORK_GENERIC);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &tcp);
	expect(&e, "FLY_ATC_SCOPE", "/bellevue/2025");
	expect(&e, "FLY_ATC_NAME", "2025");
	expect(&e, "PORT", "4711");
	expect(&e, "DATABASE_URL", "sqlite3:///data/bellevue/2025/storage/one.sqlite3");
	environment_done(&e);
}

static void the_file_has_the_last_word(void **state)
{
	struct app_conf conf = app(FRAMEWORK_GENERIC);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &tcp);
	expect(&e, "WHO", "bellevue/2025 on 4711");
	expect(&e, "INHERITED", NULL);
	expect(&e, "AWS_REGION", "given back");
	environment_done(&e);
}

static void each_way_to_listen_has_its_words(void **state)
{
	struct app_conf conf = app(FRAMEWORK_GENERIC);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &inherited);
	expect(&e, "LISTEN_FDS", "1");
	expect(&e, "PORT", "4711");
	environment_done(&e);
	tell_tenant(&e, &t, &unix_socket);
	expect(&e, "LISTEN_FDS", NULL);
	expect(&e, "PORT", "/run/tenant-3.sock");
	environment_done(&e);
	tell_tenant(&e, &t, NULL);
	expect(&e, "PORT", NULL);
	environment_done(&e);
}

static void rails_is_told_what_rails_reads(void **state)
{
	struct app_conf conf = app(FRAMEWORK_RAILS);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &inherited);
	expect(&e, "RAILS_ENV", "production");
	expect(&e, "BINDING", "127.0.0.1");
	expect(&e, "PIDFILE", "/data/bellevue/2025/tmp/pids/server.pid");
	expect(&e, "RAILS_RELATIVE_URL_ROOT", "/bellevue/2025");
	expect(&e, "RAILS_LOG_TO_STDOUT", "1");
	environment_done(&e);
	t.prefix = STR("");
	tell_tenant(&e, &t, &inherited);
	expect(&e, "RAILS_RELATIVE_URL_ROOT", NULL);
	environment_done(&e);
}

static void node_is_told_what_node_reads(void **state)
{
	struct app_conf conf = app(FRAMEWORK_NODE);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	tell_tenant(&e, &t, &tcp);
	expect(&e, "NODE_ENV", "production");
	expect(&e, "HOST", "127.0.0.1");
	expect(&e, "RAILS_ENV", NULL);
	expect(&e, "WATCHDOG_USEC", NULL);
	expect(&e, "WATCHDOG_PID", NULL);
	environment_done(&e);
}

static void a_single_application_has_all_that_we_have(void **state)
{
	struct app_conf conf = app(FRAMEWORK_GENERIC);
	struct tenant_conf t = tenant(&conf);
	struct environment e = {0};

	(void)state;
	conf.env.count = 0;
	environment_of_single(&e, ours, &t, 3000);
	expect(&e, "PORT", "3000");
	expect(&e, "SECRET_KEY_BASE", "master");
	expect(&e, "THRUSTER_HTTP_PORT", "80");
	expect(&e, "AWS_SECRET_ACCESS_KEY", "s3-secret");
	expect(&e, "LISTEN_FDS", NULL);
	expect(&e, "WATCHDOG_USEC", NULL);
	expect(&e, "WATCHDOG_PID", NULL);
	environment_done(&e);
}

static void the_proxy_has_next_to_nothing(void **state)
{
	struct environment e = {0};

	(void)state;
	environment_of_proxy(&e, ours);
	assert_int_equal(e.count, 2);
	expect(&e, "PATH", "/bin");
	expect(&e, "LANG", "C.UTF-8");
	environment_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_sees_no_secret_and_nothing_that_is_ours_alone),
		cmocka_unit_test(a_tenant_is_told_who_and_where_it_is),
		cmocka_unit_test(the_file_has_the_last_word),
		cmocka_unit_test(each_way_to_listen_has_its_words),
		cmocka_unit_test(rails_is_told_what_rails_reads),
		cmocka_unit_test(node_is_told_what_node_reads),
		cmocka_unit_test(a_single_application_has_all_that_we_have),
		cmocka_unit_test(the_proxy_has_next_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
