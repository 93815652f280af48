/* machine.c - prints the table of machines, and has them woken, put to sleep, made and removed. */
/* SPDX-License-Identifier: MIT */
#include "command/machine.h"

#include "command/live.h"
#include "command/table.h"
#include "control/client.h"

static const char *const headers[] = {
	"MACHINE", "NAME", "REGION", "STATE", ">TENANTS", "ADDRESS", NULL};

static const char *text_or_dash(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && *text ? text : "-";
}

static void add_machine_row(struct table *t, const json_t *m)
{
	bool is_self = json_is_true(json_object_get(m, "self"));
	enum table_style style = is_self ? TABLE_BOLD : TABLE_PLAIN;
	struct buf cell = {0};

	buf_printf(&cell, "%s%s", text_or_dash(m, "name"), is_self ? " *" : "");
	table_cell(t, buf_str(&cell), style);
	table_cell(t, str_of(text_or_dash(m, "label")), TABLE_PLAIN);
	table_cell(t, str_of(text_or_dash(m, "region")), TABLE_PLAIN);
	table_cell(t, str_of(text_or_dash(m, "state")), TABLE_PLAIN);
	buf_clear(&cell);
	buf_printf(&cell, "%lld", (long long)json_integer_value(json_object_get(m, "tenants")));
	table_cell(t, buf_str(&cell), TABLE_PLAIN);
	table_cell(t, str_of(text_or_dash(m, "address")), TABLE_PLAIN);
	buf_done(&cell);
}

static void print_machines(const struct live_answer *answer)
{
	json_t *j = live_json(answer), *machine;
	struct table *t = table_new(headers);
	struct buf out = {0};
	size_t i;

	json_array_foreach(json_object_get(j, "machines"), i, machine) add_machine_row(t, machine);
	if (i)
		table_write(t, false, &out);
	buf_printf(
		&out, "target: %s%s\n", text_or_dash(j, "target"), i ? "; * is this machine" : "");
	print_buf(&out, stdout);
	table_free(t);
	buf_done(&out);
	json_decref(j);
}

static int show(const struct options *o)
{
	struct live_answer answer = {0};
	int r = live_ask(o, "GET", STR("/v1/machines"), &answer);

	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, "list the machines");
	else if (r == 0 && o->as_json)
		print_buf(&answer.body, stdout);
	else if (r == 0)
		print_machines(&answer);
	buf_done(&answer.body);
	return r;
}

/* --- orders --- */

enum order_way { WAY_NONE, WAY_SLEEP, WAY_CREATE, WAY_DESTROY };

static const struct order {
	const char *word, *done;
	enum order_way way;
	size_t min, max; /* words that follow */
} orders[] = {
	{"wake", "is awake", WAY_NONE, 1, 1},
	{"sleep", "is going to sleep", WAY_SLEEP, 1, 2},
	{"create", "is made", WAY_CREATE, 1, 2},
	{"destroy", "is removed", WAY_DESTROY, 1, 1},
};

static const struct order *find_order(const struct options *o)
{
	for (size_t i = 0; i < NITEMS(orders); i++)
		if (strcmp(o->words[0], orders[i].word) == 0 && o->nwords - 1 >= orders[i].min &&
			o->nwords - 1 <= orders[i].max)
			return &orders[i];
	return NULL;
}

static void add_parameter(struct buf *out, const char *name, const char *value)
{
	buf_add(out, str_of(name));
	client_add_segment(out, str_of(value));
}

static void write_target(const struct options *o, const struct order *order, struct buf *out)
{
	const char *first = o->words[1], *second = o->nwords > 2 ? o->words[2] : NULL;

	if (order->way == WAY_CREATE) {
		add_parameter(out, "/v1/machines?region=", first);
		if (second)
			add_parameter(out, "&name=", second);
		return;
	}
	add_parameter(out, "/v1/machines/", first);
	buf_printf(out, "/%s", order->word);
	if (order->way == WAY_SLEEP && second)
		add_parameter(out, "?how=", second);
	if (order->way == WAY_DESTROY && o->is_forced)
		buf_add(out, STR("?force=1"));
}

static void tell_order(const struct live_answer *answer, const struct order *order)
{
	json_t *j = live_json(answer);

	printf("%s %s\n", text_or_dash(j, "machine"), order->done);
	json_decref(j);
}

static int act(const struct options *o, const struct order *order)
{
	struct live_answer answer = {0};
	struct buf target = {0}, doing = {0};
	int r;

	write_target(o, order, &target);
	buf_printf(&doing, "%s a machine", order->word);
	buf_add_char(&doing, '\0');
	r = live_ask(o, "POST", buf_str(&target), &answer);
	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, buf_str(&doing).p);
	else if (r == 0 && o->as_json)
		print_buf(&answer.body, stdout);
	else if (r == 0)
		tell_order(&answer, order);
	buf_done(&target);
	buf_done(&doing);
	buf_done(&answer.body);
	return r;
}

int machine_run(const struct options *o)
{
	const struct order *order;

	if (!o->nwords || (o->nwords == 1 && strcmp(o->words[0], "list") == 0))
		return show(o);
	order = find_order(o);
	if (order)
		return act(o, order);
	tell_fault(
		"machine: list, wake MACHINE, sleep MACHINE [suspend|stop], create REGION [NAME] "
		"or destroy MACHINE may follow");
	return EXIT_USAGE;
}
