/* test_reload.c - what passes from one configuration to the next, to the proxy, and back from a
 * dump. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#include "config/config_int.h"

static const char rich[] =
	"server: {http_port: 8080, log_exclude: [/up, '/a b*'], bad_gateway_page: '/x/$$y'}\n"
	"app:\n"
	"  framework: rails\n"
	"  command: [a, \"b  c $$ ${tenant.id}\"]\n"
	"  env: {A: \"multi\\nline \\\"x\\\" é $$\", SECRET_KEY: hidden, GONE: ~}\n"
	"users:\n"
	"  a: {region: sea, host: a.example, prefix: strip, tenants: [x, 2025]}\n"
	"  b:\n"
	"    machine: m\n"
	"    databases: {cable: ~, extra: {env: ''}}\n"
	"    tenants: {'null': {host: b.example}, y: {region: iad, idle_timeout: 1s, env: {A: ~, B: c}}, z: }\n"
	"  b-c: {start: at_boot}\n"
	"  d: {tenants: []}\n"
	"routes:\n"
	"  - {name: 'the index', database: idx}\n"
	"  - {endpoint: /b/w, instance: n, waiting_page_after: 0}\n";

static void assert_same_tenants(const struct config *a, const struct config *b)
{
	assert_int_equal(a->ntenants, b->ntenants);
	for (size_t i = 0; i < a->ntenants; i++) {
		const struct tenant_conf *x = &a->tenants[i], *y = &b->tenants[i];

		assert_true(str_eq(x->id, y->id) && str_eq(x->user, y->user) &&
			    str_eq(x->name, y->name));
		assert_true(str_eq(x->prefix, y->prefix) && str_eq(x->host, y->host) &&
			    str_eq(x->dir, y->dir));
		assert_true(str_eq(x->machine, y->machine) && str_eq(x->region, y->region));
		assert_int_equal(x->slot, y->slot);
		for (size_t r = 0; r < NAPP_ROWS; r++) {
			const struct row *row = &sections[SECTION_APP].rows[r];

			if (!(row->flags & SUPERVISOR))
				assert_true(value_equal(row, (const char *)x->app + row->offset,
					(const char *)y->app + row->offset));
		}
	}
}

static struct config *read_snapshot(const struct config *c)
{
	char *text = snapshot_text(c);
	struct config *again = config_snapshot_read(str_of(text));

	assert_non_null(again);
	free(text);
	return again;
}

static void test_a_snapshot_is_the_same_for_the_proxy(void **state)
{
	struct config *c = load_good(rich, WORDS("FLY_MACHINE_ID=m", "FLY_REGION=sea")), *again;
	char *first, *second;

	(void)state;
	assert_int_equal(config_assign_slots(c, NULL, NULL, 0, 100), 0);
	again = read_snapshot(c);
	assert_same_tenants(c, again);
	assert_true(c->version == again->version);
	assert_false(again->is_single);
	assert_str(again->file, "atc.yml");
	assert_str(again->our_machine, "m");
	assert_str(again->our_region, "sea");
	assert_str(again->server.bad_gateway_page, "/x/$y");
	first = snapshot_text(c);
	second = snapshot_text(again);
	assert_string_equal(first, second);
	assert_null(strstr(first, "hidden"));
	assert_null(strstr(first, "command"));
	free(first);
	free(second);
	config_unref(c);
	config_unref(again);
}

static void test_a_snapshot_of_a_single_tenant(void **state)
{
	struct config *c = load_good(NULL, NULL), *again;

	(void)state;
	c->tenants[0].slot = 7;
	again = read_snapshot(c);
	assert_true(again->is_single);
	assert_same_tenants(c, again);
	config_unref(c);
	config_unref(again);
}

static void test_a_snapshot_without_tenants(void **state)
{
	struct config *c = load_good("users: {}\n", NULL), *again = read_snapshot(c);

	(void)state;
	assert_false(again->is_single);
	assert_int_equal(again->ntenants, 0);
	config_unref(c);
	config_unref(again);
}

static void test_what_is_no_snapshot_is_refused(void **state)
{
	static const char *const texts[] = {"", "x", "server: [", "users: {a: {slot: x}}",
		"server: {http_port: x}", "snapshot: {version: x}"};

	(void)state;
	log_init("test", LOG_ERROR);
	for (size_t i = 0; i < NITEMS(texts); i++)
		assert_null(config_snapshot_read(str_of(texts[i])));
}

static void test_a_dump_read_again_is_the_same(void **state)
{
	static const char *const texts[] = {rich, "server: {threads: 2}\n", "users: {}\n",
		"app: {framework: generic, databases: [{name: x, path: y}]}\nusers: {u: {databases: {x: ~}, tenants: [t]}}\n"};

	(void)state;
	for (size_t i = 0; i < NITEMS(texts); i++) {
		struct config *c = load_good(texts[i], NULL);
		char *first = dump_text(c), *second;
		struct loaded l;

		/* Secrets are not shown: the one of `rich` is put back. */
		for (char *hidden; (hidden = strstr(first, "\"[hidden]\""));)
			memcpy(hidden, "hidden    ", 10);
		l = load_with(first, NULL, NULL);
		if (!l.c)
			config_faults_print(&l.faults, 2);
		assert_non_null(l.c);
		assert_same_tenants(c, l.c);
		second = dump_text(l.c);
		if (c->version != l.c->version)
			fprintf(stderr, "%s\nis not the same as\n%s", first, second);
		assert_true(c->version == l.c->version);
		for (size_t t = 0; t < c->ntenants; t++)
			assert_true(c->tenants[t].fingerprint == l.c->tenants[t].fingerprint);
		free(first);
		free(second);
		config_unref(c);
		loaded_done(&l);
	}
}

