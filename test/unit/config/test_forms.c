/* test_forms.c - users, routes and the single tenant: which tenants there are, and what each of
 * them has. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#include "base/alloc.h"

static char cwd[4096];

static int enter(void **state)
{
	return enter_directory(state) < 0 || !getcwd(cwd, sizeof(cwd)) ? -1 : 0;
}

static void assert_within(str path, const char *relative)
{
	char expected[8192];

	snprintf(expected, sizeof(expected), "%s/%s", cwd, relative);
	assert_str(path, expected);
}

static const char design[] =
	"server:\n"
	"  http_port: 8080\n"
	"app:\n"
	"  framework: rails\n"
	"  command: bin/rails server\n"
	"  idle_timeout: 5m\n"
	"users:\n"
	"  bellevue:  {region: sea, tenants: [2025/winter, 2025/summer-medal-ball, 2025/summer-showcase]}\n"
	"  boston:    {machine: 148e45d7c20978, tenants: {2025/april: , 2025/mini-comp: {idle_timeout: "
	"30m}, 2025/october: }}\n"
	"  livermore: {region: sjc, tenants: [2025/the-music-of-prince, 2025/james-bond]}\n"
	"  raleigh:   {region: iad, tenants: [2025/disney, 2025/in-house]}\n";

static void test_users(void **state)
{
	struct config *c = load_good(design, NULL);
	const struct tenant_conf *t = tenant(c, "bellevue/2025/winter");

	(void)state;
	assert_false(c->is_single);
	assert_int_equal(c->ntenants, 10);
	for (size_t i = 1; i < c->ntenants; i++)
		assert_true(str_cmp(c->tenants[i - 1].id, c->tenants[i].id) < 0);
	assert_str(t->id, "bellevue/2025/winter");
	assert_str(t->user, "bellevue");
	assert_str(t->name, "2025/winter");
	assert_str(t->prefix, "/bellevue/2025/winter");
	assert_str(t->host, "");
	assert_str(t->region, "sea");
	assert_str(t->machine, "");
	assert_within(t->dir, "storage/tenants/bellevue/2025/winter");
	assert_str(tenant(c, "boston/2025/april")->machine, "148e45d7c20978");
	assert_int_equal(tenant(c, "boston/2025/mini-comp")->app->idle_timeout, 30 * 60000);
	assert_int_equal(tenant(c, "boston/2025/april")->app->idle_timeout, 5 * 60000);
	/* What is the same is there once. */
	assert_ptr_equal(tenant(c, "boston/2025/april")->app, t->app);
	assert_null(config_find_tenant(c, STR("bellevue")));
	assert_null(config_find_tenant(c, STR("bellevue/2025/winter/x")));
	config_unref(c);
}

static void test_a_user_without_tenants_is_one(void **state)
{
	struct config *c = load_good(
		"users:\n  a:\n  b: {idle_timeout: 1s}\n  c: {tenants: []}\n  d: {tenants: }\n",
		NULL);

	(void)state;
	assert_int_equal(c->ntenants, 2);
	assert_str(tenant(c, "a")->prefix, "/a");
	assert_str(tenant(c, "a")->name, "");
	assert_within(tenant(c, "a")->dir, "storage/tenants/a");
	assert_int_equal(tenant(c, "b")->app->idle_timeout, 1000);
	config_unref(c);
}

static void test_no_users_at_all(void **state)
{
	struct config *c = load_good("users: {}\n", NULL);

	(void)state;
	assert_false(c->is_single);
	assert_int_equal(c->ntenants, 0);
	config_unref(c);
}

static void test_the_nearest_setting_wins(void **state)
{
	struct config *c =
		load_good("app: {idle_timeout: 1s, start_timeout: 1s, stop_timeout: 1s}\n"
			  "users:\n"
			  "  u:\n"
			  "    start_timeout: 2s\n"
			  "    stop_timeout: 2s\n"
			  "    tenants: {t: {stop_timeout: 3s}, s: , r: }\n",
			NULL);
	const struct app_conf *app = tenant(c, "u/t")->app;

	(void)state;
	assert_int_equal(app->idle_timeout, 1000);
	assert_int_equal(app->start_timeout, 2000);
	assert_int_equal(app->stop_timeout, 3000);
	assert_int_equal(tenant(c, "u/s")->app->stop_timeout, 2000);
	assert_ptr_equal(tenant(c, "u/s")->app, tenant(c, "u/r")->app);
	config_unref(c);
}

