/* memory.c - reads /proc in slices, so that the loop goes on. */
/* SPDX-License-Identifier: MIT */
#include "control/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/magic.h"
#include "base/number.h"

#define SLICE_USEC 1000 /* then the loop gets its turn */
#define NOBODY	   SIZE_MAX

struct found {
	pid_t pid, parent, group;
	uint64_t rss;
	size_t owner; /* index of asked, or NOBODY */
};

struct memory_question {
	pid_t pid;
	struct memory_use use;
};

enum { MEMORY_MAGIC = MAGIC('m', 'e', 'm', 'o') };

struct memory {
	uint32_t magic;
	struct loop *loop;
	struct timer next;
	memory_fn *done;
	void *arg;
	DIR *proc;		       /* NULL once all processes are listed */
	struct memory_question *asked; /* sorted by pid */
	size_t nasked;
	struct found *found; /* sorted by pid when listed */
	size_t nfound, cap, measured;
};

static ssize_t read_proc_file(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read_kernel(path, out, size);
}

/* Fields of proc(5) stat after the name, which may contain anything: state is number 0. */
static bool stat_field(str fields, size_t number, uint64_t *ret)
{
	str field = {0};

	for (size_t i = 0; i <= number; i++)
		if (!str_split(&fields, ' ', &field))
			return false;
	return number_parse(field, UINT64_MAX, ret) == 0;
}

static void list_process(struct memory *m, pid_t pid)
{
	uint64_t parent, group, pages;
	char text[1024], *name_end;
	ssize_t n = read_proc_file(pid, "stat", text, sizeof(text));
	str fields;

	if (n <= 0)
		return;
	name_end = memrchr(text, ')', (size_t)n);
	if (!name_end)
		return;
	fields = str_slice((str){text, (size_t)n}, (size_t)(name_end + 2 - text), (size_t)n);
	if (!stat_field(fields, 1, &parent) || !stat_field(fields, 2, &group) ||
		!stat_field(fields, 21, &pages))
		return;
	if (m->nfound == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 256;
		m->found = xrealloc(m->found, m->cap * sizeof(*m->found));
	}
	m->found[m->nfound++] = (struct found){
		pid, (pid_t)parent, (pid_t)group, pages * (uint64_t)sysconf(_SC_PAGESIZE), NOBODY};
}

/* Both begin with the pid. */
static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static size_t asked_index(const struct memory *m, pid_t pid)
{
	const struct memory_question *at =
		bsearch(&pid, m->asked, m->nasked, sizeof(*m->asked), by_pid);

	return at ? (size_t)(at - m->asked) : NOBODY;
}

/* An owner other than ourselves: everything that runs here descends from us. */
static size_t other_index(const struct memory *m, pid_t pid)
{
	return pid == getpid() ? NOBODY : asked_index(m, pid);
}

/* /proc may change during the survey, so a chain of parents could be circular: it is cut. */
static size_t owner_of(const struct memory *m, const struct found *p)
{
	size_t owner = asked_index(m, p->pid);

	if (owner == NOBODY)
		owner = other_index(m, p->group);
	for (int depth = 0; owner == NOBODY && p && depth < 64; depth++) {
		owner = other_index(m, p->parent);
		p = bsearch(&p->parent, m->found, m->nfound, sizeof(*m->found), by_pid);
	}
	return owner;
}

static void find_owners(struct memory *m)
{
	qsort(m->found, m->nfound, sizeof(*m->found), by_pid);
	for (size_t i = 0; i < m->nfound; i++)
		m->found[i].owner = owner_of(m, &m->found[i]);
}

/* "Pss:     1234 kB" in smaps_rollup. */
static uint64_t read_pss(pid_t pid)
{
	char text[2048];
	ssize_t n = read_proc_file(pid, "smaps_rollup", text, sizeof(text));
	str rest = {text, n > 0 ? (size_t)n : 0}, line;
	uint64_t kb;

	while (str_split(&rest, '\n', &line)) {
		if (!str_starts(line, STR("Pss:")) || !str_ends(line, STR(" kB")))
			continue;
		line = str_trim(str_slice(line, 4, line.n - 3));
		return number_parse(line, UINT64_MAX / 1024, &kb) == 0 ? kb * 1024 : 0;
	}
	return 0;
}

static void measure(struct memory *m, const struct found *p)
{
	struct memory_use *use;

	if (p->owner == NOBODY)
		return;
	use = &m->asked[p->owner].use;
	use->processes++;
	use->rss += p->rss;
	use->pss += read_pss(p->pid);
}

/* One process more.  False when there is nothing left to do. */
static bool step_memory(struct memory *m)
{
	const struct dirent *entry;
	uint64_t pid;

	if (!m->proc) {
		if (m->measured == m->nfound)
			return false;
		measure(m, &m->found[m->measured++]);
		return true;
	}
	entry = readdir(m->proc);
	if (entry) {
		if (number_parse(str_of(entry->d_name), INT32_MAX, &pid) == 0)
			list_process(m, (pid_t)pid);
		return true;
	}
	closedir(m->proc);
	m->proc = NULL;
	find_owners(m);
	return true;
}

static void on_memory_turn(struct timer *t)
{
	struct memory *m = container_of(t, struct memory, next);
	uint64_t end = clock_usec() + SLICE_USEC;

	MAGIC_CHECK(m, MEMORY_MAGIC);
	while (clock_usec() < end) {
		if (!step_memory(m)) {
			m->done(m->arg);
			return;
		}
	}
	timer_set(&m->next, m->loop, loop_now(m->loop) + 1, on_memory_turn);
}

struct memory *memory_survey(
	struct loop *l, const pid_t *pids, size_t n, memory_fn *done, void *arg)
{
	struct memory *m = xcalloc(1, sizeof(*m));

	MAGIC_BEGIN(m, MEMORY_MAGIC);
	m->loop = l;
	m->done = done;
	m->arg = arg;
	m->asked = xcalloc(n, sizeof(*m->asked));
	m->nasked = n;
	for (size_t i = 0; i < n; i++)
		m->asked[i].pid = pids[i];
	qsort(m->asked, n, sizeof(*m->asked), by_pid);
	if (file_list(FILE_GIVEN, "/proc", &m->proc) < 0)
		m->proc = NULL; /* nobody is found */
	timer_set(&m->next, l, loop_now(l), on_memory_turn);
	return m;
}

bool memory_of(const struct memory *m, pid_t pid, struct memory_use *ret)
{
	size_t i = asked_index(m, pid);

	MAGIC_CHECK(m, MEMORY_MAGIC);
	if (i == NOBODY || !m->asked[i].use.processes)
		return false;
	*ret = m->asked[i].use;
	return true;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	timer_cancel(&m->next);
	if (m->proc)
		closedir(m->proc);
	free(m->asked);
	free(m->found);
	MAGIC_END(m, MEMORY_MAGIC);
	free(m);
}
