/* live.c - finds a running fly-atc, asks it, and reports what it answers. */
/* SPDX-License-Identifier: MIT */
#include "command/live.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "command/text.h"
#include "control/client.h"

#define STATUS_ACCEPTED	     202
#define STATUS_UNPROCESSABLE 422

/* Where fly-atc may answer, the likeliest first. */
struct sockets {
	char *paths[CONFIG_RUN_DIR_TMP + 2];
	size_t count;
};

static void sockets_done(struct sockets *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->paths[i]);
}

/* The default; for when the configuration cannot be read. */
static void add_default_sockets(struct sockets *s)
{
	struct config_run_dirs dirs;

	config_run_dirs(getenv("XDG_RUNTIME_DIR"), "storage/tenants", &dirs);
	for (size_t i = 0; i < dirs.count; i++)
		if (config_run_dir_is_trusted(&dirs.items[i]))
			s->paths[s->count++] = xasprintf("%s/control.sock", dirs.items[i].path);
}

static void find_sockets(const struct options *o, struct sockets *ret, size_t *ret_faults)
{
	struct config_source source = {.file = o->file, .environ = environ, .is_only_read = true};
	struct config_faults faults;
	struct config *conf;

	*ret_faults = 0;
	*ret = (struct sockets){0};
	if (o->socket) {
		ret->paths[ret->count++] = xstrdup(o->socket);
		return;
	}
	conf = config_load(&source, &faults);
	*ret_faults = faults.errors;
	if (!conf)
		add_default_sockets(ret);
	else
		for (size_t i = 0; i < conf->control_sockets.count; i++)
			ret->paths[ret->count++] = str_dup(conf->control_sockets.items[i]);
	config_faults_done(&faults);
	config_unref(conf);
}

static void tell_unreachable(const char *path, size_t faults, int err)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		tell_fault("no fly-atc answers at %s; start it with: fly-atc run", path);
	else if (err == -EACCES)
		tell_fault(
			"cannot ask %s: it belongs to another user; try as that user, or as root",
			path);
	else if (err == -EPIPE)
		tell_fault("fly-atc at %s ended before it answered", path);
	else
		tell_fault("cannot ask %s: %s", path, strerror(-err));
	if (faults)
		tell_fault(
			"the configuration has %zu fault%s (fly-atc check tells), so this is only "
			"the default path; name the right one with --socket",
			faults, faults == 1 ? "" : "s");
}

/* Nothing was asked: it may be another fly-atc, or be elsewhere. */
static bool is_nobody(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ECONNREFUSED || err == -EACCES;
}

static int ask_each(const struct options *o, const char *method, str target, str body,
	client_data_fn *on_data, void *arg, unsigned *ret_status)
{
	struct sockets sockets;
	size_t faults, told = 0;
	int err = -ENOENT, first = -ENOENT;

	find_sockets(o, &sockets, &faults);
	for (size_t i = 0; i < sockets.count && is_nobody(err); i++) {
		err = client_ask(sockets.paths[i], method, target, body, on_data, arg, ret_status);
		if (first == -ENOENT && err < 0 && err != -ENOENT) {
			first = err;
			told = i;
		}
	}
	if (err < 0 && !o->is_quiet)
		tell_unreachable(sockets.paths[told], faults, first);
	sockets_done(&sockets);
	return err < 0 ? EXIT_RUNTIME : 0;
}

static void on_body(void *arg, unsigned status, str piece)
{
	(void)status;
	buf_add(arg, piece);
}

int live_ask(const struct options *o, const char *method, str target, struct live_answer *ret)
{
	return live_send(o, method, target, STR_EMPTY, ret);
}

int live_send(
	const struct options *o, const char *method, str target, str body, struct live_answer *ret)
{
	return ask_each(o, method, target, body, on_body, &ret->body, &ret->status);
}

void live_tenant_target(struct buf *out, const char *id, const char *tail)
{
	buf_add(out, STR("/v1/tenants/"));
	client_add_segment(out, str_of(id));
	buf_add(out, str_of(tail));
}

