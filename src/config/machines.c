/* machines.c - the fleet: `machine:`, `machines:`, which of them we are, and who lives on which. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/hash.h"
#include "base/number.h"
#include "config/config_int.h"

#define HASH_OF_MACHINES 0x666c792d61746300u, 0x6d616368696e6573u
#define HOP_KEY_FOR	 STR("fly-atc hop key 1")

static const struct place in_environment = {PLACE_ENVIRONMENT, 0, 0};

/* -- machine: -- */

void machine_read(struct loader *ld, const struct node *n)
{
	struct values values = machine_values(ld->config);

	if (n->kind == NODE_SCALAR && !n->is_bad && !node_is_null(n)) {
		struct node key = *n->key, name = *n;

		key.text = STR("name");
		name.key = &key;
		(void)!section_read_entry(ld, &values, &name);
		return;
	}
	if (!section_expects_map(ld, n))
		return;
	node_foreach(entry, n) if (!section_read_entry(ld, &values, entry))
		fault_unknown_key(ld, entry->key, values.section, NULL);
}

/* -- machines: -- */

/* A text that no row stands for. */
static bool read_said(struct loader *ld, const struct node *n, str *ret)
{
	struct row row = {.type = TYPE_STR, .name = n->key->text};

	return value_read(ld, &row, n, ret);
}

static void complain(struct loader *ld, const struct node *n, str value, const char *what)
{
	fault_at(ld, n->place, STR_FMT ": \"" STR_FMT "\" %s", STR_ARG(n->key->text),
		STR_ARG(value), what);
}

bool machine_name_read(struct loader *ld, const struct node *n, str *ret)
{
	if (!read_said(ld, n, ret))
		return false;
	if (!ret->n || is_machine_name(*ret))
		return true;
	complain(ld, n, *ret, "may have letters, digits, - _ and . only");
	return false;
}

/* "10.0.0.5:8080", "[fd00::5]:8080", "m1.example.com:80". */
static bool is_address(str s)
{
	size_t colon = s.n;
	uint64_t port;
	str host;

	while (colon && s.p[colon - 1] != ':')
		colon--;
	if (!colon || number_parse(str_slice(s, colon, s.n), 65535, &port) < 0 || !port)
		return false;
	host = str_slice(s, 0, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host = str_slice(host, 1, host.n - 1);
		for (size_t i = 0; i < host.n; i++)
			if (!strchr("0123456789abcdefABCDEF:.", host.p[i]))
				return false;
		return str_find_char(host, ':') >= 0;
	}
	return is_machine_name(host);
}

static bool is_wol(str s)
{
	if (s.n != 17)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = char_lower(s.p[i]);
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (i % 3 == 2 ? c != ':' && c != '-' : !is_digit)
			return false;
	}
	return true;
}

/* The words of a command are literal: no tenant is there that ${…} could mean. */
static bool read_command(struct loader *ld, const struct node *n, struct str_list *ret)
{
	struct row row = {.type = TYPE_ARGV, .name = n->key->text};
	struct str_list words;

	if (!value_read(ld, &row, n, &words))
		return false;
	for (size_t i = 0; i < words.count; i++) {
		char *to = arena_alloc(ld->arena, words.items[i].n + 1);
		str word = words.items[i];
		size_t size = 0;

		for (size_t at = 0; at < word.n; at++) {
			if (word.p[at] == '$' && at + 1 < word.n && word.p[at + 1] == '{') {
				complain(ld, n, word, "names what there is for tenants only");
				return false;
			}
			at += word.p[at] == '$' && at + 1 < word.n && word.p[at + 1] == '$';
			to[size++] = word.p[at];
		}
		to[size] = 0;
		words.items[i] = (str){to, size};
	}
	if (!words.count)
		complain(ld, n, STR_EMPTY, "names no program");
	*ret = words;
	return words.count;
}

static void read_wake_entry(struct loader *ld, struct machine_conf *m, const struct node *n)
{
	static const char *const keys[] = {"command", "http", "wol", NULL};
	str key = n->key->text;

	if (m->wake.how != MACHINE_WAKE_NONE) {
		fault_at(ld, n->key->place, "wake: has one of command, http and wol");
	} else if (str_eq(key, STR("command"))) {
		m->wake.how = MACHINE_WAKE_COMMAND;
		(void)!read_command(ld, n, &m->wake.command);
	} else if (str_eq(key, STR("http"))) {
		m->wake.how = MACHINE_WAKE_HTTP;
		if (read_said(ld, n, &m->wake.http) && !str_starts(m->wake.http, STR("http://")) &&
			!str_starts(m->wake.http, STR("https://")))
			complain(ld, n, m->wake.http, "does not begin with http:// or https://");
	} else if (str_eq(key, STR("wol"))) {
		m->wake.how = MACHINE_WAKE_WOL;
		if (read_said(ld, n, &m->wake.wol) && !is_wol(m->wake.wol))
			complain(ld, n, m->wake.wol,
				"is no hardware address such as 52:54:00:12:34:56");
	} else {
		fault_unknown_key(ld, n->key, NULL, keys);
	}
}

