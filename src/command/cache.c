/* cache.c - prints the table of cached tenants, and purges. */
/* SPDX-License-Identifier: MIT */
#include "command/cache.h"

#include "command/live.h"
#include "command/table.h"
#include "command/text.h"
#include "control/client.h"

static const char *const headers[] = {
	"TENANT", ">SIZE", ">ENTRIES", ">HITS", ">MISSES", ">RATIO", NULL};

static uint64_t count_at(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

static void number_cell(struct table *t, uint64_t v)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	table_cell(t, str_of(text), TABLE_PLAIN);
}

static void add_row(struct table *t, const char *name, const json_t *j)
{
	uint64_t hits = count_at(j, "hits"), all = hits + count_at(j, "misses");
	char text[TEXT_MAX];

	table_cell(t, str_of(name), TABLE_PLAIN);
	text_size(count_at(j, "bytes"), text);
	table_cell(t, str_of(text), TABLE_PLAIN);
	number_cell(t, count_at(j, "entries"));
	number_cell(t, hits);
	number_cell(t, count_at(j, "misses"));
	snprintf(text, sizeof(text), "%llu%%",
		(unsigned long long)(all ? (hits * 100 + all / 2) / all : 0));
	table_cell(t, all ? str_of(text) : STR("-"), TABLE_PLAIN);
}

static int show_tenant(const struct live_answer *answer)
{
	json_t *j = live_json(answer), *tenant;
	const char *how = json_string_value(json_object_get(j, "cache"));
	struct table *t = table_new(headers);
	struct buf out = {0};
	char used[TEXT_MAX], size[TEXT_MAX];
	size_t i;

	json_array_foreach(json_object_get(j, "tenants"), i, tenant)
	{
		const char *id = json_string_value(json_object_get(tenant, "id"));

		add_row(t, id ? id : "?", tenant);
	}
	if (i > 1)
		add_row(t, "all", j);
	table_write(t, false, &out);
	text_size(count_at(j, "bytes"), used);
	text_size(count_at(j, "size"), size);
	buf_printf(&out, "%s of %s used; server.cache is %s\n", used, size, how ? how : "?");
	print_buf(&out, stdout);
	table_free(t);
	buf_done(&out);
	json_decref(j);
	return 0;
}

static int list(const struct options *o)
{
	struct live_answer answer = {0};
	int r = live_ask(o, "GET", STR("/v1/cache"), &answer);

	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, "show the cache");
	else if (r == 0 && o->as_json)
		print_buf(&answer.body, stdout);
	else if (r == 0)
		r = show_tenant(&answer);
	buf_done(&answer.body);
	return r;
}

static void tell_purged(const struct live_answer *answer)
{
	json_t *j = live_json(answer);
	uint64_t n = count_at(j, "purged");

	printf("%llu %s forgotten\n", (unsigned long long)n, n == 1 ? "entry" : "entries");
	json_decref(j);
}

static int purge(const struct options *o)
{
	struct buf target = {0};
	struct live_answer answer = {0};
	int r;

	live_tenant_target(&target, o->words[1], "/purge");
	if (o->nwords > 2) {
		buf_add(&target, STR("?path="));
		client_add_segment(&target, str_of(o->words[2]));
	}
	r = live_ask(o, "POST", buf_str(&target), &answer);
	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, "purge the cache");
	else if (r == 0 && o->as_json)
		print_buf(&answer.body, stdout);
	else if (r == 0)
		tell_purged(&answer);
	buf_done(&target);
	buf_done(&answer.body);
	return r;
}

int cache_run(const struct options *o)
{
	if (!o->nwords)
		return list(o);
	if (!str_eq(str_of(o->words[0]), STR("purge")) || o->nwords < 2) {
		tell_fault("cache: only \"purge TENANT [PATH]\" may follow");
		return EXIT_USAGE;
	}
	return purge(o);
}
