/* roster.c - user and tenant: add, change, remove, list. */
/* SPDX-License-Identifier: MIT */
#include "command/roster.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "command/roster_desk.h"
#include "command/roster_int.h"
#include "command/table.h"
#include "command/text.h"
#include "control/client.h"

static const char *const actions[] = {"add", "change", "remove", "list", NULL};
#define LIST (ROSTER_REMOVE + 1)
static_assert(NITEMS(actions) == LIST + 2, "a word for each verb of the roster, and list");

/* --- settings from words --- */

static str word_key(const char *word)
{
	ssize_t equals = str_find_char(str_of(word), '=');

	return str_slice(str_of(word), 0, equals < 0 ? 0 : (size_t)equals);
}

/* "env.RAILS_ENV" -> "env". */
static str first_part(str key)
{
	ssize_t dot = str_find_char(key, '.');

	return str_slice(key, 0, dot < 0 ? key.n : (size_t)dot);
}

/* A list or a map is YAML's, everything else a text; nothing takes back what was said. */
static void add_word_value(struct json *j, const char *word)
{
	str value = str_of(word + word_key(word).n + 1);

	if (!value.n)
		json_none(j, NULL);
	else if (value.p[0] == '{' || value.p[0] == '[')
		json_raw(j, NULL, value);
	else
		json_str(j, NULL, value);
}

static bool is_told_before(char *const *words, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(first_part(word_key(words[k])), first_part(word_key(words[i]))))
			return true;
	return false;
}

/* All words about one key: env.A=1 env.B=2. */
static void add_key(struct json *j, char *const *words, size_t n, size_t i)
{
	str key = first_part(word_key(words[i]));

	json_name(j, key);
	if (key.n == word_key(words[i]).n) {
		add_word_value(j, words[i]);
		return;
	}
	json_open_object(j, NULL);
	for (size_t k = i; k < n; k++) {
		str whole = word_key(words[k]);

		if (!str_eq(first_part(whole), key) || whole.n == key.n)
			continue;
		json_name(j, str_slice(whole, key.n + 1, whole.n));
		add_word_value(j, words[k]);
	}
	json_close_object(j);
}

static void add_tenants(struct json *j, char *const *words, size_t n)
{
	bool has_any = false;

	for (size_t i = 0; i < n; i++) {
		if (word_key(words[i]).n)
			continue;
		if (!has_any)
			json_open_array(j, "tenants");
		has_any = true;
		json_str(j, NULL, str_of(words[i]));
	}
	if (has_any)
		json_close_array(j);
}

/* The words of a user or tenant as a map; those without "=" are tenants. */
static void write_settings(char *const *words, size_t n, struct buf *out)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	add_tenants(&j, words, n);
	for (size_t i = 0; i < n; i++)
		if (word_key(words[i]).n && !is_told_before(words, i))
			add_key(&j, words, n, i);
	json_close_object(&j);
}

/* --- writing --- */

char *roster_writer(void)
{
	const char *user = getenv("SUDO_USER");
	char host[256] = "";

	if (!user)
		user = getenv("USER");
	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		return xasprintf("%s", user ? user : "somebody");
	return user ? xasprintf("%s@%s", user, host) : xasprintf("uid %u@%s", getuid(), host);
}

struct config_source roster_source(const struct options *o)
{
	return (struct config_source){.file = o->file, .environ = environ, .is_only_read = true};
}

void roster_print(str text)
{
	str rest = text, line;
	struct buf out = {0};

	while (str_split(&rest, '\n', &line)) {
		text_add_harmless(&out, line);
		buf_add_char(&out, '\n');
	}
	print_buf(&out, stdout);
	buf_done(&out);
}

void roster_print_json(uint64_t version, str text, bool is_dry)
{
	struct buf out = {0};
	struct json j = {.out = &out};
	str rest = text, line;

	json_open_object(&j, NULL);
	json_number(&j, "version", version);
	json_bool(&j, "written", version && !is_dry);
	json_open_array(&j, "changes");
	while (str_split(&rest, '\n', &line))
		json_str(&j, NULL, line);
	json_close_array(&j);
	json_close_object(&j);
	buf_add_char(&out, '\n');
	print_buf(&out, stdout);
	buf_done(&out);
}

/* What the loader has to say of this version, and of nothing else. */
static void print_warnings(const struct roster_outcome *outcome)
{
	for (size_t i = 0; outcome->version && i < outcome->faults.count; i++) {
		const struct config_fault *f = &outcome->faults.items[i];

		if (f->is_warning && f->line == outcome->version && str_eq(f->where, STR("roster")))
			fprintf(stderr, "roster:%u: warning: " STR_FMT "\n", f->line,
				STR_ARG(f->text));
	}
}

