/* enter.c - the step into a user namespace, from the words on our side to the program on the
 * other. */
/* SPDX-License-Identifier: MIT */
#include "process/enter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "process/process_int.h"

/* "fly-atc: start" "--enter" REPORT PARENT FLAGS CWD NMOUNTS (SOURCE TARGET)… NPATHS PATH… ARGV… */
enum { WORD_FLAG = 1, WORD_REPORT, WORD_PARENT, WORD_FLAGS, WORD_CWD, WORD_NMOUNTS, WORD_FIRST };
/* Letters of FLAGS. */
#define IS_WALLED   'w'
#define IS_LABELLED 'l'

static const char *const step_names[] = {
	[ENTER_WORDS] = "words",
	[ENTER_MOUNT] = "mount",
	[ENTER_CHDIR] = "chdir",
	[ENTER_WALL] = "wall",
	[ENTER_PARENT] = "parent",
	[ENTER_EXEC] = "exec",
};

const char *enter_step_name(uint32_t step)
{
	return step < NITEMS(step_names) ? step_names[step] : "start";
}

/* --- on our side: the words --- */

static size_t count_words(char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

char **enter_words(const struct launch *l, int report_fd)
{
	const struct process_spec *spec = l->spec;
	size_t npaths = count_words(l->paths), nargs = count_words(spec->argv), at = 0;
	char **words =
		xcalloc(WORD_FIRST + 2 * spec->nmounts + 1 + npaths + nargs + 1, sizeof(*words));

	words[at++] = xstrdup("fly-atc: start");
	words[at++] = xstrdup(ENTER_FLAG);
	words[at++] = xasprintf("%d", report_fd);
	words[at++] = xasprintf("%d", (int)getpid());
	words[at++] = xasprintf("%s%s", spec->is_walled ? "w" : "", l->is_labelled ? "l" : "");
	words[at++] = xstrdup(spec->cwd ? spec->cwd : "");
	words[at++] = xasprintf("%zu", spec->nmounts);
	for (size_t i = 0; i < spec->nmounts; i++) {
		words[at++] = xstrdup(spec->mounts[i].source ? spec->mounts[i].source : "");
		words[at++] = xstrdup(spec->mounts[i].target);
	}
	words[at++] = xasprintf("%zu", npaths);
	for (size_t i = 0; i < npaths; i++)
		words[at++] = xstrdup(l->paths[i]);
	for (size_t i = 0; i < nargs; i++)
		words[at++] = xstrdup(spec->argv[i]);
	return words;
}

/* --- on the other side --- */

struct entry_way {
	int report_fd;
	pid_t parent;
	const char *flags, *cwd;
	struct process_mount mounts[NAMESPACE_MOUNTS_MAX];
	size_t nmounts;
	char **paths, **argv;
	size_t npaths;
};

static bool read_count(const char *word, size_t max, size_t *ret)
{
	uint64_t n;

	if (!word || number_parse(str_of(word), max, &n) < 0)
		return false;
	*ret = n;
	return true;
}

static int read_words(int argc, char **argv, struct entry_way *e)
{
	size_t fd, parent, at = WORD_FIRST, left;

	if (argc <= WORD_FIRST || !read_count(argv[WORD_REPORT], 65536, &fd) ||
		!read_count(argv[WORD_PARENT], INT32_MAX, &parent) ||
		!read_count(argv[WORD_NMOUNTS], NITEMS(e->mounts), &e->nmounts))
		return -EINVAL;
	e->report_fd = (int)fd;
	e->parent = (pid_t)parent;
	e->flags = argv[WORD_FLAGS];
	e->cwd = argv[WORD_CWD];
	left = (size_t)argc - at;
	if (left < 2 * e->nmounts + 1)
		return -EINVAL;
	for (size_t i = 0; i < e->nmounts; i++, at += 2)
		e->mounts[i] = (struct process_mount){*argv[at] ? argv[at] : NULL, argv[at + 1]};
	left = (size_t)argc - at - 1;
	if (!read_count(argv[at++], left, &e->npaths))
		return -EINVAL;
	e->paths = argv + at;
	e->argv = argv + at + e->npaths;
	return 0;
}

static int mount_directories(const struct entry_way *e)
{
	struct process_user who = {geteuid(), getegid()};
	int flags = namespace_flags();

	if (strchr(e->flags, IS_LABELLED))
		flags |= LABEL_FLAG;
	return unshare(flags) < 0 ? -errno : namespace_mount(&who, e->mounts, e->nmounts);
}

/* Entering a user namespace may have cleared it. */
static int die_with_parent(const struct entry_way *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == e->parent ? 0 : -ESRCH;
}

static int execute(const struct entry_way *e)
{
	int error = ENOENT;

	for (size_t i = 0; i < e->npaths; i++) {
		execv(e->paths[i], e->argv);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -errno;
		if (errno == EACCES)
			error = EACCES;
	}
	return e->npaths ? -error : 0;
}

static struct enter_report run_entry(const struct entry_way *e)
{
	int r = mount_directories(e);

	if (r < 0)
		return (struct enter_report){ENTER_MOUNT, -r};
	if (*e->cwd && chdir(e->cwd) < 0)
		return (struct enter_report){ENTER_CHDIR, errno};
	r = strchr(e->flags, IS_WALLED) ? wall_raise(e->nmounts > 0) : 0;
	if (r < 0)
		return (struct enter_report){ENTER_WALL, -r};
	r = die_with_parent(e);
	if (r < 0)
		return (struct enter_report){ENTER_PARENT, -r};
	r = execute(e);
	return (struct enter_report){ENTER_EXEC, -r};
}

int enter_main(int argc, char **argv)
{
	struct entry_way e = {.report_fd = -1};
	struct enter_report report = {ENTER_WORDS, EINVAL};

	if (read_words(argc, argv, &e) == 0 && fcntl(e.report_fd, F_SETFD, FD_CLOEXEC) == 0)
		report = run_entry(&e);
	if (report.error && e.report_fd >= 0 && write(e.report_fd, &report, sizeof(report)) < 0)
		return EXIT_FAILURE;
	return report.error ? EXIT_FAILURE : EXIT_SUCCESS;
}