static void test_a_dump_tells_origins(void **state)
{
	static const char *const lines[] = {
		"\n  http_port: 8080                           # environment HTTP_PORT\n",
		"\n  keepalive_timeout: 5s                     # atc.yml:2\n",
		"\n  write_timeout: 9s                         # environment THRUSTER_HTTP_WRITE_TIMEOUT\n",
		"\n  max_held: 1000                            # default\n",
		"\n  framework: node                           # atc.yml:4\n",
		"\n  command: [app]                            # command line\n",
		"\n  environment: test                         # environment NODE_ENV\n",
		"\n  url: \"s3://nice/atc\"                      # environment BUCKET_NAME\n",
		"\n  secret_access_key: \"[hidden]\"             # environment AWS_SECRET_ACCESS_KEY\n",
		"\n  env:                                      # atc.yml:5\n    API_TOKEN: \"[hidden]\"\n    PLAIN: text\n",
		"\n  u:                                        # atc.yml:7\n",
		"\n    region: sea                             # atc.yml:8\n",
		"\n      t:                                    # atc.yml:10\n        idle_timeout: 1m                    # atc.yml:11\n",
	};
	struct config *c = load_good(
		"server:\n  keepalive_timeout: 5\napp:\n  framework: node\n"
		"  env: {API_TOKEN: x, PLAIN: text}\nusers:\n  u:\n    region: sea\n    tenants:\n"
		"      t:\n        idle_timeout: 60\n",
		WORDS("HTTP_PORT=8080", "THRUSTER_HTTP_WRITE_TIMEOUT=9", "NODE_ENV=test",
			"BUCKET_NAME=nice", "AWS_SECRET_ACCESS_KEY=very-secret"));
	char *dump = dump_text(c);

	(void)state;
	for (size_t i = 0; i < NITEMS(lines); i++)
		if (!strstr(dump, lines[i]))
			fail_msg("there is no%sin:\n%s", lines[i], dump);
	assert_null(strstr(dump, "very-secret"));
	free(dump);
	config_unref(c);
}