int roster_tell_outcome(const struct options *o, const struct roster_desk *d, int r,
	const struct roster_outcome *outcome, const struct why *why)
{
	struct buf text = {0};

	if (r < 0) {
		if (outcome->faults.errors)
			config_faults_print(&outcome->faults, STDERR_FILENO);
		text_add_harmless(&text, str_of(why->text));
		tell_fault(STR_FMT "%s", STR_ARG(buf_str(&text)),
			r == -EBADMSG ? "; nothing was changed" : "");
		buf_done(&text);
		return r == -EINVAL || (r == -EBADMSG && outcome->faults.errors) ? EXIT_USAGE
										 : EXIT_RUNTIME;
	}
	print_warnings(outcome);
	if (o->as_json) {
		roster_print_json(outcome->version, buf_str(&outcome->text), o->is_dry);
	} else {
		roster_print(buf_str(&outcome->text));
		if (!outcome->version)
			printf("nothing changes\n");
		else
			printf(o->is_dry ? "it would be version %llu in %s; nothing was written\n"
					 : "version %llu in %s\n",
				(unsigned long long)outcome->version, roster_place_name(d->place));
	}
	buf_done(&text);
	return outcome->version && !o->is_dry ? roster_tell_running(o, outcome->version) : 0;
}

int roster_tell_no_place(const struct roster_desk *d)
{
	tell_fault("%s", d->why_none ? d->why_none : "there is no place for a roster");
	return EXIT_USAGE;
}

/* By who runs here, where we have no keys for the store, say. */
static int ask_entry(
	const struct options *o, const struct roster_desk *d, const struct roster_request *q)
{
	struct buf name = {0}, by = {0};
	CLEAN_FREE char *target = NULL;
	int r;

	client_add_segment(&name, q->name);
	client_add_segment(&by, q->by);
	target = xasprintf("%ss/" STR_FMT "/%s?by=" STR_FMT "%s", verb_name(o->verb),
		STR_ARG(buf_str(&name)), o->words[0], STR_ARG(buf_str(&by)),
		o->is_dry ? "&dry_run=1" : "");
	r = d->file->is_single ? -ENOENT : roster_ask(o, target, q->settings);
	buf_done(&name);
	buf_done(&by);
	return r == -ENOENT ? roster_tell_no_place(d) : r;
}

static int write_entry(const struct options *o, struct roster_desk *d, enum roster_verb verb)
{
	struct config_source source = roster_source(o);
	CLEAN_FREE char *by = roster_writer();
	struct roster_outcome outcome = {0};
	struct roster_owner owner;
	struct buf settings = {0};
	struct why why = {""};
	struct roster_request q = {
		.kind = o->verb == VERB_USER ? ROSTER_USER : ROSTER_TENANT,
		.verb = verb,
		.name = str_of(o->words[1]),
		.by = str_of(by),
		.is_dry = o->is_dry,
	};
	int r;

	write_settings(o->words + 2, o->nwords - 2, &settings);
	q.settings = buf_str(&settings);
	if (d->place) {
		roster_desk_be_owner(d, &owner);
		r = roster_commit(d->place, &source, d->roster, &q,
			clock_now() + ROSTER_WRITE_LIMIT, &outcome, &why);
		roster_owner_return(&owner);
		r = roster_tell_outcome(o, d, r, &outcome, &why);
	} else {
		r = ask_entry(o, d, &q);
	}
	roster_outcome_done(&outcome);
	buf_done(&settings);
	return r;
}

/* --- list --- */

struct lister {
	const struct options *o;
	struct table *table;
	struct json j;
	size_t shown;
};

static void cell(struct table *t, str text)
{
	table_cell(t, text.n ? text : STR("-"), TABLE_PLAIN);
}

static void add_list_row(struct lister *l, const struct config_said *said)
{
	char number[TEXT_MAX];

	cell(l->table, said->id.n ? said->id : said->user);
	cell(l->table, said->machine);
	cell(l->table, said->region);
	cell(l->table, said->host);
	if (!said->id.n) {
		snprintf(number, sizeof(number), "%zu", said->ntenants);
		cell(l->table, str_of(number));
	}
	cell(l->table, str_of(said->where));
}

