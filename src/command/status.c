/* status.c - fly-atc and its tenants for people: a table, and one tenant at length. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "command/command_int.h"
#include "command/live.h"
#include "command/table.h"
#include "command/text.h"

static const char *const headers[] = {"TENANT", "STATE", ">PID", ">FOR", ">BUSY", ">MEMORY",
	">WAKE", ">RESTORE", ">PREPARE", ">START", ">READY", NULL};

static str text_at(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? str_of(text) : STR_EMPTY;
}

static uint64_t number_at(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && terminal &&
	       !str_eq(str_of(terminal), STR("dumb"));
}

static enum table_style style_of(str state)
{
	if (str_eq(state, STR("running")))
		return TABLE_GOOD;
	if (str_eq(state, STR("failed")))
		return TABLE_BAD;
	if (str_eq(state, STR("absent")) || str_eq(state, STR("stopped")))
		return TABLE_DIM;
	return TABLE_BUSY;
}

static void number_cell(struct table *t, uint64_t v, bool is_shown)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	table_cell(t, is_shown ? str_of(text) : STR("-"), TABLE_PLAIN);
}

static void duration_cell(struct table *t, msec v, bool is_shown)
{
	char text[TEXT_MAX];

	text_duration(v, text);
	table_cell(t, is_shown ? str_of(text) : STR("-"), TABLE_PLAIN);
}

/* What is private to the processes; the resident size where the kernel does not say. */
static bool memory_text(const json_t *j, char out[TEXT_MAX])
{
	const json_t *memory = json_object_get(j, "memory");
	uint64_t pss = number_at(memory, "pss"), rss = number_at(memory, "rss");

	text_size(pss ? pss : rss, out);
	return json_is_object(memory);
}

static void add_wake(struct table *t, const json_t *tenant)
{
	static const char *const phases[] = {
		"total_ms", "restore_ms", "prepare_ms", "start_ms", "ready_ms"};
	const json_t *wake = json_object_get(tenant, "wake");
	bool is_shown = number_at(wake, "total_ms") != 0;

	for (size_t i = 0; i < NITEMS(phases); i++)
		duration_cell(t, number_at(wake, phases[i]), is_shown);
}

static void add_note(struct table *t, const char *label, str text, enum table_style style)
{
	struct buf line = {0};

	if (!text.n)
		return;
	buf_printf(&line, "  %s" STR_FMT, label, STR_ARG(text));
	table_note(t, buf_str(&line), style);
	buf_done(&line);
}

static void add_replacement_row(struct table *t, const json_t *r)
{
	const json_t *within = json_object_get(r, "within_ms");
	char since[TEXT_MAX], left[TEXT_MAX] = "";
	struct buf line = {0};

	if (!json_is_object(r))
		return;
	text_duration(number_at(r, "for_ms"), since);
	text_duration((uint64_t)json_integer_value(within), left);
	buf_printf(&line, "  to be replaced for %s (%s), waits for " STR_FMT, since,
		str_eq(text_at(r, "because_of"), STR("configuration")) ? "its settings changed"
								       : "restart --all",
		STR_ARG(text_at(r, "waits_for")));
	if (json_is_integer(within))
		buf_printf(&line, "; at the latest in %s", left);
	table_note(t, buf_str(&line), TABLE_BUSY);
	buf_done(&line);
}

/* "until 14:03:21, for 59m12s". */
static void add_busy(struct table *t, const json_t *tenant)
{
	msec left = number_at(tenant, "busy_ms");
	char length[TEXT_MAX], moment[TEXT_MAX], *text;

	if (!left)
		return;
	text_duration(left, length);
	text_moment(left, moment);
	text = xasprintf("%s, for %s", moment, length);
	add_note(t, "busy until ", str_of(text), TABLE_PLAIN);
	free(text);
}

static void add_notes(struct table *t, const json_t *tenant)
{
	char retry[TEXT_MAX];
	const json_t *line;
	size_t i;

	add_note(t, "", text_at(tenant, "reason"), TABLE_BAD);
	json_array_foreach(live_output(tenant), i, line)
		add_note(t, "| ", str_of(json_string_value(line)), TABLE_DIM);
	if (number_at(tenant, "retry_ms")) {
		text_duration(number_at(tenant, "retry_ms"), retry);
		add_note(t, "a request tries again in ", str_of(retry), TABLE_PLAIN);
	}
	add_replacement_row(t, json_object_get(tenant, "to_be_replaced"));
	add_busy(t, tenant);
	add_note(t, "not backed up: ", text_at(tenant, "not_backed_up"), TABLE_BAD);
	add_note(t, "warning: ", text_at(tenant, "warning"), TABLE_BAD);
	add_note(t, "not in the store yet: ", text_at(tenant, "backup_pending"), TABLE_BAD);
}

