/* spawn.c - starts a program of a tenant: its words, environment, directories, output. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/folders.h"
#include "tenant/secret.h"
#include "tenant/tenant_int.h"

/* --- words --- */

static void add_words(const struct tenants *all, const struct tenant_conf *t,
	const struct tenant_port *port, char **argv, size_t n)
{
	struct framework_start start = {.run_dir = all->conf->server.run_dir.p,
		.prefix = config_seen_prefix(t),
		.is_inherited = port->is_inherited};
	char *words[FRAMEWORK_WORDS];
	size_t count = framework_words(t->app->framework, argv, &start, words);

	memcpy(&argv[n], words, count * sizeof(*words));
}

/* The command with ${tenant.x} and the told settings filled in; for the application itself (port is
 * not NULL) with what its framework needs to know. */
static char **words_of(const struct tenants *all, const struct tenant_conf *t,
	const struct str_list *words, const struct tenant_port *port, char *const *told)
{
	char **argv = xcalloc(words->count + FRAMEWORK_WORDS + 1, sizeof(*argv));

	for (size_t i = 0; i < words->count; i++)
		argv[i] = config_expand_tenant(words->items[i], t, port ? port->number : 0, told);
	if (port && !all->conf->is_single)
		add_words(all, t, port, argv, words->count);
	return argv;
}

static void free_words(char **argv)
{
	for (char **word = argv; *word; word++)
		free(*word);
	free(argv);
}

/* --- output --- */

/* A tenant that writes too much is mentioned once in a while. */
#define TELL_PAUSE 1000

static void on_tell_time(struct timer *timer)
{
	struct tenant *t = container_of(timer, struct tenant, output_timer);
	LOG_LEVEL_HERE(tenant_log_level(t));
	const struct tenant_conf *conf = tenant_conf(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (conf)
		output_tell(&t->output, conf->id);
}

static void on_tenant_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct tenant *t = arg;
	LOG_LEVEL_HERE(tenant_log_level(t));
	const struct tenant_conf *conf = tenant_conf(t);
	struct control_line last;

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (output_log(&t->output, conf->id, stream, line, is_cut, conf->app->log_rate,
		    loop_now(t->all->loop)) &&
		!timer_is_set(&t->output_timer))
		timer_set(&t->output_timer, t->all->loop, loop_now(t->all->loop) + TELL_PAUSE,
			on_tell_time);
	output_add(&t->output, stream, line, is_cut);
	last = output_at(&t->output, t->output.last.count - 1);
	t->all->host->on_output(t->all->host_arg, conf->id, &last);
}

/* --- the start --- */

static void make_environment(
	struct environment *e, const struct tenant *t, const struct tenant_port *port)
{
	const struct tenants *all = t->all;
	char secret[SECRET_TEXT_SIZE];

	if (all->conf->is_single) {
		environment_of_single(e, all->environ, t->run->conf, port ? port->number : 0);
		return;
	}
	secret_of_tenant(all->secret, t->run->conf->id, secret);
	environment_of_tenant(
		e, all->environ, t->run->conf, port, secret, &t->run->config->secret_variables);
}

static int blame_step(struct tenant *t, const struct str_list *words, int error, const char *step)
{
	const struct tenant_conf *conf = t->run->conf;

	if (strcmp(step, "exec") == 0)
		tenant_blame(t, "cannot execute %s in " STR_FMT ": %s", words->items[0].p,
			STR_ARG(conf->app->root), strerror(-error));
	else if (strcmp(step, "chdir") == 0)
		tenant_blame(t, "cannot enter its directory " STR_FMT ": %s",
			STR_ARG(conf->app->root), strerror(-error));
	else
		tenant_blame(
			t, "cannot start %s: %s: %s", words->items[0].p, step, strerror(-error));
	return error;
}

struct program {
	const struct str_list *words;
	const struct env_list *env;	/* beyond that of the tenant, or NULL */
	const struct tenant_port *port; /* NULL: it is not the application */
	process_exit_fn *on_exit;
};

static int start_program(struct tenant *t, const struct program *p)
{
	const struct str_list *words = p->words;
	const struct tenant_port *port = p->port;
	struct tenant_run *run = t->run;
	bool is_single = t->all->conf->is_single;
	struct tenant_mounts mounts = {0};
	struct environment env = {0};
	char **argv, *path = NULL;
	const char *step = "";
	struct process_spec spec;
	int r = is_single ? 0 : tenant_folders_make(run->config, run->conf, &mounts, &path);

	MAGIC_CHECK(t, TENANT_MAGIC);
	assert(words && words->count);
	if (r < 0) {
		tenant_blame(t, "cannot make %s: %s", path, strerror(-r));
		free(path);
		return r;
	}
	make_environment(&env, t, port);
	argv = words_of(t->all, run->conf, words, port, env.items);
	environment_add_rows(&env, run->conf, &run->conf->app->env, port ? port->number : 0);
	if (p->env)
		environment_add_rows(&env, run->conf, p->env, 0);
	spec = (struct process_spec){.name = run->conf->id.p,
		.argv = argv,
		.env = env.items,
		.cwd = run->conf->app->root.p,
		.fds = &run->port.fd,
		.nfds = port && port->is_inherited ? 1 : 0,
		.mounts = mounts.items,
		.nmounts = mounts.count,
		.inherits_output = is_single,
		.inherits_group = is_single,
		.is_walled = !is_single,
		.on_line = on_tenant_line,
		.on_exit = p->on_exit,
		.arg = t};
	r = process_start(t->all->loop, &spec, &run->process, &step);
	if (r < 0)
		blame_step(t, words, r, step);
	tenant_mounts_done(&mounts);
	environment_done(&env);
	free_words(argv);
	return r;
}

int tenant_spawn(struct tenant *t, const struct str_list *words, const struct tenant_port *port,
	process_exit_fn *on_exit)
{
	return start_program(t, &(struct program){words, NULL, port, on_exit});
}

int tenant_spawn_hook(struct tenant *t, const struct hook_conf *hook, process_exit_fn *on_exit)
{
	return start_program(t, &(struct program){&hook->command, &hook->env, NULL, on_exit});
}
