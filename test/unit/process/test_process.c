/* test_process.c - real children: start, output, signals, groups, and what is left of them. */
/* SPDX-License-Identifier: MIT */
#include "process/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/number.h"
#include "process/enter.h"
#include "process/guard.h"

#define LIMIT 60000 /* msec for any test */

/* In a shell: a process that left the group and the session, once it has said its pid. */
#define LEAVE(env, sleep)                                                                          \
	"f=$(mktemp); " env " setsid sh -c 'echo $$; echo >'$f'; exec " sleep "' & "               \
	"while [ ! -s $f ]; do sleep 0.01; done; rm $f"

struct run {
	struct loop *loop;
	struct process *process;
	struct buf out, err;
	int status;
	unsigned exits;
	const char *stop_at; /* the loop stops when this is in out */
};

static char *const plain_env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};

static void on_limit(struct timer *t)
{
	loop_stop(t->loop);
}

static void run_loop(struct loop *l)
{
	struct timer limit = {0};

	timer_set(&limit, l, clock_now() + LIMIT, on_limit);
	loop_run(l);
	assert_true(timer_is_set(&limit));
	timer_cancel(&limit);
}

static void on_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct run *r = arg;
	struct buf *b = stream == PROCESS_STDOUT ? &r->out : &r->err;

	buf_printf(b, STR_FMT "%s\n", STR_ARG(line), is_cut ? " (cut)" : "");
	if (r->stop_at && str_find(buf_str(&r->out), str_of(r->stop_at)) >= 0)
		loop_stop(r->loop);
}

static void on_exit_status(void *arg, int status)
{
	struct run *r = arg;

	r->status = status;
	r->exits++;
	loop_stop(r->loop);
}

static int setup(void **state)
{
	struct run *r = xcalloc(1, sizeof(*r));

	r->loop = loop_new();
	*state = r;
	return r->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct run *r = *state;

	loop_free(r->loop);
	buf_done(&r->out);
	buf_done(&r->err);
	free(r);
	return 0;
}

static struct process_spec spec_of(struct run *r, char *const *argv)
{
	return (struct process_spec){.name = "test",
		.argv = argv,
		.env = plain_env,
		.on_line = on_line,
		.on_exit = on_exit_status,
		.arg = r};
}

static void start(struct run *r, const struct process_spec *spec)
{
	const char *step = NULL;

	assert_int_equal(process_start(r->loop, spec, &r->process, &step), 0);
}

static void run_shell(struct run *r, const char *script)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
	struct process_spec spec = spec_of(r, argv);

	start(r, &spec);
	run_loop(r->loop);
}

static void wait_until_it_says(struct run *r, const char *script, const char *word)
{
	r->stop_at = word;
	run_shell(r, script);
	assert_int_equal(r->exits, 0);
}

static const char *text(struct buf *b)
{
	buf_add_char(b, '\0');
	b->end--;
	return buf_str(b).p;
}

static bool is_alive(pid_t pid)
{
	char path[64], line[512] = "";
	FILE *file;
	bool alive;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	alive = fgets(line, sizeof(line), file) && !strstr(line, ") Z ");
	fclose(file);
	return alive;
}

static bool ends_within(pid_t pid, msec limit)
{
	for (msec until = clock_now() + limit; clock_now() < until; usleep(1000))
		if (!is_alive(pid))
			return true;
	return false;
}

/* The last line of what was said, as a pid. */
static pid_t said_pid(struct run *r)
{
	uint64_t pid = 0;
	str said = str_trim(buf_str(&r->out)), line = STR_EMPTY;

	while (str_split(&said, '\n', &line))
		;
	assert_int_equal(number_parse(line, INT32_MAX, &pid), 0);
	return (pid_t)pid;
}

static void output_comes_by_line_and_stream_before_the_exit_status(void **state)
{
	struct run *r = *state;

	run_shell(r, "echo one; echo oops >&2; printf two; exit 7");
	assert_string_equal(text(&r->out), "one\ntwo\n");
	assert_string_equal(text(&r->err), "oops\n");
	assert_int_equal(r->exits, 1);
	assert_int_equal(WEXITSTATUS(r->status), 7);
}

