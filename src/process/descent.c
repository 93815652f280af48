/* descent.c - finds the descendants of a process, as long as their ancestors live. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"
#include "process/process_int.h"

#define FAMILY_MAX   4096u	/* a tenant that forks without end does not keep us busy */
#define CHILDREN_MAX (1u << 20) /* bytes */

struct pid_family {
	pid_t *items;
	size_t count, cap;
};

static void add_pid(pid_t **items, size_t *count, size_t *cap, pid_t pid)
{
	if (*count == *cap) {
		*cap = *cap ? *cap * 2 : 16;
		*items = xrealloc(*items, *cap * sizeof(**items));
	}
	(*items)[(*count)++] = pid;
}

/* The file of a thread: "123 456 ". */
static void add_children_of(const char *path, struct pid_family *f)
{
	struct buf text = {0};
	str rest, word;
	uint64_t pid;

	if (file_read(FILE_GIVEN, path, CHILDREN_MAX, &text) < 0)
		return;
	rest = buf_str(&text);
	while (f->count < FAMILY_MAX && str_split(&rest, ' ', &word))
		if (number_parse(word, INT32_MAX, &pid) == 0)
			add_pid(&f->items, &f->count, &f->cap, (pid_t)pid);
	buf_done(&text);
}

static void add_children(pid_t pid, struct pid_family *f)
{
	char path[300];
	struct dirent *entry;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if (file_list(FILE_GIVEN, path, &threads) < 0)
		return;
	while ((entry = readdir(threads))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, entry->d_name);
		add_children_of(path, f);
	}
	closedir(threads);
}

static bool has(const struct sessions *s, pid_t session)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i] == session)
			return true;
	return false;
}

size_t descent_sessions(pid_t pid, pid_t own, struct sessions *s)
{
	struct pid_family f = {0};
	size_t first = s->count;

	add_children(pid, &f);
	for (size_t i = 0; i < f.count; i++) {
		pid_t session = getsid(f.items[i]);

		add_children(f.items[i], &f);
		if (session > 0 && session != own && !has(s, session))
			add_pid(&s->items, &s->count, &s->cap, session);
	}
	free(f.items);
	return first;
}
