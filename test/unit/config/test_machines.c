/* test_machines.c - the fleet: who we are, which machines there are, who lives on which. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define USERS "users: {a: {machine: m2, tenants: [x]}, b: {region: home, tenants: [y]}}\n"
#define TWO                                                                                        \
	"machines:\n"                                                                              \
	"  m2: {address: \"10.0.0.6:80\", region: home}\n"                                         \
	"  m1: {address: \"[fd00::5]:8080\", region: away}\n"

static void test_who_we_are_is_the_environments_to_say(void **state)
{
	static const struct {
		const char *text;
		const char *variables[3];
		const char *machine, *region, *origin;
		enum target_kind target;
	} rows[] = {
		{"", {NULL}, "", "", "default", TARGET_NONE},
		{"machine: m1\n", {NULL}, "m1", "", "atc.yml:1", TARGET_NONE},
		{"machine: {name: m1, region: sea}\n", {NULL}, "m1", "sea", "atc.yml:1",
			TARGET_NONE},
		{"machine: m1\n", {"FLY_MACHINE_ID=148e", "FLY_REGION=sea"}, "148e", "sea",
			"environment FLY_MACHINE_ID", TARGET_FLY},
		{"machine: m1\n", {"ATC_MACHINE=m2", "ATC_REGION=iad"}, "m2", "iad",
			"environment ATC_MACHINE", TARGET_NONE},
		{"machine: m1\n", {"KAMAL_HOST=10.0.0.1"}, "10.0.0.1", "", "environment KAMAL_HOST",
			TARGET_NONE},
		{"", {"KAMAL_HOST=10.0.0.1", "ATC_MACHINE=m2"}, "m2", "", "environment ATC_MACHINE",
			TARGET_NONE},
		{"machine: m1\n", {"KAMAL_HOST=2001:db8::1"}, "m1", "", "atc.yml:1", TARGET_NONE},
		{"", {"ATC_MACHINE=m2", "FLY_MACHINE_ID=148e"}, "148e", "",
			"environment FLY_MACHINE_ID", TARGET_FLY},
		{"", {"ATC_MACHINE=", "FLY_MACHINE_ID="}, "", "", "default", TARGET_NONE},
		{"", {"ATC_MACHINE=p-0", "KUBERNETES_SERVICE_HOST=10.1.0.1"}, "p-0", "",
			"environment ATC_MACHINE", TARGET_KUBERNETES},
		{"", {"KUBERNETES_SERVICE_HOST=10.1.0.1"}, "", "", "default", TARGET_NONE},
		{"", {"THRUSTER_FLY_MACHINE_ID=148e"}, "", "", "default", TARGET_NONE},
		{TWO, {"ATC_MACHINE=m1"}, "m1", "away", "environment ATC_MACHINE", TARGET_HOSTS},
		{TWO "machine: {name: m1, target: none}\n", {NULL}, "m1", "away", "atc.yml:4",
			TARGET_NONE},
		{TWO "machine: m1\n", {"ATC_TARGET=fly"}, "m1", "away", "atc.yml:4", TARGET_FLY},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct config *c =
			load_good(*rows[i].text ? rows[i].text : NULL, rows[i].variables);
		char line[256], *dump = dump_text(c);
		const char *found;

		assert_str(c->our_machine, rows[i].machine);
		assert_str(c->our_region, rows[i].region);
		assert_int_equal(c->target, rows[i].target);
		snprintf(line, sizeof(line), "  name: %s",
			*rows[i].machine ? rows[i].machine : "\"\"");
		found = strstr(strstr(dump, "\nmachine:"), line);
		assert_non_null(found);
		assert_ptr_equal(strstr(found, rows[i].origin), strstr(found, "# ") + 2);
		free(dump);
		config_unref(c);
	}
}

static void test_machines_have_what_is_said_of_them(void **state)
{
	struct config *c = load_good(
		"machine: m1\n"
		"machines:\n"
		"  m3: {wake: {http: \"https://host/wake\"}}\n"
		"  m1: {address: \"m1.example.com:80\", region: home, wake: {command: \"ssh m1 $${x} 'a b'\"}, sleep: exit}\n"
		"  m2: {address: \"10.0.0.6:80\", wake: {wol: \"52:54:00:12:34:5f\"}, sleep: {command: [systemctl, suspend]}}\n"
		"  m4:\n",
		NULL);
	const struct machine_conf *m1 = config_find_machine(c, str_of("m1")),
				  *m2 = config_find_machine(c, str_of("m2")),
				  *m3 = config_find_machine(c, str_of("m3"));

	(void)state;
	assert_int_equal(c->nmachines, 4);
	assert_null(config_find_machine(c, str_of("m5")));
	for (size_t i = 1; i < c->nmachines; i++)
		assert_true(str_cmp(c->machines[i - 1].name, c->machines[i].name) < 0);
	assert_str(m1->address, "m1.example.com:80");
	assert_str(m1->region, "home");
	assert_str(c->our_region, "home");
	assert_int_equal(m1->wake.how, MACHINE_WAKE_COMMAND);
	assert_list(m1->wake.command, "ssh|m1|${x}|a b");
	assert_int_equal(m1->sleep.how, MACHINE_SLEEP_EXIT);
	assert_int_equal(m2->wake.how, MACHINE_WAKE_WOL);
	assert_str(m2->wake.wol, "52:54:00:12:34:5f");
	assert_int_equal(m2->sleep.how, MACHINE_SLEEP_COMMAND);
	assert_list(m2->sleep.command, "systemctl|suspend");
	assert_int_equal(m3->wake.how, MACHINE_WAKE_HTTP);
	assert_str(m3->wake.http, "https://host/wake");
	config_unref(c);
}

static void test_what_cannot_be_is_a_fault(void **state)
{
	(void)state;
	assert_faults(
		"machine: m1\n"
		"machines:\n"
		"  m1: {address: \"10.0.0.5\", zone: x}\n"
		"  \"m 2\": {address: \"http://m2:80\", region: \"a b\"}\n"
		"  m3: {address: \"m3:0\", wake: {wol: \"52:54:00:12:34\", http: \"ftp://x\"}}\n"
		"  m4: {address: \"[::g]:80\", wake: {http: \"ftp://x\"}, sleep: nap}\n"
		"  m5: {wake: {command: \"wake ${tenant.id}\"}, sleep: {command: []}}\n"
		"  m6: {wake: ssh, sleep: {how: exit}}\n"
		"  m7: yes\n",
		"3:17: error: address: \"10.0.0.5\" is not host:port\n"
		"3:29: error: unknown key \"zone\"\n"
		"4:3: error: machines: \"m 2\" may have letters, digits, - _ and . only\n"
		"4:20: error: address: \"http://m2:80\" is not host:port\n"
		"4:44: error: region: \"a b\" may have letters, digits, - _ and . only\n"
		"5:17: error: address: \"m3:0\" is not host:port\n"
		"5:37: error: wol: \"52:54:00:12:34\" is no hardware address such as 52:54:00:12:34:56\n"
		"5:55: error: wake: has one of command, http and wol\n"
		"6:17: error: address: \"[::g]:80\" is not host:port\n"
		"6:42: error: http: \"ftp://x\" does not begin with http:// or https://\n"
		"6:61: error: sleep: \"nap\" is neither exit nor a map with a command\n"
		"7:24: error: command: \"${tenant.id}\" names what there is for tenants only\n"
		"7:63: error: command: \"\" names no program\n"
		"8:14: error: wake: expected a map, not a text\n"
		"8:27: error: unknown key \"how\"\n"
		"9:7: error: m7: expected a map, not a text\n");
}

static void test_on_hosts_nobody_is_guessed(void **state)
{
	struct loaded l = load(TWO USERS);

	(void)state;
	assert_true(has_fault(&l, "error: this machine has no name: ATC_MACHINE"));
	loaded_done(&l);
	l = load("machine: m3\n" TWO USERS);
	assert_true(has_fault(&l, "this machine is \"m3\", which is not in machines:"));
	loaded_done(&l);
	l = load("machine: m1\n" TWO
		 "users: {a: {machine: m3, tenants: [x, y]}, b: {region: mars}}\n");
	assert_true(has_fault(&l, "atc.yml:5:1: error: machine: \"m3\" is not in machines:"));
	assert_true(has_fault(&l, "region: no machine of machines: is in mars"));
	assert_int_equal(l.faults.errors, 2);
	loaded_done(&l);
	/* Whoever only looks need not be one of them. */
	l = load_source(&(struct config_source){
		.file = "atc.yml", .environ = words(WORDS("X=")), .is_only_read = true});
	loaded_done(&l);
}