static void make_harmless(json_t *j)
{
	struct buf text = {0};
	json_t *member;
	const char *key;
	size_t i;

	json_object_foreach(j, key, member) make_harmless(member);
	json_array_foreach(j, i, member) make_harmless(member);
	if (!json_is_string(j))
		return;
	text_add_harmless(&text, (str){json_string_value(j), json_string_length(j)});
	json_string_setn_nocheck(j, buf_str(&text).p, buf_len(&text));
	buf_done(&text);
}

json_t *live_json_of(str body)
{
	json_t *j = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL);

	make_harmless(j);
	return j;
}

json_t *live_json(const struct live_answer *a)
{
	return live_json_of(buf_str(&a->body));
}

const json_t *live_output(const json_t *tenant)
{
	const json_t *error = json_object_get(tenant, "error_output");

	return json_array_size(error) ? error : json_object_get(tenant, "last_output");
}

static void print_output(const json_t *tenant)
{
	const json_t *line;
	size_t i;

	json_array_foreach(live_output(tenant), i, line)
		fprintf(stderr, "  %s\n", json_string_value(line));
}

int live_refused(const struct live_answer *a, const char *doing)
{
	json_t *j = live_json(a);
	const char *reason = json_string_value(json_object_get(j, "error"));

	tell_fault("cannot %s: %s", doing, reason ? reason : "the answer cannot be understood");
	print_output(json_object_get(j, "tenant"));
	json_decref(j);
	return EXIT_RUNTIME;
}

static void tell_tenant(const struct live_answer *a)
{
	json_t *j = live_json(a);
	const char *id = json_string_value(json_object_get(j, "id"));
	const char *state = json_string_value(json_object_get(j, "state"));
	json_int_t pid = json_integer_value(json_object_get(j, "pid"));
	json_int_t wake =
		json_integer_value(json_object_get(json_object_get(j, "wake"), "total_ms"));
	const char *gap = json_string_value(json_object_get(j, "not_backed_up"));
	char duration[TEXT_MAX];

	text_duration((msec)wake, duration);
	if (id && state && pid)
		printf("%s is %s (pid %d, woke in %s)\n", id, state, (int)pid, duration);
	else if (id && state && gap)
		printf("%s is %s; not in the backup: %s\n", id, state, gap);
	else if (id && state)
		printf("%s is %s\n", id, state);
	json_decref(j);
}

/* What was asked for is done, but not everything is well. */
static bool told_unsettled(const struct live_answer *a, const struct options *o)
{
	json_t *j = live_json(a);
	const json_t *tenant = json_object_get(j, "tenant");
	const char *reason = json_string_value(json_object_get(j, "error"));
	const char *state = json_string_value(json_object_get(tenant, "state"));
	bool is_it = reason && state && o->verb == VERB_STOP && strcmp(state, "stopped") == 0;

	if (is_it)
		tell_fault("%s is stopped, but %s", o->words[0], reason);
	json_decref(j);
	return is_it;
}

int live_act(const struct options *o)
{
	struct buf target = {0};
	struct live_answer answer = {0};
	char *tail = xasprintf("/%s%s", verb_name(o->verb), o->no_wait ? "?wait=0" : "");
	char *doing = xasprintf("%s %s", verb_name(o->verb), o->words[0]);
	int r;

	live_tenant_target(&target, o->words[0], tail);
	r = live_ask(o, "POST", buf_str(&target), &answer);
	if (r == 0 && answer.status / 100 != 2)
		r = told_unsettled(&answer, o) ? EXIT_RUNTIME : live_refused(&answer, doing);
	else if (r == 0)
		tell_tenant(&answer);
	free(tail);
	free(doing);
	buf_done(&target);
	buf_done(&answer.body);
	return r;
}

static void print_line(str text)
{
	json_t *j = live_json_of(text);
	const char *time = json_string_value(json_object_get(j, "time"));
	const char *stream = json_string_value(json_object_get(j, "stream"));
	const char *line = json_string_value(json_object_get(j, "text"));
	json_int_t dropped = json_integer_value(json_object_get(j, "dropped"));

	if (dropped)
		printf("... %lld lines were lost: they came faster than they were read here\n",
			(long long)dropped);
	else if (time && stream && line)
		printf("%s %s %s%s\n", time, stream + 3, line,
			json_is_true(json_object_get(j, "cut")) ? " ..." : "");
	json_decref(j);
}

