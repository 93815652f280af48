/* family.c - walks /proc from a leader to its descendants. */
/* SPDX-License-Identifier: MIT */
#include "tenant/family.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"

/* A list of pids with blanks between them: the children that one thread has made. */
static void add_children(struct family *f, const char *path)
{
	char text[8192];
	ssize_t n = file_read_kernel(path, text, sizeof(text));
	str rest = {text, n > 0 ? (size_t)n : 0}, word;
	uint64_t pid;

	f->is_cut |= rest.n == sizeof(text);
	while (str_split(&rest, ' ', &word)) {
		f->is_cut |= f->count == FAMILY_MAX;
		if (f->count < FAMILY_MAX && number_parse(word, INT32_MAX, &pid) == 0)
			f->pids[f->count++] = (pid_t)pid;
	}
}

static void add_children_of(struct family *f, pid_t pid, size_t *threads_left)
{
	CLEAN_FREE char *path = xasprintf("/proc/%d/task", (int)pid);
	const struct dirent *entry;
	DIR *threads;

	if (file_list(FILE_GIVEN, path, &threads) < 0)
		return;
	while (*threads_left && (entry = readdir(threads))) {
		CLEAN_FREE char *children = xasprintf("%s/%s/children", path, entry->d_name);

		(*threads_left)--;
		if (entry->d_name[0] != '.')
			add_children(f, children);
	}
	f->is_cut |= !*threads_left;
	closedir(threads);
}

struct family *family_find(pid_t leader)
{
	struct family *f = xcalloc(1, sizeof(*f));
	size_t threads_left = FAMILY_MAX_THREADS;

	f->pids[f->count++] = leader;
	for (size_t i = 0; i < f->count; i++)
		add_children_of(f, f->pids[i], &threads_left);
	return f;
}