static void a_line_beyond_the_limit_is_cut_with_a_mark(void **state)
{
	struct run *r = *state;

	run_shell(r, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo next");
	assert_int_equal(buf_len(&r->out), PROCESS_LINE_MAX + strlen(" (cut)\nnext\n"));
	assert_true(str_ends(buf_str(&r->out), STR("x (cut)\nnext\n")));
}

static void a_failure_names_its_step(void **state)
{
	static char *const missing[] = {"no-such-program", NULL};
	static char *const folder[] = {"/usr", NULL};
	static char *const sh[] = {"sh", NULL};
	const struct {
		char *const *argv;
		const char *cwd;
		int error;
		const char *step;
	} cases[] = {
		{missing, NULL, -ENOENT, "exec"},
		{folder, NULL, -EACCES, "exec"},
		{sh, "/no/such/folder", -ENOENT, "chdir"},
	};
	struct run *r = *state;

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct process_spec spec = spec_of(r, cases[i].argv);
		const char *step = NULL;

		spec.cwd = cases[i].cwd;
		assert_int_equal(process_start(r->loop, &spec, &r->process, &step), cases[i].error);
		assert_string_equal(step, cases[i].step);
	}
	assert_int_equal(r->exits, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
}

static void the_program_is_found_in_the_path_of_its_own_environment(void **state)
{
	struct run *r = *state;
	char folder[] = "/tmp/atc-path-XXXXXX", *program, *path;
	char *argv[] = {"atc-test-program", NULL};
	struct process_spec spec = spec_of(r, argv);
	FILE *file;

	assert_non_null(mkdtemp(folder));
	program = xasprintf("%s/atc-test-program", folder);
	path = xasprintf("PATH=/no/such/folder:%s:/bin", folder);
	file = fopen(program, "w");
	assert_non_null(file);
	fputs("#!/bin/sh\necho found\n", file);
	fclose(file);
	assert_int_equal(chmod(program, 0755), 0);
	spec.env = (char *[]){path, NULL};
	start(r, &spec);
	run_loop(r->loop);
	assert_string_equal(text(&r->out), "found\n");
	unlink(program);
	rmdir(folder);
	free(program);
	free(path);
}

static void the_child_has_only_the_descriptors_that_it_was_given(void **state)
{
	char *argv[] = {"sh", "-c",
		"i=0; while [ $i -lt 30 ]; do test -e /proc/$$/fd/$i && printf \"$i \"; i=$((i+1)); done;"
		"echo $LISTEN_FDS $LISTEN_PID $$",
		NULL};
	struct run *r = *state;
	struct process_spec spec = spec_of(r, argv);
	char expected[128];
	pid_t pid;
	int fds[2], spare[8];

	for (size_t i = 0; i < NITEMS(spare); i++)
		spare[i] = open("/dev/null", O_RDONLY); /* without CLOEXEC */
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	fds[1] = spare[0];
	spec.fds = fds;
	spec.nfds = 2;
	spec.env = (char *[]){"PATH=/usr/bin:/bin", "LISTEN_FDS=2", "LISTEN_PID=1", NULL};
	start(r, &spec);
	pid = process_pid(r->process);
	run_loop(r->loop);
	snprintf(expected, sizeof(expected), "0 1 2 3 4 2 %d %d\n", pid, pid);
	assert_string_equal(text(&r->out), expected);
	close(fds[0]);
	for (size_t i = 0; i < NITEMS(spare); i++)
		close(spare[i]);
}

static void descriptors_may_trade_places(void **state)
{
	char *argv[] = {"sh", "-c", "readlink /proc/$$/fd/3 /proc/$$/fd/4", NULL};
	struct run *r = *state;
	struct process_spec spec = spec_of(r, argv);
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int four = fcntl(null_fd, F_DUPFD_CLOEXEC, 40), three = fcntl(zero_fd, F_DUPFD_CLOEXEC, 50);

	spec.fds = (int[]){three, four};
	spec.nfds = 2;
	start(r, &spec);
	run_loop(r->loop);
	assert_string_equal(text(&r->out), "/dev/zero\n/dev/null\n");
	close(null_fd);
	close(zero_fd);
	close(three);
	close(four);
}

static void signals_blocked_or_ignored_here_are_as_new_in_the_child(void **state)
{
	struct run *r = *state;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	run_shell(r, "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t\\n'");
	assert_string_equal(text(&r->out), "SigBlk:0000000000000000SigIgn:0000000000000000\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
}

static void a_signal_reaches_the_whole_group(void **state)
{
	struct run *r = *state;
	pid_t child;

	wait_until_it_says(r, "sleep 100 & echo $!; wait", "\n");
	child = said_pid(r);
	assert_true(is_alive(child));
	assert_int_equal(process_signal(r->process, SIGTERM), 0);
	run_loop(r->loop);
	assert_int_equal(WTERMSIG(r->status), SIGTERM);
	assert_false(is_alive(child));
}

static void what_is_left_of_the_group_is_killed_at_the_end(void **state)
{
	struct run *r = *state;

	run_shell(r, "trap '' TERM; sleep 100 & echo $!");
	assert_int_equal(WEXITSTATUS(r->status), 0);
	assert_false(is_alive(said_pid(r)));
}

static void who_left_the_group_is_killed_too(void **state)
{
	struct run *r = *state;

	run_shell(r, LEAVE("", "sleep 100"));
	assert_false(is_alive(said_pid(r)));
}

static void an_escaped_holder_of_the_pipe_does_not_delay_the_end(void **state)
{
	struct run *r = *state;

	/* Without the mark in its environment we cannot know it as ours. */
	run_shell(r, LEAVE("env -i", "sleep 300"));
	assert_true(is_alive(said_pid(r)));
	kill(said_pid(r), SIGKILL);
}

static void a_process_in_our_group_is_signalled_alone(void **state)
{
	char *argv[] = {"sh", "-c", "exec sleep 100", NULL};
	struct run *r = *state;
	struct process_spec spec = spec_of(r, argv);

	spec.inherits_group = true;
	spec.inherits_output = true;
	start(r, &spec);
	assert_int_equal(getpgid(process_pid(r->process)), getpgrp());
	assert_int_equal(process_signal(r->process, SIGTERM), 0);
	run_loop(r->loop);
	assert_int_equal(WTERMSIG(r->status), SIGTERM);
}

static void orphans_are_reaped_and_the_children_of_others_are_not_stolen(void **state)
{
	struct run *r = *state;

	process_adopt_orphans();
	wait_until_it_says(r, "(setsid sleep 0.1 & echo x); exec sleep 100", "x");
	usleep(300 * 1000);
	process_reap_orphans();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* one child, alive */
	process_signal(r->process, SIGKILL);
	usleep(50 * 1000);
	process_reap_orphans(); /* a zombie now, but it belongs to its watch */
	run_loop(r->loop);
	assert_int_equal(WTERMSIG(r->status), SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void a_private_directory_is_seen_by_the_child_alone(void **state)
{
	struct run *r = *state;
	char root[] = "/tmp/atc-mount-XXXXXX", *app, *own;
	char *argv[] = {"sh", "-c", "echo mine > app/storage/file; pwd", NULL};
	struct process_spec spec = spec_of(r, argv);
	struct process_mount mount;

	if (!process_can_mount())
		fail_msg("mount namespaces are not permitted here");
	assert_non_null(mkdtemp(root));
	app = xasprintf("mkdir -p %s/app/storage %s/own", root, root);
	assert_int_equal(system(app), 0);
	free(app);
	app = xasprintf("%s/app/storage", root);
	own = xasprintf("%s/own", root);
	mount = (struct process_mount){own, app};
	spec.cwd = root;
	spec.mounts = &mount;
	spec.nmounts = 1;
	start(r, &spec);
	run_loop(r->loop);
	assert_int_equal(r->status, 0);
	assert_int_equal(access(app, F_OK), 0);
	free(app);
	app = xasprintf("test -f %s/own/file && test ! -e %s/app/storage/file && rm -r %s", root,
		root, root);
	assert_int_equal(system(app), 0);
	free(app);
	free(own);
}

/* The default of fly-atc: storage/tenants/<id> lies within storage, which becomes private. */
static void a_source_that_another_mount_hides_is_mounted_all_the_same(void **state)
{
	struct run *r = *state;
	char root[] = "/tmp/atc-mount-XXXXXX", *command, *paths[3];
	char *argv[] = {
		"sh", "-c", "echo mine > storage/file; cat storage/tenants/one/storage/file", NULL};
	struct process_spec spec = spec_of(r, argv);
	struct process_mount mounts[2];

	assert_non_null(mkdtemp(root));
	command = xasprintf("mkdir -p %s/storage/tenants/one/storage/tenants/one", root);
	assert_int_equal(system(command), 0);
	free(command);
	paths[0] = xasprintf("%s/storage/tenants/one/storage", root);
	paths[1] = xasprintf("%s/storage", root);
	paths[2] = xasprintf("%s/storage/tenants/one", root);
	mounts[0] = (struct process_mount){paths[0], paths[1]};
	mounts[1] = (struct process_mount){paths[2], paths[2]};
	spec.cwd = root;
	spec.mounts = mounts;
	spec.nmounts = 2;
	start(r, &spec);
	run_loop(r->loop);
	assert_string_equal(text(&r->out), "mine\n");
	command = xasprintf("test -f %s/storage/tenants/one/storage/file && rm -r %s", root, root);
	assert_int_equal(system(command), 0);
	free(command);
	for (size_t i = 0; i < NITEMS(paths); i++)
		free(paths[i]);
}

static void the_limit_of_open_files_is_the_one_we_were_started_with(void **state)
{
	struct run *r = *state;
	struct rlimit before, now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	before.rlim_cur = MIN(before.rlim_cur, (rlim_t)512);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	process_raise_open_files();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, now.rlim_max);
	run_shell(r, "ulimit -n");
	assert_string_equal(text(&r->out), "512\n");
}

static void as_root_the_child_becomes_whom_it_is_told(void **state)
{
	static const struct process_user nobody = {65534, 65534};
	char *argv[] = {
		"sh", "-c", "id -u; id -G; grep NoNewPrivs /proc/self/status | tr -d '\\t'", NULL};
	struct run *r = *state;
	struct process_spec spec = spec_of(r, argv);
	char expected[128];
	bool is_root = geteuid() == 0;

	spec.user = &nobody;
	start(r, &spec);
	run_loop(r->loop);
	snprintf(expected, sizeof(expected), "%u\n", is_root ? 65534 : geteuid());
	assert_true(str_starts(buf_str(&r->out), str_of(expected)));
	assert_true(str_ends(buf_str(&r->out), STR("NoNewPrivs:1\n")));
}

/* A process of ours in between, which is then killed: it starts a family and reports the pids. */
static pid_t fork_supervisor(int report_fd, const char *script)
{
	pid_t pid = fork();
	struct run r = {0};
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
	struct process_spec spec = spec_of(&r, argv);
	const char *step;

	if (pid != 0)
		return pid;
	r.loop = loop_new();
	r.stop_at = "end";
	if (guard_start(r.loop, NULL, 0) < 0)
		_exit(1);
	guard_renew();
	if (process_start(r.loop, &spec, &r.process, &step) < 0)
		_exit(1);
	loop_run(r.loop);
	buf_printf(&r.out, "%d\n", process_pid(r.process));
	if (write(report_fd, r.out.p, r.out.end) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void nothing_survives_when_we_are_killed(void **state)
{
	static const char family[] =
		"trap '' TERM HUP; sleep 101 & echo $!;" LEAVE("", "sleep 102") "; echo end; wait";
	int report[2];
	char said[256] = "";
	str rest, line;
	pid_t pid;
	size_t n = 0;

	(void)state;
	assert_int_equal(pipe(report), 0);
	pid = fork_supervisor(report[1], family);
	assert_true(read(report[0], said, sizeof(said) - 1) > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rest = str_of(said);
	while (str_split(&rest, '\n', &line)) {
		uint64_t member;

		if (str_eq(line, STR("end")))
			continue;
		assert_int_equal(number_parse(line, INT32_MAX, &member), 0);
		assert_true(ends_within((pid_t)member, 30000));
		n++;
	}
	assert_int_equal(n, 3);
	close(report[0]);
	close(report[1]);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(output_comes_by_line_and_stream_before_the_exit_status),
		TEST(a_line_beyond_the_limit_is_cut_with_a_mark),
		TEST(a_failure_names_its_step),
		TEST(the_program_is_found_in_the_path_of_its_own_environment),
		TEST(the_child_has_only_the_descriptors_that_it_was_given),
		TEST(descriptors_may_trade_places),
		TEST(signals_blocked_or_ignored_here_are_as_new_in_the_child),
		TEST(a_signal_reaches_the_whole_group),
		TEST(what_is_left_of_the_group_is_killed_at_the_end),
		TEST(who_left_the_group_is_killed_too),
		TEST(an_escaped_holder_of_the_pipe_does_not_delay_the_end),
		TEST(a_process_in_our_group_is_signalled_alone),
		TEST(orphans_are_reaped_and_the_children_of_others_are_not_stolen),
		TEST(a_private_directory_is_seen_by_the_child_alone),
		TEST(a_source_that_another_mount_hides_is_mounted_all_the_same),
		TEST(the_limit_of_open_files_is_the_one_we_were_started_with),
		TEST(as_root_the_child_becomes_whom_it_is_told),
		TEST(nothing_survives_when_we_are_killed),
	};

	if (argc > 1 && strcmp(argv[1], ENTER_FLAG) == 0)
		return enter_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
