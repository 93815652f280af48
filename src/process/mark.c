/* mark.c - finds our processes after they have left their process group: by the first variable of
 * their environment, or, if that was overwritten, by their label. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/number.h"
#include "process/process_int.h"

#define NAME	    "FLY_ATC_RUN="
#define DEATH_LIMIT 20 /* msec */

static char token[sizeof(NAME) + 17]; /* "FLY_ATC_RUN=<16 hex digits>." */

static str our_mark(void)
{
	uint64_t random;

	if (!token[0]) {
		random_bytes(&random, sizeof(random));
		snprintf(token, sizeof(token), NAME "%016llx.", (unsigned long long)random);
	}
	return str_of(token);
}

void mark_write(char out[MARK_MAX], uint64_t serial)
{
	snprintf(out, MARK_MAX, STR_FMT "%llu", STR_ARG(our_mark()), (unsigned long long)serial);
}

static ssize_t read_of(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read_kernel(path, out, size);
}

/* The serial of a process that carries our mark, else 0. */
static uint64_t read_mark(pid_t pid)
{
	char text[32768];
	str mark = our_mark(), rest, serial;
	ssize_t n = read_of(pid, "environ", text, sizeof(text)), at;
	uint64_t number;

	if (n <= 0)
		return 0;
	rest = (str){text, (size_t)n};
	at = str_find(rest, mark);
	if (at < 0)
		return 0;
	rest = str_slice(rest, (size_t)at + mark.n, rest.n);
	return str_split(&rest, '\0', &serial) && number_parse(serial, UINT64_MAX, &number) == 0
		       ? number
		       : 0;
}

static uint64_t namespace_of(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/uts", (int)pid);
	return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

uint64_t label_of(pid_t pid)
{
	static uint64_t ours;
	uint64_t its;

	if (!ours)
		ours = namespace_of(getpid());
	its = namespace_of(pid);
	return its == ours ? 0 : its;
}

int label_open(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/uts", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool try_label(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(LABEL_FLAG) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool label_is_possible(void)
{
	static bool was_tried, is_possible;

	if (!was_tried)
		is_possible = geteuid() == 0 && try_label();
	was_tried = true;
	return is_possible;
}

uint64_t ticks_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) *
	       (uint64_t)sysconf(_SC_CLK_TCK) / 1000;
}

/* proc_pid_stat(5): "pid (name) state ppid pgrp session …", the 22nd is the start. */
static bool read_stat(pid_t pid, struct stray *ret)
{
	char text[1024];
	ssize_t n = read_of(pid, "stat", text, sizeof(text));
	str rest = {text, n > 0 ? (size_t)n : 0}, word;
	uint64_t number;
	size_t end = rest.n;

	while (end && text[end - 1] != ')')
		end--;
	rest = str_slice(rest, end + 1, rest.n);
	for (int field = 3; field <= 22 && str_split(&rest, ' ', &word); field++) {
		if (field == 3 && (str_eq(word, STR("Z")) || str_eq(word, STR("X"))))
			return false;
		if (field == 3)
			ret->is_stopped = str_eq(word, STR("T"));
		if ((field != 4 && field != 6 && field != 22) ||
			number_parse(word, UINT64_MAX, &number) < 0)
			continue;
		if (field == 4)
			ret->parent = (pid_t)number;
		else if (field == 6)
			ret->session = (pid_t)number;
		else
			ret->started = number;
	}
	return ret->started > 0;
}

bool stray_read(pid_t pid, struct stray *ret)
{
	struct stray s = {.pid = pid};

	if (!read_stat(pid, &s))
		return false;
	s.serial = read_mark(pid);
	s.label = label_of(pid);
	*ret = s;
	return true;
}

/* It is looked at again once the pidfd holds the process, so that no other process is hit.  Such
 * processes are rare and die at once, so we wait: a dying one has lost its mark, but may still hold
 * files. */
static bool signal_found(const char *pid_text, int signo, stray_found_fn *found, void *arg)
{
	struct pollfd ended = {.events = POLLIN};
	struct stray s, again;
	bool is_hit;
	uint64_t pid;

	if (number_parse(str_of(pid_text), INT32_MAX, &pid) < 0 || (pid_t)pid == getpid() ||
		!stray_read((pid_t)pid, &s) || !found(arg, &s))
		return false;
	ended.fd = pidfd_open((pid_t)pid, 0);
	if (ended.fd < 0)
		return false;
	is_hit = stray_read((pid_t)pid, &again) && again.started == s.started &&
		 pidfd_send_signal(ended.fd, signo, NULL, 0) == 0;
	if (is_hit && signo == SIGKILL)
		poll(&ended, 1, DEATH_LIMIT);
	close(ended.fd);
	return is_hit;
}

/* As getdents64(2) gives it. */
struct listed {
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

/* readdir allocates, which is not allowed in the child of a process with threads. */
size_t strays_signal(int signo, stray_found_fn *found, void *arg)
{
	_Alignas(struct listed) char entries[8192];
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t hit = 0;
	long n;

	if (fd < 0)
		return 0;
	while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n;) {
			const struct listed *entry = (const void *)(entries + at);

			at += entry->size;
			if (entry->name[0] >= '1' && entry->name[0] <= '9')
				hit += signal_found(entry->name, signo, found, arg);
		}
	close(fd);
	return hit;
}