static void test_a_tenant_keeps_its_slot(void **state)
{
	struct config *a = load_good("users: {u: {tenants: [b, d, f]}}\n", NULL);
	struct config *b = load_good("users: {u: {tenants: [a, d, e, f, g]}}\n", NULL);

	(void)state;
	assert_int_equal(config_assign_slots(a, NULL, NULL, 0, 5), 0);
	assert_int_equal(tenant(a, "u/b")->slot, 0);
	assert_int_equal(tenant(a, "u/f")->slot, 2);
	assert_int_equal(config_assign_slots(b, a, NULL, 0, 6), 0);
	assert_int_equal(tenant(b, "u/d")->slot, 1);
	assert_int_equal(tenant(b, "u/f")->slot, 2);
	assert_int_equal(tenant(b, "u/a")->slot, 3); /* not that of b */
	assert_int_equal(tenant(b, "u/e")->slot, 4);
	assert_int_equal(tenant(b, "u/g")->slot, 5);
	assert_int_equal(config_assign_slots(b, a, NULL, 0, 5), -ENOSPC);
	config_unref(a);
	config_unref(b);
}

static void test_a_slot_is_kept_for_one_who_may_come_back(void **state)
{
	struct config *a = load_good("users: {u: {tenants: [b, d]}}\n", NULL);
	struct config *b = load_good("users: {u: {tenants: [a, c, d, e]}}\n", NULL);
	const struct slot_claim claims[] = {{STR("u/x"), 2}, {STR("u/e"), 4}};

	(void)state;
	assert_int_equal(config_assign_slots(a, NULL, NULL, 0, 9), 0);
	assert_int_equal(config_assign_slots(b, a, claims, NITEMS(claims), 9), 0);
	assert_int_equal(tenant(b, "u/d")->slot, 1);
	assert_int_equal(tenant(b, "u/e")->slot, 4); /* it comes back */
	assert_int_equal(tenant(b, "u/a")->slot, 3); /* not that of b, nor of x */
	assert_int_equal(tenant(b, "u/c")->slot, 5);
	assert_int_equal(config_assign_slots(b, a, claims, NITEMS(claims), 5), -ENOSPC);
	config_unref(a);
	config_unref(b);
}

static void test_an_owner_is_the_same_in_every_configuration(void **state)
{
	struct config *a = load_good("users: {u: {tenants: [b, d]}}\n", NULL);
	struct config *b = load_good("users: {u: {tenants: [a, d]}}\n", NULL);

	(void)state;
	assert_true(tenant(a, "u/d")->owner == tenant(b, "u/d")->owner);
	assert_true(tenant(a, "u/b")->owner != tenant(b, "u/a")->owner);
	assert_true(tenant(a, "u/b")->owner != 0);
	config_unref(a);
	config_unref(b);
}

/* What a running copy depends on, and what it does not. */
static void test_fingerprints(void **state)
{
	static const struct {
		const char *text;
		bool is_other;
	} rows[] = {
		{"users: {u: {tenants: [t, more]}}\n", false},
		{"app: {idle_timeout: 1s}\nusers: {u: {tenants: [t]}}\n", false},
		{"app: {stop_timeout: 1s}\nusers: {u: {tenants: [t]}}\n", false},
		{"server: {max_held: 3}\nusers: {u: {tenants: [t]}}\n", false},
		{"users: {u: {region: sea, tenants: [t]}}\n", false},
		{"users: {u: {tenants: {t: {idle_timeout: 1s}}}}\n", false},
		{"routes: [{endpoint: /u/t}]\n", false},
		{"app: {env: {A: b}}\nusers: {u: {tenants: [t]}}\n", true},
		{"users: {u: {tenants: {t: {env: {A: b}}}}}\n", true},
		{"users: {u: {tenants: {t: {command: other}}}}\n", true},
		{"app: {root: /}\nusers: {u: {tenants: [t]}}\n", true},
		{"app: {environment: test}\nusers: {u: {tenants: [t]}}\n", true},
		{"app: {listen: unix}\nusers: {u: {tenants: [t]}}\n", true},
		{"app: {prefix: pass}\nusers: {u: {tenants: [t]}}\n", true},
		{"app: {private_directories: [data]}\nusers: {u: {tenants: [t]}}\n", true},
		{"app: {databases: {x: {path: y}}}\nusers: {u: {tenants: [t]}}\n", true},
		{"server: {storage: other}\nusers: {u: {tenants: [t]}}\n", true},
		{"users: {u: {host: u.example, tenants: [t]}}\n", true},
	};
	struct config *c = load_good("users: {u: {tenants: [t]}}\n", NULL);
	uint64_t before = tenant(c, "u/t")->fingerprint;

	(void)state;
	config_unref(c);
	for (size_t i = 0; i < NITEMS(rows); i++) {
		c = load_good(rows[i].text, NULL);
		if ((tenant(c, "u/t")->fingerprint != before) != rows[i].is_other)
			fail_msg("%s", rows[i].text);
		config_unref(c);
	}
}