static void read_sleep(struct loader *ld, struct machine_conf *m, const struct node *n)
{
	static const char *const keys[] = {"command", NULL};
	str word = STR_EMPTY;

	if (n->kind == NODE_SCALAR && !node_is_null(n)) {
		if (!read_said(ld, n, &word))
			return;
		if (str_eq(word, STR("exit")))
			m->sleep.how = MACHINE_SLEEP_EXIT;
		else
			complain(ld, n, word, "is neither exit nor a map with a command");
		return;
	}
	if (!section_expects_map(ld, n))
		return;
	node_foreach(entry, n)
	{
		if (!str_eq(entry->key->text, STR("command"))) {
			fault_unknown_key(ld, entry->key, NULL, keys);
			continue;
		}
		m->sleep.how = MACHINE_SLEEP_COMMAND;
		(void)!read_command(ld, entry, &m->sleep.command);
	}
}

static void read_machine_entry(struct loader *ld, struct machine_conf *m, const struct node *n)
{
	static const char *const keys[] = {"address", "region", "wake", "sleep", NULL};
	str key = n->key->text;

	if (str_eq(key, STR("address"))) {
		if (read_said(ld, n, &m->address) && m->address.n && !is_address(m->address))
			complain(ld, n, m->address, "is not host:port");
	} else if (str_eq(key, STR("region"))) {
		(void)!machine_name_read(ld, n, &m->region);
	} else if (str_eq(key, STR("wake"))) {
		if (section_expects_map(ld, n))
			node_foreach(entry, n) read_wake_entry(ld, m, entry);
	} else if (str_eq(key, STR("sleep"))) {
		read_sleep(ld, m, n);
	} else {
		fault_unknown_key(ld, n->key, NULL, keys);
	}
}

static struct machine_conf *add_machine(struct loader *ld)
{
	struct machine_conf *m;

	/* Doubles whenever the number is a power of two. */
	if (!(ld->nmachines & (ld->nmachines - 1)))
		ld->machines = xrealloc(
			ld->machines, MAX(ld->nmachines * 2, (size_t)1) * sizeof(*ld->machines));
	m = &ld->machines[ld->nmachines++];
	*m = (struct machine_conf){.name = STR_EMPTY, .address = STR_EMPTY, .region = STR_EMPTY};
	return m;
}

void machines_read(struct loader *ld, const struct node *map)
{
	if (!section_expects_map(ld, map))
		return;
	node_foreach(n, map)
	{
		struct machine_conf *m = add_machine(ld);

		m->name = arena_dup(ld->arena, n->key->text);
		m->line = n->key->place.line;
		if (!is_machine_name(m->name))
			fault_at(ld, n->key->place,
				"machines: \"" STR_FMT
				"\" may have letters, digits, - _ and . only",
				STR_ARG(m->name));
		if (section_expects_map(ld, n))
			node_foreach(entry, n) read_machine_entry(ld, m, entry);
	}
}

/* -- all machines -- */

static int compare_machines(const void *a, const void *b)
{
	return str_cmp(
		((const struct machine_conf *)a)->name, ((const struct machine_conf *)b)->name);
}

static struct machine_conf *find_draft(struct loader *ld, str name)
{
	for (size_t i = 0; i < ld->nmachines; i++)
		if (str_eq(ld->machines[i].name, name))
			return &ld->machines[i];
	return NULL;
}

/* The file may know of a machine what the target does not, and the other way round. */
static void add_found(struct loader *ld)
{
	for (size_t i = 0; ld->source && i < ld->source->nfound; i++) {
		const struct machine_conf *found = &ld->source->found[i];
		struct machine_conf *m = find_draft(ld, found->name);

		if (!is_machine_name(found->name))
			continue;
		if (!m) {
			m = add_machine(ld);
			m->name = arena_dup(ld->arena, found->name);
			m->is_of_target = true;
		}
		if (!m->address.n)
			m->address = arena_dup(ld->arena, found->address);
		if (!m->region.n && is_machine_name(found->region))
			m->region = arena_dup(ld->arena, found->region);
	}
}