static void test_hosts(void **state)
{
	struct config *c = load_good("users:\n"
				     "  a: {host: A.Example.com, tenants: [x, y/z]}\n"
				     "  b: {tenants: {x: {host: b.example.com}, y: }}\n"
				     "  c: {host: c.example.com}\n",
		NULL);

	(void)state;
	assert_str(tenant(c, "a/x")->host, "a.example.com");
	assert_str(tenant(c, "a/x")->prefix, "/x");
	assert_str(tenant(c, "a/y/z")->prefix, "/y/z");
	assert_within(tenant(c, "a/y/z")->dir, "storage/tenants/a/y/z");
	assert_str(tenant(c, "b/x")->host, "b.example.com");
	assert_str(tenant(c, "b/x")->prefix, "");
	assert_str(tenant(c, "b/y")->host, "");
	assert_str(tenant(c, "b/y")->prefix, "/b/y");
	assert_str(tenant(c, "c")->host, "c.example.com");
	assert_str(tenant(c, "c")->prefix, "");
	config_unref(c);
}

static void test_a_nearer_place_replaces_machine_and_region(void **state)
{
	struct config *c = load_good(
		"users:\n"
		"  u: {machine: m, region: r, tenants: {a: , b: {region: s}, c: {instance: n}}}\n",
		NULL);

	(void)state;
	assert_str(tenant(c, "u/a")->machine, "m");
	assert_str(tenant(c, "u/a")->region, "r");
	assert_str(tenant(c, "u/b")->machine, "");
	assert_str(tenant(c, "u/b")->region, "s");
	assert_str(tenant(c, "u/c")->machine, "n");
	assert_str(tenant(c, "u/c")->region, "");
	config_unref(c);
}

/* The file of the prototype. */
static const char prototype[] = "server:\n"
				"  target_port: 0\n"
				"  upstream_command: bin/rails\n"
				"  upstream_args: [server, -b, '127.0.0.1']\n"
				"  http_port: 8080\n"
				"  http_idle_timeout: 70\n"
				"  http_read_timeout: 20s\n"
				"  http_write_timeout: 40s\n"
				"  health_check_path: /health\n"
				"  max_request_body: 1000\n"
				"  bad_gateway_page: /tmp/502.html\n"
				"  forward_headers: false\n"
				"  log_level: -4\n"
				"app: {framework: rails}\n"
				"routes:\n"
				"  - name: bellevue-2025-winter\n"
				"    endpoint: /bellevue/2025/winter\n"
				"    database: 2025-bellevue\n"
				"    region: sea\n"
				"  - name: boston\n"
				"    endpoint: /boston/\n"
				"    instance: 148e45d7c20978\n"
				"    region: bos\n"
				"  - name: index\n"
				"    endpoint:\n"
				"    database: index\n";

static void test_routes_of_the_prototype(void **state)
{
	struct loaded l = load_with(prototype, NULL, NULL);
	struct config *c = l.c;
	const struct tenant_conf *t;
	char *url;

	(void)state;
	assert_int_equal(l.faults.count, 0);
	assert_int_equal(c->ntenants, 3);
	assert_int_equal(c->server.http_port, 8080);
	assert_int_equal(c->server.keepalive_timeout, 70000);
	assert_int_equal(c->server.header_timeout, 20000);
	assert_int_equal(c->server.body_timeout, 20000);
	assert_int_equal(c->server.write_timeout, 40000);
	assert_int_equal(c->server.log_level, LOG_DEBUG);
	assert_false(c->server.forward_headers);
	assert_str(c->app.health_check, "/health");
	assert_list(c->app.command, "bin/rails|server|-b|127.0.0.1");
	t = tenant(c, "bellevue/2025/winter");
	assert_str(t->user, "bellevue");
	assert_str(t->name, "bellevue-2025-winter");
	assert_str(t->prefix, "/bellevue/2025/winter");
	assert_str(t->region, "sea");
	assert_str(t->app->databases[0].path, "storage/2025-bellevue.sqlite3");
	assert_str(t->app->databases[1].path, "storage/production_cache.sqlite3");
	url = config_database_url(t, &t->app->databases[0]);
	assert_true(str_starts(str_of(url), STR("sqlite3:///")));
	assert_true(str_ends(str_of(url),
		STR("/storage/tenants/bellevue/2025/winter/storage/2025-bellevue.sqlite3")));
	free(url);
	t = tenant(c, "boston");
	assert_str(t->prefix, "/boston");
	assert_str(t->machine, "148e45d7c20978");
	assert_str(t->region, "bos");
	assert_str(t->app->databases[0].path, "storage/production.sqlite3");
	t = tenant(c, "main");
	assert_str(t->prefix, "");
	assert_str(t->user, "");
	assert_str(t->name, "index");
	assert_within(t->dir, "storage/tenants/main");
	loaded_done(&l);
}

