/* hooks.c - starts a hook, passes its output to the log, and limits its time. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/hooks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/log.h"
#include "supervisor/supervisor_int.h"
#include "tenant/environment.h"

struct hook_run {
	struct list link; /* of hooks.running */
	struct supervisor *sup;
	const char *name; /* a literal */
	struct process *process;
	struct timer limit;
	bool is_late, is_killed;
	char fault[128];
	hook_done_fn *done;
	void *arg;
};

void hooks_init(struct hooks *h)
{
	list_init(&h->running);
}

static void finish(void *run)
{
	struct hook_run *r = run;
	struct supervisor *s = r->sup;

	list_remove(&r->link);
	if (r->fault[0])
		log_error("%s %s", r->name, r->fault);
	r->done(r->arg, r->fault[0] ? r->fault : NULL);
	free(r);
	s->sleeping.ops->settle(s);
}

static void on_hook_limit(struct timer *timer)
{
	struct hook_run *r = container_of(timer, struct hook_run, limit);

	r->is_late = true;
	process_signal(r->process, SIGKILL);
}

static void on_hook_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	const struct hook_run *r = arg;
	struct buf *out = log_line_open(LOG_INFO, "output");

	(void)is_cut;
	log_field_str(out, "hook", str_of(r->name));
	log_field_str(out, "stream", stream == PROCESS_STDERR ? STR("stderr") : STR("stdout"));
	log_field_str(out, "line", line);
	log_line_close(out);
}

static void on_hook_exit(void *arg, int status)
{
	struct hook_run *r = arg;

	r->process = NULL;
	timer_cancel(&r->limit);
	if (r->is_late)
		snprintf(r->fault, sizeof(r->fault), "took too long and was killed");
	else if (r->is_killed)
		snprintf(r->fault, sizeof(r->fault), "was killed, since fly-atc ends");
	else if (status)
		process_describe_exit(status, r->fault, sizeof(r->fault));
	finish(r);
}

static char **expand_words(const struct str_list *words)
{
	char **argv = xcalloc(words->count + 1, sizeof(*argv));

	for (size_t i = 0; i < words->count; i++)
		argv[i] = config_expand_plain(words->items[i]);
	return argv;
}

static void free_words(char **argv)
{
	for (char **word = argv; *word; word++)
		free(*word);
	free(argv);
}

static int start(struct hook_run *r, const struct hook_conf *hook, const char **ret_step)
{
	struct supervisor *s = r->sup;
	struct environment env = {0};
	char **argv = expand_words(&hook->command);
	int result;

	environment_of_hook(&env, s->source->environ, hook, &s->conf->secret_variables);
	result = process_start(s->loop,
		&(struct process_spec){.name = r->name,
			.argv = argv,
			.env = env.items,
			.on_line = on_hook_line,
			.on_exit = on_hook_exit,
			.arg = r},
		&r->process, ret_step);
	environment_done(&env);
	free_words(argv);
	return result;
}

void hook_run(struct supervisor *s, const char *name, const struct hook_conf *hook,
	hook_done_fn *done, void *arg)
{
	struct hook_run *r = xcalloc(1, sizeof(*r));
	const char *step = "";
	int error = 0;

	*r = (struct hook_run){.sup = s, .name = name, .done = done, .arg = arg};
	list_init(&r->link);
	list_append(&s->sleeping.hooks.running, &r->link);
	if (hook->command.count)
		error = start(r, hook, &step);
	if (error < 0)
		snprintf(r->fault, sizeof(r->fault), "cannot be started: %s: %s", step,
			strerror(-error));
	if (!r->process)
		loop_defer(s->loop, finish, r);
	else if (hook->timeout)
		timer_set(&r->limit, s->loop, clock_now() + hook->timeout, on_hook_limit);
}

bool hook_is_running(const struct supervisor *s, const char *name)
{
	list_foreach (r, &s->sleeping.hooks.running, struct hook_run, link)
		if (strcmp(r->name, name) == 0)
			return true;
	return false;
}

void hooks_kill(struct supervisor *s)
{
	list_foreach (r, &s->sleeping.hooks.running, struct hook_run, link)
		if (r->process) {
			r->is_killed = true;
			process_signal(r->process, SIGKILL);
		}
}