static void test_on_fly_machines_need_not_be_listed(void **state)
{
	struct config *c = load_good(USERS, WORDS("FLY_MACHINE_ID=m1", "FLY_REGION=home"));

	(void)state;
	assert_str(tenant(c, "a/x")->lives_on, "m2");
	assert_false(config_is_here(c, tenant(c, "a/x")));
	assert_str(tenant(c, "b/y")->lives_on, "");
	assert_true(config_is_here(c, tenant(c, "b/y")));
	config_unref(c);
	c = load_good(USERS, WORDS("FLY_MACHINE_ID=m1", "FLY_REGION=away"));
	assert_false(config_is_here(c, tenant(c, "b/y")));
	config_unref(c);
	c = load_good(USERS, NULL);
	assert_true(config_is_here(c, tenant(c, "a/x")) && config_is_here(c, tenant(c, "b/y")));
	config_unref(c);
}

/* --- rendezvous --- */

#define NUSERS 3000

static struct config *many(unsigned nmachines)
{
	char *text = malloc(NUSERS * 64 + 4096), *at = text;
	struct config *c;

	at += sprintf(at, "machines:\n");
	for (unsigned i = 0; i < nmachines; i++)
		at += sprintf(at, "  m%u: {region: home}\n", i);
	at += sprintf(at, "users:\n");
	for (unsigned i = 0; i < NUSERS; i++)
		at += sprintf(at, "  u%u: {region: Home, tenants: [x, y]}\n", i);
	c = load_good(text, WORDS("FLY_MACHINE_ID=m0"));
	free(text);
	return c;
}