static void test_the_database_of_a_route(void **state)
{
	static const struct {
		const char *framework, *database, *path, *env;
	} rows[] = {
		{"rails", "x", "storage/x.sqlite3", "DATABASE_URL"},
		{"rails", "x.sqlite3", "storage/x.sqlite3", "DATABASE_URL"},
		{"rails", "db/x.db", "db/x.db", "DATABASE_URL"},
		{"node", "x.1", "storage/x.1.sqlite3", "DATABASE_URL"},
		{"generic", "x", "storage/x.sqlite3", "DATABASE_URL"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		char text[256];
		struct config *c;
		const struct app_conf *app;

		snprintf(text, sizeof(text),
			"app: {framework: %s}\nroutes: [{endpoint: /a, database: %s}]\n",
			rows[i].framework, rows[i].database);
		c = load_good(text, NULL);
		app = tenant(c, "a")->app;
		assert_str(app->databases[0].name, "primary");
		assert_str(app->databases[0].path, rows[i].path);
		assert_str(app->databases[0].env, rows[i].env);
		config_unref(c);
	}
}

/* Both forms say the same. */
static void test_users_and_routes_mean_the_same(void **state)
{
	struct config *users = load_good(
		"app: {framework: rails}\nusers:\n"
		"  a: {tenants: {x/y: {region: sea, idle_timeout: 1s}, z: {env: {A: b}}}}\n"
		"  b: {machine: m}\n",
		NULL);
	struct config *routes = load_good("app: {framework: rails}\nroutes:\n"
					  "  - {endpoint: a/x/y, region: sea, idle_timeout: 1s}\n"
					  "  - {endpoint: /b, instance: m}\n"
					  "  - {endpoint: /a/z/, env: {A: b}}\n",
		NULL);

	(void)state;
	assert_int_equal(users->ntenants, routes->ntenants);
	for (size_t i = 0; i < users->ntenants; i++) {
		const struct tenant_conf *u = &users->tenants[i], *r = &routes->tenants[i];

		assert_true(str_eq(u->id, r->id) && str_eq(u->user, r->user) &&
			    str_eq(u->name, r->name));
		assert_true(str_eq(u->prefix, r->prefix) && str_eq(u->dir, r->dir));
		assert_true(str_eq(u->machine, r->machine) && str_eq(u->region, r->region));
		assert_int_equal(u->app->idle_timeout, r->app->idle_timeout);
		assert_true(u->fingerprint == r->fingerprint);
	}
	config_unref(users);
	config_unref(routes);
}

static void test_old_names_and_new_ones_exclude_each_other(void **state)
{
	(void)state;
	assert_faults("server:\n  http_read_timeout: 1\n  body_timeout: 2\n",
		"3:3: error: body_timeout: was set on line 2 already, as body_timeout\n");
	assert_faults("app:\n  health_check: /a\nserver:\n  health_check_path: /b\n",
		"2:3: error: health_check: was set on line 4 already, as health_check\n");
	assert_faults("server:\n  upstream_args: [a]\n",
		"2:3: error: upstream_args: upstream_command is missing\n");
	assert_faults("server:\n  upstream_command: a\n  upstream_args: b\n",
		"3:18: error: upstream_args: expected a list of texts, not a text\n");
}

static void test_a_single_tenant_is_plain_thruster(void **state)
{
	struct config *c = load_good(NULL, NULL);
	const struct tenant_conf *t = tenant(c, "main");

	(void)state;
	assert_true(c->is_single);
	assert_int_equal(c->ntenants, 1);
	assert_str(t->prefix, "");
	assert_str(t->dir, cwd);
	assert_list(t->app->command, "app");
	assert_int_equal(c->server.http_port, 80);
	assert_int_equal(c->server.target_port, 3000);
	assert_int_equal(t->app->start, START_AT_BOOT);
	assert_int_equal(t->app->idle_timeout, 0);
	assert_int_equal(t->app->listen, LISTEN_TCP);
	assert_int_equal(t->app->private_directories.count, 0);
	assert_int_equal(t->app->prepare.count, 0);
	assert_str(c->backup.url, "");
	assert_str(c->file, "");
	config_unref(c);
}

static void test_a_single_rails_keeps_its_own_files(void **state)
{
	struct config *c = load_good("app: {framework: rails, idle_timeout: 7m}\n", NULL);
	const struct app_conf *app = tenant(c, "main")->app;

	(void)state;
	assert_int_equal(app->listen, LISTEN_TCP);
	assert_int_equal(app->prepare.count, 0);
	assert_int_equal(app->idle_timeout, 7 * 60000);
	assert_int_equal(app->ndatabases, 4);
	assert_str(app->databases[0].path, "storage/production.sqlite3");
	assert_str(app->databases[0].env, "");
	config_unref(c);
	c = load_good(
		"app: {framework: rails, databases: {primary: {env: DATABASE_URL}, other: {path: x}}}\n",
		NULL);
	assert_str(c->app.databases[0].env, "DATABASE_URL");
	assert_str(c->app.databases[4].env, "");
	config_unref(c);
}

static void test_ports(void **state)
{
	static const struct {
		const char *text, *variable;
		int port;
	} rows[] = {
		{NULL, NULL, 80},
		{NULL, "RAILS_ENV=production", 80},
		{"users: {}\n", NULL, 3000},
		{"users: {}\n", "RAILS_ENV=production", 8080},
		{"users: {}\n", "NODE_ENV=production", 8080},
		{"users: {}\n", "RAILS_ENV=staging", 3000},
		{"users: {}\n", "HTTP_PORT=0", 0},
		{"users: {}\nserver: {http_port: 0}\n", NULL, 0},
		{NULL, "PORT=9", 80},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c = load_good(rows[i].text, WORDS(rows[i].variable));

		assert_int_equal(c->server.http_port, rows[i].port);
		config_unref(c);
	}
}

static void test_frameworks_are_recognised_in_the_root(void **state)
{
	struct config *c;

	(void)state;
	assert_int_equal(
		system("mkdir -p r/bin n && touch r/bin/rails r/package.json n/package.json"), 0);
	c = load_good(
		"app: {root: r}\nusers: {u: {tenants: {a: , b: {root: n}, c: {root: .}, d: {framework: node}}}}\n",
		NULL);
	assert_int_equal(c->app.framework, FRAMEWORK_RAILS);
	assert_within(c->app.root, "r");
	assert_int_equal(tenant(c, "u/a")->app->framework, FRAMEWORK_RAILS);
	assert_int_equal(tenant(c, "u/b")->app->framework, FRAMEWORK_NODE);
	assert_int_equal(tenant(c, "u/b")->app->prefix, PREFIX_STRIP);
	assert_int_equal(tenant(c, "u/b")->app->private_directories.count, 0);
	assert_int_equal(tenant(c, "u/b")->app->ndatabases, 1);
	assert_int_equal(tenant(c, "u/c")->app->framework, FRAMEWORK_GENERIC);
	assert_int_equal(tenant(c, "u/d")->app->framework, FRAMEWORK_NODE);
	assert_int_equal(system("rm -r r n"), 0);
	config_unref(c);
}

static void test_presets(void **state)
{
	struct config *c = load_good(
		"app: {framework: rails}\nusers: {u: {tenants: {n: {framework: node}, g: {framework: "
		"generic}, l: {listen: unix, prefix: strip, prepare: [], private_directories: []}}}}\n",
		NULL);
	const struct app_conf *n = tenant(c, "u/n")->app, *g = tenant(c, "u/g")->app,
			      *l = tenant(c, "u/l")->app;

	(void)state;
	assert_int_equal(c->app.listen, LISTEN_FD);
	assert_int_equal(c->app.prefix, PREFIX_PASS);
	assert_list(c->app.prepare, "bin/rails|db:prepare");
	assert_list(c->app.private_directories, "storage|tmp|log");
	assert_int_equal(c->app.start, START_ON_REQUEST);
	assert_int_equal(c->app.idle_timeout, 300000);
	assert_int_equal(n->listen, LISTEN_TCP);
	assert_int_equal(n->prefix, PREFIX_STRIP);
	assert_int_equal(n->prepare.count, 0);
	assert_str(n->databases[0].url_template, "file:{path}");
	assert_str(n->databases[0].env, "DATABASE_URL");
	assert_int_equal(g->ndatabases, 0);
	assert_int_equal(g->listen, LISTEN_TCP);
	assert_int_equal(l->listen, LISTEN_UNIX);
	assert_int_equal(l->prefix, PREFIX_STRIP);
	assert_int_equal(l->prepare.count + l->private_directories.count, 0);
	config_unref(c);
}

static void test_rails_databases(void **state)
{
	static const struct {
		const char *name, *path, *env;
		bool has_backup;
	} rows[] = {
		{"primary", "storage/staging.sqlite3", "DATABASE_URL", true},
		{"cache", "storage/staging_cache.sqlite3", "CACHE_DATABASE_URL", false},
		{"queue", "storage/staging_queue.sqlite3", "QUEUE_DATABASE_URL", true},
		{"cable", "storage/staging_cable.sqlite3", "CABLE_DATABASE_URL", false},
	};
	struct config *c =
		load_good("app: {framework: rails, environment: staging}\nusers: {u: }\n", NULL);
	const struct tenant_conf *t = tenant(c, "u");
	char *path = config_database_path(t, &t->app->databases[0]);

	(void)state;
	assert_int_equal(t->app->ndatabases, NITEMS(rows));
	for (size_t i = 0; i < NITEMS(rows); i++) {
		assert_str(t->app->databases[i].name, rows[i].name);
		assert_str(t->app->databases[i].path, rows[i].path);
		assert_str(t->app->databases[i].env, rows[i].env);
		assert_str(t->app->databases[i].url_template, "sqlite3://{path}");
		assert_int_equal(t->app->databases[i].has_backup, rows[i].has_backup);
	}
	assert_within(str_of(path), "storage/tenants/u/storage/staging.sqlite3");
	free(path);
	config_unref(c);
}

static void test_databases_are_joined_with_those_of_the_preset(void **state)
{
	struct config *c = load_good(
		"app:\n"
		"  framework: rails\n"
		"  databases:\n"
		"    - {name: cache, backup: true}\n"
		"    - {name: search}\n"
		"users:\n"
		"  u:\n"
		"    databases: {cable: ~, primary: {path: db/x.sqlite3, url: 'sqlite:{path}?x', env: ''}}\n"
		"    tenants: {t: {databases: {search: {path: s}}}, s: }\n",
		NULL);
	const struct app_conf *t = tenant(c, "u/t")->app, *s = tenant(c, "u/s")->app;
	char *url = config_database_url(tenant(c, "u/s"), &s->databases[0]);

	(void)state;
	assert_int_equal(c->app.ndatabases, 5);
	assert_true(c->app.databases[1].has_backup);
	assert_str(c->app.databases[4].path, "storage/production_search.sqlite3");
	assert_str(c->app.databases[4].env, "SEARCH_DATABASE_URL");
	assert_int_equal(s->ndatabases, 4);
	assert_str(s->databases[0].path, "db/x.sqlite3");
	assert_str(s->databases[0].env, "");
	assert_true(str_ends(str_of(url), STR("/u/s/db/x.sqlite3?x")));
	assert_str(s->databases[3].path, "storage/production_search.sqlite3");
	assert_str(t->databases[3].path, "s");
	free(url);
	config_unref(c);
}

static void test_generic_databases(void **state)
{
	struct config *c = load_good(
		"app:\n"
		"  framework: generic\n"
		"  databases: [{name: main, path: data/app.db, env: DATABASE_PATH}, {name: x, path: y, url: "
		"'a{path}b', backup: false}]\n"
		"users: {u: }\n",
		NULL);

	(void)state;
	assert_int_equal(c->app.ndatabases, 2);
	assert_str(c->app.databases[0].url_template, "{path}");
	assert_true(c->app.databases[0].has_backup);
	assert_str(c->app.databases[1].env, "");
	assert_str(c->app.databases[1].url_template, "a{path}b");
	assert_false(c->app.databases[1].has_backup);
	config_unref(c);
}

static void test_json_is_the_same(void **state)
{
	struct config *yaml =
		load_good("server: {http_port: 8080}\napp: {command: a b, env: {A: ~}}\n"
			  "users: {u: {tenants: {x: , y: {idle_timeout: 3}}}}\n",
			NULL);
	struct config *json = load_good(
		"{\"server\": {\"http_port\": 8080}, \"app\": {\"command\": \"a b\", \"env\": {\"A\": null}},"
		"\"users\": {\"u\": {\"tenants\": {\"x\": null, \"y\": {\"idle_timeout\": 3}}}}}",
		NULL);

	(void)state;
	assert_true(yaml->version == json->version);
	config_unref(yaml);
	config_unref(json);
}

static void test_run_dir(void **state)
{
	struct config *c = load_good(NULL, WORDS("XDG_RUNTIME_DIR=/tmp/run/7"));

	(void)state;
	assert_str(c->server.run_dir, "/tmp/run/7/fly-atc");
	assert_str(c->server.control_socket, "/tmp/run/7/fly-atc/control.sock");
	config_unref(c);
	c = load_good(NULL, WORDS("XDG_RUNTIME_DIR=/dev/null"));
	assert_false(str_starts(c->server.run_dir, STR("/dev/null")));
	assert_str(c->control_sockets.items[1], "/dev/null/fly-atc/control.sock");
	config_unref(c);
	c = load_good("server: {run_dir: /x}\n", WORDS("XDG_RUNTIME_DIR=/run/user/7"));
	assert_str(c->server.control_socket, "/x/control.sock");
	assert_int_equal(c->control_sockets.count, 1);
	config_unref(c);
	c = load_good(NULL, WORDS("XDG_RUNTIME_DIR=relative"));
	for (size_t i = 0; i < c->control_sockets.count; i++)
		assert_false(str_starts(c->control_sockets.items[i], STR("relative")));
	config_unref(c);
}

static void test_the_places_of_run_dir(void **state)
{
	struct config_run_dirs dirs;
	char too_long[CONFIG_RUN_DIR_SIZE], *tmp;

	(void)state;
	config_run_dirs("/x", "/s", &dirs);
	tmp = xasprintf("/tmp/fly-atc-%u", (unsigned)geteuid());
	assert_int_equal(dirs.count, 4);
	assert_string_equal(dirs.items[0].path, "/x/fly-atc");
	assert_string_equal(dirs.items[1].path, "/run/fly-atc");
	assert_string_equal(dirs.items[2].path, "/s/.run");
	assert_string_equal(dirs.items[3].path, tmp);
	free(tmp);
	memset(too_long, 's', sizeof(too_long) - 5);
	too_long[0] = '/';
	too_long[sizeof(too_long) - 5] = '\0';
	config_run_dirs("relative", too_long, &dirs);
	assert_int_equal(dirs.count, 2);
	too_long[sizeof(too_long) - 6] = '\0';
	config_run_dirs(NULL, too_long, &dirs);
	assert_int_equal(dirs.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_a_user_without_tenants_is_one),
		cmocka_unit_test(test_no_users_at_all),
		cmocka_unit_test(test_the_nearest_setting_wins),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_a_nearer_place_replaces_machine_and_region),
		cmocka_unit_test(test_routes_of_the_prototype),
		cmocka_unit_test(test_the_database_of_a_route),
		cmocka_unit_test(test_users_and_routes_mean_the_same),
		cmocka_unit_test(test_old_names_and_new_ones_exclude_each_other),
		cmocka_unit_test(test_a_single_tenant_is_plain_thruster),
		cmocka_unit_test(test_a_single_rails_keeps_its_own_files),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_frameworks_are_recognised_in_the_root),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_rails_databases),
		cmocka_unit_test(test_databases_are_joined_with_those_of_the_preset),
		cmocka_unit_test(test_generic_databases),
		cmocka_unit_test(test_json_is_the_same),
		cmocka_unit_test(test_run_dir),
		cmocka_unit_test(test_the_places_of_run_dir),
	};

	return cmocka_run_group_tests_name("forms", tests, enter, leave_directory);
}