static void add_object(struct json *j, const struct config_said *said)
{
	json_open_object(j, NULL);
	json_str(j, "user", said->user);
	if (said->id.n)
		json_str(j, "tenant", said->id);
	else
		json_number(j, "tenants", said->ntenants);
	json_str_or_null(j, "machine", said->machine);
	json_str_or_null(j, "region", said->region);
	json_str_or_null(j, "host", said->host);
	json_str(j, "where", str_of(said->where));
	json_close_object(j);
}

static void on_said(void *arg, const struct config_said *said)
{
	struct lister *l = arg;
	const char *wanted = l->o->nwords > 1 ? l->o->words[1] : NULL;

	if (wanted && !str_eq(said->user, str_of(wanted)) && !str_eq(said->id, str_of(wanted)))
		return;
	l->shown++;
	if (l->o->as_json)
		add_object(&l->j, said);
	else
		add_list_row(l, said);
}

static void list_said(struct lister *l, const struct config *conf)
{
	if (l->o->verb == VERB_USER)
		config_each_user(conf, on_said, l);
	else
		config_each_tenant(conf, on_said, l);
}

static int print_list(const struct options *o, const struct config *conf)
{
	static const char *const users[] = {
		"USER", "MACHINE", "REGION", "HOST", ">TENANTS", "WHERE", NULL};
	static const char *const tenants[] = {"TENANT", "MACHINE", "REGION", "HOST", "WHERE", NULL};
	struct buf out = {0};
	struct lister l = {.o = o,
		.table = table_new(o->verb == VERB_USER ? users : tenants),
		.j = {.out = &out}};

	if (o->as_json)
		json_open_array(&l.j, NULL);
	list_said(&l, conf);
	if (o->as_json) {
		json_close_array(&l.j);
		buf_add_char(&out, '\n');
	} else if (l.shown) {
		table_write(l.table, false, &out);
	}
	print_buf(&out, stdout);
	table_free(l.table);
	buf_done(&out);
	if (l.shown || o->nwords < 2)
		return 0;
	tell_fault("there is no %s %s", verb_name(o->verb), o->words[1]);
	return EXIT_RUNTIME;
}

static int list_entries(const struct options *o, struct roster_desk *d)
{
	struct config_source source = roster_source(o);
	int read = roster_desk_read(d), r;
	struct config *conf = roster_desk_load(d, &source);

	if (!d->place && d->file->backup.url.n && !d->file->is_single) {
		tell_fault("the roster cannot be read, this is the file alone: %s", d->why_none);
		read = -EIO;
	}

	if (!conf)
		return EXIT_USAGE;
	r = print_list(o, conf);
	config_unref(conf);
	return read < 0 ? EXIT_RUNTIME : r;
}

/* --- the commands --- */

static int usage_fault(const struct options *o)
{
	fprintf(stderr, "Try: fly-atc help %s\n", verb_name(o->verb));
	return EXIT_USAGE;
}

static int check_action(const struct options *o, unsigned action)
{
	if (action > LIST) {
		const char *meant = suggest_word(o->words[0], actions);

		tell_fault("%s: %s is none of add, change, remove and list%s%s%s",
			verb_name(o->verb), o->words[0], meant ? "; did you mean " : "",
			meant ? meant : "", meant ? "?" : "");
		return usage_fault(o);
	}
	if (action != LIST && o->nwords < 2) {
		tell_fault("%s %s: which %s?", verb_name(o->verb), o->words[0], verb_name(o->verb));
		return usage_fault(o);
	}
	for (size_t i = 2; i < o->nwords; i++) {
		bool may_be_tenant = o->verb == VERB_USER && action == ROSTER_ADD;

		if (action != LIST && action != ROSTER_REMOVE &&
			(word_key(o->words[i]).n || may_be_tenant))
			continue;
		tell_fault("%s %s: unexpected argument %s%s", verb_name(o->verb), o->words[0],
			o->words[i],
			action == LIST || action == ROSTER_REMOVE ? ""
								  : "; a setting is KEY=VALUE");
		return usage_fault(o);
	}
	return 0;
}

int roster_entries_run(const struct options *o)
{
	struct config_source source = roster_source(o);
	struct roster_desk desk = {0};
	unsigned action = 0;
	int r;

	while (actions[action] && !str_eq(str_of(o->words[0]), str_of(actions[action])))
		action++;
	r = check_action(o, action);
	if (r == 0)
		r = roster_desk_open(&desk, &source);
	if (r == 0 && action == LIST)
		r = list_entries(o, &desk);
	else if (r == 0)
		r = write_entry(o, &desk, (enum roster_verb)action);
	roster_desk_close(&desk);
	return r;
}