static void test_users_of_a_region_are_spread_and_few_move(void **state)
{
	struct config *four = many(4), *five = many(5);
	unsigned counts[5] = {0}, moved = 0;

	(void)state;
	for (size_t i = 0; i < four->ntenants; i += 2) {
		str before = four->tenants[i].lives_on, after = five->tenants[i].lives_on;

		assert_true(str_eq(before, four->tenants[i + 1].lives_on));
		counts[after.p[1] - '0']++;
		if (str_eq(before, after))
			continue;
		moved++;
		assert_str(after, "m4");
	}
	for (size_t i = 0; i < 5; i++)
		assert_true(counts[i] > NUSERS / 5 * 4 / 5 && counts[i] < NUSERS / 5 * 6 / 5);
	assert_int_equal(moved, counts[4]);
	assert_true(four->fleet_version != five->fleet_version);
	config_unref(four);
	config_unref(five);
}

/* What is chosen now is chosen by every version of fly-atc, or two machines would have one user. */
static void test_the_choice_is_the_same_for_ever(void **state)
{
	static const char *const chosen[] = {"m1", "m0", "m2", "m0", "m1", "m0", "m0", "m1"};
	struct config *c = many(4);

	(void)state;
	for (size_t i = 0; i < NITEMS(chosen); i++) {
		char id[16];

		snprintf(id, sizeof(id), "u%zu/x", i);
		assert_str(tenant(c, id)->lives_on, chosen[i]);
	}
	config_unref(c);
}