static void test_what_needs_a_restart_is_named(void **state)
{
	struct config *a = load_good("users: {}\n", NULL);
	struct config *b = load_good(
		"users: {}\nserver: {threads: 2, max_held: 1, run_dir: /x}\nbackup: {url: 'file:///b'}\n",
		NULL);
	struct buf names = {0};

	(void)state;
	config_needs_restart(a, a, &names);
	assert_int_equal(buf_len(&names), 0);
	config_needs_restart(a, b, &names);
	buf_add_char(&names, 0);
	assert_string_equal(buf_str(&names).p,
		"server.threads, server.run_dir, server.control_socket, backup.url");
	buf_done(&names);
	config_unref(a);
	config_unref(b);
}

static void test_many_tenants_share_what_is_the_same(void **state)
{
	enum { USERS = 1000, EACH = 100 };
	struct buf text = {0};
	struct config *c, *again;

	(void)state;
	buf_add(&text, STR("users:\n"));
	for (int u = 0; u < USERS; u++) {
		buf_printf(&text, "  user-%d:\n    region: r%d\n    tenants:\n", u, u % 7);
		for (int t = 0; t < EACH; t++)
			buf_printf(&text, "      - 2025/event-%d\n", t);
	}
	buf_add_char(&text, 0);
	c = load_good(buf_str(&text).p, NULL);
	assert_int_equal(c->ntenants, USERS * EACH);
	for (size_t i = 0; i < c->ntenants; i++)
		assert_ptr_equal(c->tenants[i].app, c->tenants[0].app);
	assert_true(sizeof(struct tenant_conf) + sizeof(struct tenant_private) < 300);
	assert_int_equal(config_assign_slots(c, NULL, NULL, 0, 131072), 0);
	again = read_snapshot(c);
	assert_same_tenants(c, again);
	assert_ptr_equal(again->tenants[7].app, again->tenants[99999].app);
	assert_str(tenant(again, "user-999/2025/event-99")->region, "r5");
	buf_done(&text);
	config_unref(c);
	config_unref(again);
}

static void test_references(void **state)
{
	struct config *c = load_good(NULL, NULL);

	(void)state;
	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	assert_true(c->is_single);
	config_unref(c);
	config_unref(NULL);
	assert_null(config_ref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_snapshot_is_the_same_for_the_proxy),
		cmocka_unit_test(test_a_snapshot_of_a_single_tenant),
		cmocka_unit_test(test_a_snapshot_without_tenants),
		cmocka_unit_test(test_what_is_no_snapshot_is_refused),
		cmocka_unit_test(test_a_dump_read_again_is_the_same),
		cmocka_unit_test(test_a_dump_tells_origins),
		cmocka_unit_test(test_a_tenant_keeps_its_slot),
		cmocka_unit_test(test_a_slot_is_kept_for_one_who_may_come_back),
		cmocka_unit_test(test_an_owner_is_the_same_in_every_configuration),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_what_needs_a_restart_is_named),
		cmocka_unit_test(test_many_tenants_share_what_is_the_same),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests_name("reload", tests, enter_directory, leave_directory);
}