static void hand_over(struct loader *ld)
{
	struct config *c = ld->config;

	c->nmachines = ld->nmachines;
	c->machines = arena_alloc(ld->arena, ld->nmachines * sizeof(*c->machines));
	if (!ld->nmachines)
		return;
	qsort(ld->machines, ld->nmachines, sizeof(*ld->machines), compare_machines);
	memcpy(c->machines, ld->machines, ld->nmachines * sizeof(*c->machines));
}

const struct machine_conf *config_find_machine(const struct config *c, str name)
{
	size_t low = 0, high = c->nmachines;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(c->machines[middle].name, name);

		if (order == 0)
			return &c->machines[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* -- who we are -- */

static bool is_set(const struct loader *ld, const char *variable)
{
	const char *value = environment_get(ld, variable);

	return value && *value;
}

/* The variable that says it where the platform's own does not. */
static bool take_variable(
	struct loader *ld, enum machine_row i, const char *variable, enum origin_note note)
{
	struct values v = machine_values(ld->config);
	str *value = value_at(&v, i);

	if (v.origins[i].kind == ORIGIN_PLAIN || !is_set(ld, variable))
		return false;
	*value = arena_dup(ld->arena, str_of(environment_get(ld, variable)));
	v.origins[i] = (struct value_origin){ORIGIN_NOTE, note};
	ld->variable = variable;
	check_machine_name(ld, &v.section->rows[i], value, in_environment);
	ld->variable = NULL;
	return true;
}

/* Kamal sets it whether or not there is a fleet, to what may be an address of IPv6. */
static void take_kamal_host(struct loader *ld)
{
	const char *host = environment_get(ld, "KAMAL_HOST");

	if (!host || !*host || is_machine_name(str_of(host)))
		take_variable(ld, MACHINE_name, "KAMAL_HOST", NOTE_kamal_host);
	else if (ld->nmachines)
		warn_at(ld, in_environment,
			"KAMAL_HOST=%s cannot be the name of this machine, which has letters, digits, - _ and . only; "
			"in a fleet ATC_MACHINE is to say it",
			host);
}

static void take_identity(struct loader *ld)
{
	struct config *c = ld->config;

	if (!take_variable(ld, MACHINE_name, "ATC_MACHINE", NOTE_atc_machine))
		take_kamal_host(ld);
	take_variable(ld, MACHINE_region, "ATC_REGION", NOTE_atc_region);
	c->our_machine = c->machine.name;
	c->our_region = c->machine.region;
	if (is_set(ld, "FLY_APP_NAME"))
		c->our_app = arena_dup(ld->arena, str_of(environment_get(ld, "FLY_APP_NAME")));
}

static enum target_kind find_target(const struct loader *ld)
{
	if (ld->config->machine.target != TARGET_AUTO)
		return ld->config->machine.target;
	if (is_set(ld, "FLY_MACHINE_ID") || is_set(ld, "FLY_REGION"))
		return TARGET_FLY;
	if (is_set(ld, "KUBERNETES_SERVICE_HOST") && is_set(ld, "ATC_MACHINE"))
		return TARGET_KUBERNETES;
	return ld->nmachines ? TARGET_HOSTS : TARGET_NONE;
}

static void find_our_region(struct loader *ld)
{
	struct config *c = ld->config;
	const struct machine_conf *ours = config_find_machine(c, c->our_machine);

	if (!ours || !ours->region.n)
		return;
	if (!c->our_region.n)
		c->our_region = ours->region;
	else if (!str_eq_nocase(c->our_region, ours->region))
		warn_at(ld, (struct place){PLACE_FILE, ours->line, 1},
			"machine " STR_FMT " is in region " STR_FMT " here, and in " STR_FMT
			" by what it says itself",
			STR_ARG(c->our_machine), STR_ARG(ours->region), STR_ARG(c->our_region));
}

/* On hosts nobody but the file knows who we are; to guess would make two machines serve one user.
 */
static void check_our_name(struct loader *ld)
{
	const struct config *c = ld->config;

	if (c->target != TARGET_HOSTS)
		return;
	if (!c->our_machine.n) {
		if (!ld->source->is_only_read)
			fault_at(ld, in_environment,
				"this machine has no name: ATC_MACHINE, or machine: in the file, is to say "
				"which of machines: it is; `target: none` in machine: serves everybody here");
		return;
	}
	if (!config_find_machine(c, c->our_machine))
		fault_at(ld, in_environment,
			"this machine is \"" STR_FMT "\", which is not in machines:",
			STR_ARG(c->our_machine));
}

static void derive_hop_key(struct loader *ld)
{
	struct config *c = ld->config;
	str secret = c->machine.secret.n ? c->machine.secret : ld->source->fleet_secret;
	unsigned char key[DIGEST_SHA256];
	char *hex;

	if (secret.n < CONFIG_MIN_FLEET_SECRET || c->target == TARGET_NONE)
		return;
	digest_hmac_sha256(secret, HOP_KEY_FOR, key);
	hex = arena_alloc(ld->arena, DIGEST_HEX_SIZE(sizeof(key)));
	digest_write_hex(key, sizeof(key), hex);
	c->hop_key = str_of(hex);
}

void machines_derive(struct loader *ld)
{
	if (ld->is_snapshot) {
		hand_over(ld);
		return;
	}
	take_identity(ld);
	ld->config->target = find_target(ld);
	add_found(ld);
	hand_over(ld);
	find_our_region(ld);
	check_our_name(ld);
	derive_hop_key(ld);
}

/* -- who lives where -- */

bool config_is_here(const struct config *c, const struct tenant_conf *t)
{
	if (c->target == TARGET_NONE)
		return true;
	if (t->lives_on.n)
		return str_eq(t->lives_on, c->our_machine);
	return !t->region.n || str_eq_nocase(t->region, c->our_region);
}

/* Spreads what differs in few bits over all of them (the finalizer of SplitMix64). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Rendezvous hashing: when a machine comes or goes, only users that live on it move.  Empty: none
 * of the region is known. */
static str machine_of(const struct config *c, const uint64_t *hashes, str region, str user)
{
	uint64_t key = hash_keyed(user, HASH_OF_MACHINES), best = 0;
	str name = STR_EMPTY;

	for (size_t i = 0; i < c->nmachines; i++) {
		uint64_t score = mix(key ^ hashes[i]);

		if (!str_eq_nocase(c->machines[i].region, region) || (name.n && score <= best))
			continue;
		best = score;
		name = c->machines[i].name;
	}
	return name;
}

static unsigned machine_line(const struct tenant_private *private)
{
	if (private->location && private->location->machine_line)
		return private->location->machine_line;
	return private->user ? private->user->location.machine_line : 0;
}

/* Off Fly a machine that nobody has said how to reach is a slip. */
static void check_machine(
	struct loader *ld, const struct tenant_conf *t, const struct tenant_private *private)
{
	const struct config *c = ld->config;

	if (ld->is_snapshot || (c->target != TARGET_HOSTS && c->target != TARGET_KUBERNETES))
		return;
	if (t->machine.n && !config_find_machine(c, t->machine))
		fault_at(ld, (struct place){PLACE_FILE, machine_line(private), 1},
			"machine: \"" STR_FMT "\" is not in machines:", STR_ARG(t->machine));
	else if (c->target == TARGET_HOSTS && t->region.n && !t->lives_on.n)
		fault_at(ld, private->place, "region: no machine of machines: is in " STR_FMT,
			STR_ARG(t->region));
}

static void hash_text(struct buf *out, str s)
{
	buf_add(out, (str){(const char *)&s.n, sizeof(s.n)});
	buf_add(out, s);
}

static uint64_t fleet_version(const struct config *c)
{
	struct buf text = {0};
	uint64_t hash;

	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_conf *t = &c->tenants[i];

		hash_text(&text, t->id);
		hash_text(&text, t->host);
		hash_text(&text, t->lives_on);
		hash_text(&text, t->region);
	}
	for (size_t i = 0; i < c->nappliances; i++) {
		hash_text(&text, c->appliances[i].pattern);
		hash_text(&text, c->appliances[i].app);
		hash_text(&text, c->appliances[i].region);
	}
	hash = hash_keyed(buf_str(&text), HASH_OF_MACHINES);
	buf_done(&text);
	return hash;
}

void machines_place(struct loader *ld)
{
	struct config *c = ld->config;
	CLEAN_FREE uint64_t *hashes = xcalloc(c->nmachines + 1, sizeof(*hashes));
	const struct tenant_conf *last = NULL;
	unsigned told = 0;

	for (size_t i = 0; i < c->nmachines; i++)
		hashes[i] = hash_keyed(c->machines[i].name, HASH_OF_MACHINES);
	for (size_t i = 0; i < c->ntenants; i++) {
		struct tenant_conf *t = &c->tenants[i];
		unsigned line = machine_line(&c->private->tenants[i]);

		if (t->machine.n)
			t->lives_on = t->machine;
		else if (last && str_eq(last->user, t->user) && str_eq(last->region, t->region))
			t->lives_on = last->lives_on;
		else if (t->region.n)
			t->lives_on = machine_of(c, hashes, t->region, t->user);
		if (!line || line != told)
			check_machine(ld, t, &c->private->tenants[i]);
		told = line;
		last = t->machine.n ? NULL : t;
	}
	c->fleet_version = fleet_version(c);
}