/* --- from the target, and to the proxy --- */

static void test_what_the_target_has_found_is_joined_with_the_file(void **state)
{
	const struct machine_conf found[] = {
		{.name = str_of("m2"), .address = str_of("[fdaa::2]:80"), .region = str_of("ord")},
		{.name = str_of("m9"), .address = str_of("[fdaa::9]:80"), .region = str_of("home")},
		{.name = str_of("bad name"), .address = str_of(""), .region = str_of("home")},
	};
	struct loaded l;
	char *dump;

	(void)state;
	write_file("atc.yml", TWO "users: {a: {machine: m2}, b: {region: home}}\n");
	l = load_source(&(struct config_source){.file = "atc.yml",
		.command = words(WORDS("app")),
		.environ = words(WORDS("FLY_MACHINE_ID=m1")),
		.found = found,
		.nfound = NITEMS(found)});
	assert_non_null(l.c);
	assert_int_equal(l.c->nmachines, 3);
	assert_str(config_find_machine(l.c, str_of("m2"))->address, "10.0.0.6:80");
	assert_str(config_find_machine(l.c, str_of("m2"))->region, "home");
	assert_str(config_find_machine(l.c, str_of("m9"))->address, "[fdaa::9]:80");
	assert_true(config_find_machine(l.c, str_of("m9"))->is_of_target);
	dump = dump_text(l.c);
	assert_null(strstr(dump, "m9"));
	free(dump);
	loaded_done(&l);
}

static void test_the_proxy_knows_where_machines_are_but_not_how_they_wake(void **state)
{
	struct config *
		c = load_good(
		       "machine: {name: m1, secret: a-very-secret-word}\n"
		       "machines:\n"
		       "  m1: {address: \"10.0.0.5:80\", region: home, wake: {command: knock}, sleep: exit}\n"
		       "  m2: {address: \"10.0.0.6:80\", region: home, wake: {http: \"http://u:pw@host/\"}}\n"
		       "appliances: {\"/*/*.pdf\": {app: printer, region: iad}, /print/*: {app: other}}\n"
		       "users: {a: {region: home, tenants: [x]}, b: {machine: m2}}\n",
		       WORDS("FLY_APP_NAME=calendar")),
	       *again;
	char *snapshot = snapshot_text(c);

	(void)state;
	again = config_snapshot_read(str_of(snapshot));
	assert_non_null(again);
	assert_null(strstr(snapshot, "knock"));
	assert_null(strstr(snapshot, "pw"));
	assert_null(strstr(snapshot, "exit"));
	assert_null(strstr(snapshot, "a-very-secret-word"));
	assert_str(again->our_machine, "m1");
	assert_str(again->our_region, "home");
	assert_str(again->our_app, "calendar");
	assert_int_equal(again->target, TARGET_HOSTS);
	assert_int_equal(again->hop_key.n, 64);
	assert_true(str_eq(again->hop_key, c->hop_key));
	assert_int_equal(again->fleet_version, c->fleet_version);
	assert_int_equal(again->nmachines, 2);
	assert_str(again->machines[1].address, "10.0.0.6:80");
	assert_int_equal(again->nappliances, 2);
	assert_str(again->appliances[0].pattern, "/*/*.pdf");
	assert_str(again->appliances[0].region, "iad");
	assert_false(again->appliances[0].is_rooted);
	assert_true(again->appliances[1].is_rooted);
	for (size_t i = 0; i < c->ntenants; i++)
		assert_true(str_eq(c->tenants[i].lives_on, again->tenants[i].lives_on));
	free(snapshot);
	config_unref(c);
	config_unref(again);
}

/* --- the secret --- */

