/* roster.c - how long a large roster takes: read from its store, loaded as configuration, changed.
 *
 * meson test -C build-bench --benchmark roster -v */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"
#include "roster/roster_int.h"

#define USERS	100000u
#define CHANGES 200u
#define LIMIT	60000u /* msec */

struct bench {
	char folder[64], file[96];
	struct loop *loop;
	struct work *work;
	struct config_source source;
	struct config *base;
	struct roster_place *place;
	uint64_t users;
};

static void give_up(const char *what, const char *why)
{
	fprintf(stderr, "roster: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void write_whole(const struct bench *b, const char *name, str text)
{
	CLEAN_FREE char *path = xasprintf("%s/store/%s", b->folder, name);

	if (file_make_parents(FILE_GIVEN, path, 0700) < 0 ||
		file_write(FILE_GIVEN, path, text, 0600) < 0)
		give_up(path, "cannot be written");
}

static void set_user(struct roster *r, struct roster_record *record, uint64_t i)
{
	CLEAN_FREE char *name = xasprintf("u%06llu", (unsigned long long)i);
	CLEAN_FREE char *entry =
		xasprintf("{\"version\":%llu,\"how\":\"new\",\"settings\":{\"machine\":\"m%llu\"}}",
			(unsigned long long)i + 1, (unsigned long long)i % 8);

	roster_set_entry(r, ROSTER_USER, str_of(name), str_of(entry));
	if (record)
		record_add(record, ROSTER_USER, str_of(name), STR_EMPTY, str_of(entry));
}

/* As so many additions have left it: the last version, and the state that was saved with it. */
static void fill_store(const struct bench *b)
{
	struct roster *r = roster_new();
	struct roster_record record;
	struct buf text = {0};
	char name[64], hash[HASH_TEXT];

	record_begin(&record, b->users, STR("bench"));
	for (uint64_t i = 0; i < b->users; i++)
		set_user(r, i + 1 == b->users ? &record : NULL, i);
	record_write(&record, "", &text);
	snprintf(name, sizeof(name), "_roster/changes/%010llu", (unsigned long long)b->users);
	write_whole(b, name, buf_str(&text));
	r->version = b->users;
	record_hash(buf_str(&text), r->head);
	buf_clear(&text);
	roster_write(r, &text);
	snprintf(name, sizeof(name), "_roster/states/%010llu", (unsigned long long)b->users);
	write_whole(b, name, buf_str(&text));
	record_hash(buf_str(&text), hash);
	buf_clear(&text);
	buf_printf(&text, "%llu %s", (unsigned long long)b->users, hash);
	write_whole(b, "_roster/latest", buf_str(&text));
	write_whole(b, ".fly-atc-store", STR("Backups of fly-atc.\n"));
	roster_record_done(&record);
	roster_free(r);
	buf_done(&text);
}

static void open_bench(struct bench *b)
{
	static char *const no_environ[] = {NULL};
	CLEAN_FREE char *text = NULL;
	struct config_faults faults;
	char *reason = NULL;

	snprintf(b->folder, sizeof(b->folder), "/tmp/roster-bench-XXXXXX");
	if (!mkdtemp(b->folder))
		give_up("/tmp", strerror(errno));
	snprintf(b->file, sizeof(b->file), "%s/atc.yml", b->folder);
	text = xasprintf("app: {framework: generic, command: x, strict_databases: false}\n"
			 "users: {}\nbackup: {url: \"file://%s/store\"}\n",
		b->folder);
	if (file_write(FILE_GIVEN, b->file, str_of(text), 0600) < 0)
		give_up(b->file, "cannot be written");
	fill_store(b);
	b->loop = loop_new();
	b->work = work_new(b->loop, 1);
	b->source = (struct config_source){
		.file = b->file, .environ = no_environ, .is_only_read = true};
	b->base = config_load(&b->source, &faults);
	if (!b->base)
		config_faults_print(&faults, STDERR_FILENO);
	config_faults_done(&faults);
	b->place = b->base ? roster_place_new(b->base, b->work, &reason) : NULL;
	if (!b->place)
		give_up(b->file, reason ? reason : "has faults");
}

static void close_bench(struct bench *b)
{
	roster_place_free(b->place);
	config_unref(b->base);
	work_free(b->work);
	loop_free(b->loop);
	(void)!file_remove_tree(FILE_GIVEN, b->folder);
}

/* A moment, by the clock and by what this process has had of the processor. */
struct moment {
	uint64_t clock, used; /* microseconds */
};

static struct moment moment_now(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (struct moment){
		clock_usec(), (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000};
}

static double since(uint64_t began, uint64_t now)
{
	return (double)(now - began) / 1000;
}

static void tell_load(const char *what, struct moment began, struct moment end)
{
	printf("%s: %.0f ms, %.0f ms of the processor\n", what, since(began.clock, end.clock),
		since(began.used, end.used));
}

static void measure_load(struct bench *b, struct roster *r)
{
	struct moment began = moment_now(), read, end;
	struct config_faults faults;
	struct buf text = {0};
	struct why why = {""};
	struct config *c;

	if (roster_update(b->place, r, clock_now() + LIMIT, &why) < 0)
		give_up("reading", why.text);
	read = moment_now();
	roster_write(r, &text);
	b->source.roster = buf_str(&text);
	c = config_load(&b->source, &faults);
	end = moment_now();
	b->source.roster = STR_EMPTY;
	if (!c || c->ntenants != b->users)
		give_up("loading", "not all of them are there");
	printf("%llu users, %.1f MB\n", (unsigned long long)b->users, (double)buf_len(&text) / 1e6);
	tell_load("read from the store", began, read);
	tell_load("loaded as configuration", read, end);
	tell_load("both", began, end);
	config_unref(c);
	config_faults_done(&faults);
	buf_done(&text);
}

static int compare_times(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static void measure_changes(struct bench *b, struct roster *r)
{
	double times[CHANGES], used[CHANGES];

	for (unsigned i = 0; i < CHANGES; i++) {
		CLEAN_FREE char *name =
			xasprintf("u%06llu", (unsigned long long)(i * 7919 % b->users));
		CLEAN_FREE char *settings = xasprintf("{machine: n%u}", i);
		struct roster_request q = {.kind = ROSTER_USER,
			.verb = ROSTER_CHANGE,
			.name = str_of(name),
			.settings = str_of(settings),
			.by = STR("bench")};
		struct roster_outcome outcome;
		struct moment began = moment_now(), end;
		struct why why = {""};

		if (roster_commit(
			    b->place, &b->source, r, &q, clock_now() + LIMIT, &outcome, &why) < 0)
			give_up("changing", why.text);
		end = moment_now();
		times[i] = since(began.clock, end.clock);
		used[i] = since(began.used, end.used);
		roster_outcome_done(&outcome);
	}
	qsort(times, CHANGES, sizeof(*times), compare_times);
	qsort(used, CHANGES, sizeof(*used), compare_times);
	printf("one change: p50 %.2f ms, p90 %.2f ms, the longest (with a saved state) %.0f ms; %.2f ms of the processor\n",
		times[CHANGES / 2], times[CHANGES * 9 / 10], times[CHANGES - 1], used[CHANGES / 2]);
}

int main(int argc, char **argv)
{
	struct bench b = {.users = USERS};
	struct roster *r = roster_new();

	if (argc > 1 && number_parse(str_of(argv[1]), 1000000, &b.users) < 0)
		give_up(argv[1], "is no number");
	open_bench(&b);
	measure_load(&b, r);
	measure_changes(&b, r);
	roster_free(r);
	close_bench(&b);
	return 0;
}
