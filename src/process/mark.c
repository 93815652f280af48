/* mark.c - who left his process group is still known by the first variable of his environment. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* The serial of a process that carries our mark. */
static bool read_mark(const char *pid_text, uint64_t *ret_serial)
{
	char path[64], text[32768];
	str mark = our_mark(), rest, serial;
	ssize_t n, at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/environ", pid_text);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0)
		return false;
	rest = (str){text, (size_t)n};
	at = str_find(rest, mark);
	if (at < 0)
		return false;
	rest = str_slice(rest, (size_t)at + mark.n, rest.n);
	return str_split(&rest, '\0', &serial) && number_parse(serial, UINT64_MAX, ret_serial) == 0;
}

/* True if it was killed.  The mark is read again once the pidfd holds the process, so that no other
 * one is hit.  Such processes are rare and die at once, so we wait: a dying one has no mark any
 * more, but may hold files still. */
static bool kill_marked(const char *pid_text, mark_found_fn *found, void *arg)
{
	uint64_t pid, serial, again;
	bool is_killed;
	struct pollfd ended = {.events = POLLIN};

	if (number_parse(str_of(pid_text), INT32_MAX, &pid) < 0 || (pid_t)pid == getpid() ||
		!read_mark(pid_text, &serial) || !found(arg, serial))
		return false;
	ended.fd = pidfd_open((pid_t)pid, 0);
	if (ended.fd < 0)
		return false;
	is_killed = read_mark(pid_text, &again) && again == serial &&
		    pidfd_send_signal(ended.fd, SIGKILL, NULL, 0) == 0;
	if (is_killed)
		poll(&ended, 1, DEATH_LIMIT);
	close(ended.fd);
	return is_killed;
}

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

/* readdir allocates, which is not allowed in the child of a process with threads. */
size_t mark_kill(mark_found_fn *found, void *arg)
{
	_Alignas(struct dirent64) char entries[8192];
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t killed = 0;
	long n;

	if (fd < 0)
		return 0;
	while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			at += entry->size;
			if (entry->name[0] >= '1' && entry->name[0] <= '9')
				killed += kill_marked(entry->name, found, arg);
		}
	close(fd);
	return killed;
}