static void add_tenant_row(struct table *t, const json_t *tenant)
{
	str state = text_at(tenant, "state");
	bool has_woken = json_object_get(tenant, "state_ms") != NULL;
	uint64_t pid = number_at(tenant, "pid");
	char memory[TEXT_MAX];
	bool has_memory = memory_text(tenant, memory);

	table_cell(t, text_at(tenant, "id"), TABLE_PLAIN);
	table_cell(t, style_of(state) == TABLE_DIM ? STR("asleep") : state, style_of(state));
	number_cell(t, pid, pid != 0);
	duration_cell(t, number_at(tenant, "state_ms"), has_woken);
	number_cell(t, number_at(tenant, "in_flight"), pid != 0);
	table_cell(t, has_memory ? str_of(memory) : STR("-"), TABLE_PLAIN);
	add_wake(t, tenant);
	add_notes(t, tenant);
}

/* How often it was started again, and on a line of its own, which may be long, why. */
static void add_restarts(struct buf *out, const json_t *proxy)
{
	int n = (int)number_at(proxy, "restarts");

	if (n)
		buf_printf(out, ", %d restart%s\nlast end of the proxy: it " STR_FMT, n,
			n == 1 ? "" : "s", STR_ARG(text_at(proxy, "reason")));
	buf_add_char(out, '\n');
}

static void add_self(struct buf *out, const json_t *j, bool has_colours)
{
	const json_t *proxy = json_object_get(j, "proxy");
	char uptime[TEXT_MAX], own[TEXT_MAX], of_proxy[TEXT_MAX];

	text_duration(number_at(j, "uptime_ms"), uptime);
	memory_text(j, own);
	memory_text(proxy, of_proxy);
	table_styled(out, STR("fly-atc "), TABLE_BOLD, has_colours);
	table_styled(out, text_at(j, "version"), TABLE_BOLD, has_colours);
	buf_printf(out, " " STR_FMT " on " STR_FMT " for %s\n", STR_ARG(text_at(j, "state")),
		STR_ARG(text_at(j, "address")), uptime);
	buf_printf(out, "supervisor: pid %d, %s", (int)number_at(j, "pid"), own);
	if (number_at(proxy, "pid"))
		buf_printf(out, "; proxy: pid %d, %s, %d thread%s", (int)number_at(proxy, "pid"),
			of_proxy, (int)number_at(proxy, "threads"),
			number_at(proxy, "threads") == 1 ? "" : "s");
	else
		buf_add(out, STR("; proxy: not there, it is being started"));
	add_restarts(out, proxy);
}

static void add_line(struct buf *out, const char *label, str text)
{
	if (text.n)
		buf_printf(out, "%s: " STR_FMT "\n", label, STR_ARG(text));
}

static void add_loss_row(struct buf *out, const char *label, const json_t *losses)
{
	char bytes[TEXT_MAX];

	if (!number_at(losses, "lines"))
		return;
	text_size(number_at(losses, "bytes"), bytes);
	buf_printf(out, "%s: %llu lines (%s)\n", label,
		(unsigned long long)number_at(losses, "lines"), bytes);
}

static void add_roster(struct buf *out, const json_t *roster)
{
	uint64_t version = number_at(roster, "version"), newest = number_at(roster, "newest");
	const json_t *age = json_object_get(roster, "age_s");
	char text[TEXT_MAX];

	if (!json_is_object(roster))
		return;
	text_duration((msec)json_integer_value(age) * 1000, text);
	buf_printf(out, "roster: version %llu of " STR_FMT ", %s%s\n", (unsigned long long)version,
		STR_ARG(text_at(roster, "place")), json_is_integer(age) ? text : "never read",
		json_is_integer(age) ? " old" : "");
	if (newest > version)
		buf_printf(out, "roster: version %llu does not fit: " STR_FMT "\n",
			(unsigned long long)newest, STR_ARG(text_at(roster, "misfit")));
	add_line(out, "roster: cannot be read", text_at(roster, "silence"));
}