static void test_machines_with_one_secret_have_one_key(void **state)
{
	struct config *file = load_good(
			      "machine: {name: m1, target: fly, secret: sixteen-bytes-ok}\n", NULL),
		      *variable = load_good("machine: {name: m2, target: fly}\n",
			      WORDS("FLY_ATC_FLEET_SECRET=sixteen-bytes-ok")),
		      *other = load_good(
			      "machine: {name: m1, target: fly, secret: sixteen-bytes-no}\n", NULL),
		      *none = load_good("machine: {name: m1, target: fly}\n", NULL);
	struct loaded l;

	(void)state;
	assert_int_equal(file->hop_key.n, 64);
	assert_true(str_eq(file->hop_key, variable->hop_key));
	assert_false(str_eq(file->hop_key, other->hop_key));
	assert_int_equal(none->hop_key.n, 0);
	assert_list(variable->secret_variables, "FLY_ATC_FLEET_SECRET");
	config_unref(file);
	config_unref(variable);
	config_unref(other);
	config_unref(none);
	write_file("atc.yml", "machine: {name: m1, target: fly}\n");
	l = load_source(&(struct config_source){.file = "atc.yml",
		.command = words(WORDS("app")),
		.environ = words(WORDS("X=")),
		.fleet_secret = str_of("sixteen-bytes-ok")});
	assert_int_equal(l.c->hop_key.n, 64);
	loaded_done(&l);
	assert_faults(
		"machine: {secret: short}\n", "1:19: error: secret: is shorter than 16 bytes\n");
}

static void test_a_hidden_secret_is_none(void **state)
{
	struct loaded l = load("machine: {name: m1, target: fly, secret: \"[hidden]\"}\n");

	(void)state;
	assert_true(has_fault(&l, "warning: secret: is not the secret itself; there is none"));
	assert_int_equal(l.c->hop_key.n, 0);
	loaded_done(&l);
}

static void test_patterns_of_appliances_are_looked_at(void **state)
{
	(void)state;
	assert_faults("appliances:\n"
		      "  x.pdf: {app: printer}\n"
		      "  /a?b: {app: printer}\n"
		      "  /*//x: {app: printer}\n"
		      "  /a/../b: {app: printer}\n"
		      "  /ok/*: {app: \"a b\", machine: m}\n",
		"2:3: error: appliances: \"x.pdf\" is no path such as /*/*.pdf, in which * stands for anything\n"
		"3:3: error: appliances: \"/a?b\" is no path such as /*/*.pdf, in which * stands for anything\n"
		"4:3: error: appliances: \"/*//x\" is no path such as /*/*.pdf, in which * stands for anything\n"
		"5:3: error: appliances: \"/a/../b\" is no path such as /*/*.pdf, in which * stands for anything\n"
		"6:16: error: app: \"a b\" may have letters, digits, - _ and . only\n"
		"6:23: error: unknown key \"machine\"\n");
	assert_faults("appliances: {/ok/*: {region: iad}}\n",
		"1:14: error: appliances: /ok/*: names no app\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_we_are_is_the_environments_to_say),
		cmocka_unit_test(test_machines_have_what_is_said_of_them),
		cmocka_unit_test(test_what_cannot_be_is_a_fault),
		cmocka_unit_test(test_on_hosts_nobody_is_guessed),
		cmocka_unit_test(test_on_fly_machines_need_not_be_listed),
		cmocka_unit_test(test_users_of_a_region_are_spread_and_few_move),
		cmocka_unit_test(test_the_choice_is_the_same_for_ever),
		cmocka_unit_test(test_what_the_target_has_found_is_joined_with_the_file),
		cmocka_unit_test(test_the_proxy_knows_where_machines_are_but_not_how_they_wake),
		cmocka_unit_test(test_machines_with_one_secret_have_one_key),
		cmocka_unit_test(test_a_hidden_secret_is_none),
		cmocka_unit_test(test_patterns_of_appliances_are_looked_at),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