struct line_reader {
	struct live_answer *answer;
	live_line_fn *on_line;
	void *arg;
};

/* Takes whole lines as they come; an answer that is not made of lines is kept to be reported. */
static void on_piece(void *arg, unsigned status, str piece)
{
	struct line_reader *r = arg;
	struct buf *body = &r->answer->body;
	ssize_t end;

	buf_add(body, piece);
	if (status != 200)
		return;
	while ((end = str_find_char(buf_str(body), '\n')) >= 0) {
		r->on_line(r->arg, str_slice(buf_str(body), 0, (size_t)end));
		buf_consume(body, (size_t)end + 1);
	}
	fflush(stdout);
}

int live_ask_lines(const struct options *o, const char *method, str target, live_line_fn *on_line,
	void *arg, struct live_answer *ret)
{
	struct line_reader r = {ret, on_line, arg};

	return ask_each(o, method, target, STR_EMPTY, on_piece, &r, &ret->status);
}

static void on_log_line(void *arg, str line)
{
	const struct options *o = arg;

	if (o->as_json)
		printf(STR_FMT "\n", STR_ARG(line));
	else
		print_line(line);
}

int live_logs(const struct options *o)
{
	struct buf target = {0};
	struct live_answer answer = {0};
	char *tail = xasprintf(
		"/logs?n=%s%s", o->lines ? o->lines : "50", o->follows ? "&follow=1" : "");
	char *doing = xasprintf("show the logs of %s", o->words[0]);
	int r;

	live_tenant_target(&target, o->words[0], tail);
	r = live_ask_lines(o, "GET", buf_str(&target), on_log_line, (void *)(uintptr_t)o, &answer);
	if (r == 0 && answer.status != 200)
		r = live_refused(&answer, doing);
	free(tail);
	free(doing);
	buf_done(&target);
	buf_done(&answer.body);
	return r;
}

/* The same as `fly-atc check` prints. */
void live_print_faults(json_t *list, const char *kind)
{
	json_t *fault;
	size_t i;

	json_array_foreach(list, i, fault)
	{
		json_t *line = json_object_get(fault, "line");
		int column = (int)json_integer_value(json_object_get(fault, "column"));
		const char *where = json_string_value(json_object_get(fault, "where"));
		const char *text = json_string_value(json_object_get(fault, "text"));

		fprintf(stderr, "%s:", where ? where : "?");
		if (line)
			fprintf(stderr, "%d:", (int)json_integer_value(line));
		if (column)
			fprintf(stderr, "%d:", column);
		fprintf(stderr, " %s: %s\n", kind, text ? text : "?");
	}
}

static int tell_reload(const struct live_answer *a)
{
	json_t *j = live_json(a);
	const char *later = json_string_value(json_object_get(j, "needs_restart"));
	int r = 0;

	live_print_faults(json_object_get(j, "warnings"), "warning");
	live_print_faults(json_object_get(j, "faults"), "error");
	if (a->status == 200 || a->status == STATUS_ACCEPTED) {
		printf("reloaded: tenants %d added, %d removed, %d changed\n",
			(int)json_integer_value(json_object_get(j, "added")),
			(int)json_integer_value(json_object_get(j, "removed")),
			(int)json_integer_value(json_object_get(j, "changed")));
		if (later)
			printf("only a restart of fly-atc brings into force: %s\n", later);
	}
	if (a->status == STATUS_ACCEPTED) {
		tell_fault("%s", json_string_value(json_object_get(j, "error")));
		r = EXIT_RUNTIME;
	} else if (a->status != 200) {
		r = live_refused(a, "reload");
	}
	json_decref(j);
	return a->status == STATUS_UNPROCESSABLE ? EXIT_USAGE : r;
}

int live_reload(const struct options *o)
{
	struct live_answer answer = {0};
	int r = live_ask(o, "POST", STR("/v1/reload"), &answer);

	if (r == 0)
		r = tell_reload(&answer);
	buf_done(&answer.body);
	return r;
}
