/* probation.c - Litestream is tried in a process of its own before it is let near a database.
 *
 * Until then it is neither started nor asked for a restore.  A tenant that is woken meanwhile waits
 * as it would for a Litestream that is slow to start: not for long if its files are proven. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "backup/backup_int.h"
#include "backup/trial.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/magic.h"

#define FIRST_PAUSE   1000u /* msec before the next try, when it could not be tried */
#define LONGEST_PAUSE 60000u

enum { PROBATION_MAGIC = MAGIC('p', 'r', 'o', 'b') };

struct probation {
	uint32_t magic;
	struct backup *b;
	char *place, *memory, *version; /* place, memory: "" is none */
	struct process *process;
	struct timer retry;
	msec pause;
	struct why why;
};

static void start_trial(struct probation *p);

static void free_probation(struct probation *p)
{
	p->b->probation = NULL;
	timer_cancel(&p->retry);
	free(p->place);
	free(p->memory);
	free(p->version);
	MAGIC_END(p, PROBATION_MAGIC);
	loop_defer_free(p->b->loop, p);
}

static void pass(struct probation *p)
{
	struct backup *b = p->b;

	log_info("%s (Litestream %s) was tried, and keeps what is committed", b->program,
		p->version);
	free_probation(p);
	daemon_unbar(b->daemon);
	restore_run_waiting(b);
}

static void refuse_program(struct probation *p)
{
	struct backup *b = p->b;
	struct backup_result result = {.is_ok = false};
	struct buf text = {0};

	trial_explain(b->program, p->version, -EUCLEAN, &p->why, &text);
	snprintf(result.reason, sizeof(result.reason), STR_FMT, STR_ARG(buf_str(&text)));
	buf_done(&text);
	daemon_bar(b->daemon, result.reason);
	if (b->refused.on_refused)
		b->refused.on_refused(b->refused.arg, &result);
}

static void on_probation_retry(struct timer *t)
{
	start_trial(container_of(t, struct probation, retry));
}

static void try_again(struct probation *p)
{
	struct backup *b = p->b;
	struct buf text = {0};

	trial_explain(b->program, p->version, -EIO, &p->why, &text);
	log_error(STR_FMT "; it is tried again", STR_ARG(buf_str(&text)));
	buf_add_char(&text, '\0');
	daemon_bar(b->daemon, text.p + text.start);
	buf_done(&text);
	timer_set(&p->retry, b->loop, loop_now(b->loop) + p->pause, on_probation_retry);
	p->pause = MIN(p->pause * 2, (msec)LONGEST_PAUSE);
}

static void on_trial_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct probation *p = arg;

	MAGIC_CHECK(p, PROBATION_MAGIC);
	(void)is_cut;
	if (stream == PROCESS_STDOUT && line.n)
		why_set(&p->why, STR_FMT, STR_ARG(line));
}

/* A trial that was killed leaves its directory behind. */
static void clear_place(const struct probation *p)
{
	int r = *p->place ? file_remove_tree(FILE_GIVEN, p->place) : 0;

	if (r < 0)
		log_warn("cannot remove %s: %s", p->place, strerror(-r));
}

static void on_trial_exit(void *arg, int status)
{
	struct probation *p = arg;
	struct backup *b = p->b;

	MAGIC_CHECK(p, PROBATION_MAGIC);
	p->process = NULL;
	b->is_trying = false;
	clear_place(p);
	if (b->stop.is_stopping)
		backup_stop_advance(b);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == TRIAL_PASSED)
		pass(p);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == TRIAL_LOSES)
		refuse_program(p);
	else
		try_again(p);
}

static void start_trial(struct probation *p)
{
	struct backup *b = p->b;
	char name[] = "fly-atc: trial", flag[] = TRIAL_FLAG;
	char *argv[] = {name, flag, b->program, p->place, p->memory, NULL};
	struct process_spec spec = {.name = "trial of Litestream",
		.program = "/proc/self/exe",
		.argv = argv,
		.env = b->env,
		.on_line = on_trial_line,
		.on_exit = on_trial_exit,
		.arg = p};
	const char *step = NULL;
	int r;

	clear_place(p);
	why_set(&p->why, "it was ended");
	r = process_start(b->loop, &spec, &p->process, &step);
	if (r < 0) {
		why_set(&p->why, "%s: %s", step, strerror(-r));
		try_again(p);
		return;
	}
	b->is_trying = true;
}

/* In our own directory, if its socket's name is not too long there; otherwise the trial finds one
 * by itself. */
static char *find_place(str run_dir)
{
	char *place = xasprintf(STR_FMT "/trial", STR_ARG(run_dir));

	if (strlen(place) + strlen("/litestream.sock") >=
		sizeof(((struct sockaddr_un *)0)->sun_path))
		*place = '\0';
	return place;
}

void probation_start(struct backup *b, const struct config *conf, str run_dir, const char *version)
{
	CLEAN_FREE char *memory =
		conf->is_single ? xstrdup("")
				: xasprintf(STR_FMT "/.trials", STR_ARG(conf->server.storage));
	struct probation *p;

	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (trial_has_passed(b->program, *memory ? memory : NULL))
		return;
	p = xcalloc(1, sizeof(*p));
	*p = (struct probation){.magic = PROBATION_MAGIC,
		.b = b,
		.place = find_place(run_dir),
		.memory = xstrdup(memory),
		.version = xstrdup(version),
		.pause = FIRST_PAUSE};
	b->probation = p;
	daemon_bar(b->daemon, "Litestream is on trial");
	start_trial(p);
}

void probation_stop(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	if (!b->probation)
		return;
	timer_cancel(&b->probation->retry);
	if (b->probation->process)
		process_signal(b->probation->process, SIGKILL);
}

void probation_free(struct backup *b)
{
	if (b->probation)
		free_probation(b->probation);
}