static void add_configuration(struct buf *out, const json_t *j)
{
	const json_t *config = json_object_get(j, "config");
	const json_t *daemon = json_object_get(json_object_get(j, "backup"), "daemon");
	str file = text_at(config, "file");

	buf_printf(out, "configuration: " STR_FMT "%s\n", STR_ARG(file.n ? file : STR("no file")),
		json_is_true(json_object_get(config, "proxy_has_it"))
			? ""
			: " (the proxy does not use it yet)");
	add_roster(out, json_object_get(j, "roster"));
	add_line(out, "backup", text_at(json_object_get(j, "backup"), "url"));
	/* It ended by itself and will be started again; while all tenants sleep it is "off". */
	if (str_eq(text_at(daemon, "state"), STR("pausing")))
		add_line(out, "litestream", text_at(daemon, "why"));
	add_line(out, "run_dir", text_at(j, "run_dir"));
	add_line(out, "isolation", text_at(j, "isolation"));
	add_loss_row(out, "lost from the log", json_object_get(j, "log_dropped"));
	add_line(out, "machine", text_at(j, "machine"));
	add_line(out, "region", text_at(j, "region"));
}

static void add_counts(struct buf *out, const json_t *j)
{
	json_t *counts = json_object_get(j, "counts"), *value;
	uint64_t asleep = number_at(counts, "not_listed") + number_at(counts, "absent") +
			  number_at(counts, "stopped");
	const char *state;

	buf_printf(out, "tenants: %llu", (unsigned long long)number_at(counts, "tenants"));
	json_object_foreach(counts, state, value)
	{
		str name = str_of(state);

		if (!json_integer_value(value) || str_eq(name, STR("tenants")) ||
			str_eq(name, STR("not_listed")) || style_of(name) == TABLE_DIM)
			continue;
		buf_printf(out, ", %lld %s", (long long)json_integer_value(value), state);
	}
	buf_printf(out, ", %llu asleep\n", (unsigned long long)asleep);
}

static void show_all(const json_t *j, struct buf *out)
{
	struct table *t = table_new(headers);
	bool has_colours = wants_colours();
	const json_t *tenants = json_object_get(j, "tenants"), *tenant;
	size_t i;

	add_self(out, j, has_colours);
	add_configuration(out, j);
	add_counts(out, j);
	json_array_foreach(tenants, i, tenant) add_tenant_row(t, tenant);
	if (json_array_size(tenants)) {
		buf_add_char(out, '\n');
		table_write(t, has_colours, out);
	}
	table_free(t);
}

static void show_one(const json_t *j, struct buf *out)
{
	struct table *t = table_new(headers);

	add_tenant_row(t, j);
	table_write(t, wants_colours(), out);
	buf_add_char(out, '\n');
	if (json_object_get(j, "state_ms"))
		buf_printf(out,
			"requests: %llu, held now: %llu, upgrades open: %llu\n"
			"starts: %llu, after crashes: %llu\n",
			(unsigned long long)number_at(j, "requests"),
			(unsigned long long)number_at(j, "held"),
			(unsigned long long)number_at(j, "upgrades"),
			(unsigned long long)number_at(j, "starts"),
			(unsigned long long)number_at(j, "restarts"));
	add_line(out, "isolation", text_at(j, "isolation"));
	add_loss_row(out, "output not logged", json_object_get(j, "output_dropped"));
	if (!json_is_false(json_object_get(j, "here")) || text_at(j, "machine").n)
		add_line(out, "machine", text_at(j, "machine"));
	else
		buf_add(out, STR("it lives in another region\n"));
	table_free(t);
}

static int show_status(const struct options *o, const struct live_answer *answer)
{
	json_t *j = live_json(answer);
	struct buf out = {0};

	if (!json_is_object(j)) {
		tell_fault("status: the answer cannot be understood; is that fly-atc "
			   "of another version?");
		json_decref(j);
		return EXIT_RUNTIME;
	}
	if (o->nwords)
		show_one(j, &out);
	else
		show_all(j, &out);
	print_buf(&out, stdout);
	buf_done(&out);
	json_decref(j);
	return 0;
}

int status_run(const struct options *o)
{
	struct buf target = {0};
	struct live_answer answer = {0};
	int r;

	if (o->nwords)
		live_tenant_target(&target, o->words[0], "");
	else
		buf_add(&target, o->shows_all ? STR("/v1/status?all=1") : STR("/v1/status"));
	r = live_ask(o, "GET", buf_str(&target), &answer);
	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, "show the status");
	else if (r == 0 && o->as_json)
		print_buf(&answer.body, stdout);
	else if (r == 0)
		r = show_status(o, &answer);
	buf_done(&target);
	buf_done(&answer.body);
	return r;
}
