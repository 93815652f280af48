/* proxy_user.c - finds a user that no other process runs as. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/proxy_user.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"

#define USUAL_NAME "fly-atc"
/* systemd gives these to services without a user of their own, and no distribution gives them to
 * people. */
#define FIRST_FREE 61184u
#define LAST_FREE  65519u

static bool next_number(str *rest, uint64_t *ret)
{
	str word;

	while (str_split(rest, ' ', &word))
		if (word.n)
			return number_parse(word, UINT32_MAX, ret) == 0;
	return false;
}

/* A line of /proc/self/uid_map is "INSIDE OUTSIDE COUNT", with blanks.  Without user namespaces
 * there is one line for all. */
static bool is_mapped(const char *map, uid_t id)
{
	struct buf text = {0};
	uint64_t inside, outside, count;
	bool is_found = file_read(FILE_GIVEN, map, 65536, &text) < 0;
	str rest = buf_str(&text), line;

	while (!is_found && str_split(&rest, '\n', &line))
		is_found = next_number(&line, &inside) && next_number(&line, &outside) &&
			   next_number(&line, &count) && id >= inside && id - inside < count;
	buf_done(&text);
	return is_found;
}

/* The real user of a process, even of one that cannot be dumped, whose folder belongs to root.
 * False if it is gone. */
static bool read_user(const char *pid, uint64_t *ret)
{
	CLEAN_FREE char *path = xasprintf("/proc/%s/status", pid);
	struct buf text = {0};
	bool is_found = false;
	str rest, line, id;

	if (file_read(FILE_GIVEN, path, 65536, &text) == 0)
		for (rest = buf_str(&text); !is_found && str_split(&rest, '\n', &line);) {
			is_found = str_starts(line, STR("Uid:\t"));
			line = str_slice(line, 5, line.n);
		}
	is_found =
		is_found && str_split(&line, '\t', &id) && number_parse(id, UINT32_MAX, ret) == 0;
	buf_done(&text);
	return is_found;
}

/* A process runs as this user: another fly-atc's proxy, say. */
static bool *find_taken(void)
{
	bool *taken = xcalloc(LAST_FREE - FIRST_FREE + 1, sizeof(*taken));
	DIR *processes = NULL;
	struct dirent *entry;
	uint64_t id;

	if (file_list(FILE_GIVEN, "/proc", &processes) < 0)
		return taken;
	while ((entry = readdir(processes)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			read_user(entry->d_name, &id) && id >= FIRST_FREE && id <= LAST_FREE)
			taken[id - FIRST_FREE] = true;
	closedir(processes);
	return taken;
}

static bool find_free(struct process_user *ret)
{
	CLEAN_FREE bool *taken = find_taken();

	for (uid_t id = FIRST_FREE; id <= LAST_FREE; id++) {
		if (taken[id - FIRST_FREE] || getpwuid(id) || getgrgid(id))
			continue;
		if (!is_mapped("/proc/self/uid_map", id) || !is_mapped("/proc/self/gid_map", id))
			return false;
		*ret = (struct process_user){id, id};
		return true;
	}
	return false;
}

static bool find_named(const char *name, struct process_user *ret)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry)
		return false;
	*ret = (struct process_user){entry->pw_uid, entry->pw_gid};
	return true;
}

struct finding {
	struct process_user user;
	enum { FOUND, FOUND_NOBODY, NOT_FOUND } what;
};

static struct finding find_user(str name)
{
	struct finding f = {.what = FOUND};

	if (name.n ? find_named(name.p, &f.user)
		   : find_named(USUAL_NAME, &f.user) || find_free(&f.user))
		return f;
	f.what = !name.n && find_named("nobody", &f.user) ? FOUND_NOBODY : NOT_FOUND;
	return f;
}

/* In a process of its own: what the system loads to look users up would stay in ours for good.
 * -errno if that process could not say what it found. */
static int find_user_apart(str name, struct finding *ret)
{
	int ends[2], r = 0;
	ssize_t n = -1;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		struct finding f = find_user(name);

		_exit(write(ends[1], &f, sizeof(f)) == sizeof(f) ? 0 : 1);
	}
	if (pid < 0)
		r = -errno;
	close(ends[1]);
	if (pid > 0) {
		n = read(ends[0], ret, sizeof(*ret));
		if (waitpid(pid, NULL, 0) < 0 || n != sizeof(*ret))
			r = -ECHILD;
	}
	close(ends[0]);
	return r;
}

int proxy_user_find(str name, struct process_user *ret, char **ret_reason)
{
	struct finding f = {.what = NOT_FOUND};

	if (geteuid() != 0) {
		*ret = (struct process_user){getuid(), getgid()};
		return 0;
	}
	if (find_user_apart(name, &f) < 0)
		f = find_user(name);
	*ret = f.user;
	if (f.what == FOUND_NOBODY)
		log_warn(
			"the proxy runs as nobody, whose other processes can end it: no other user is "
			"free here; server.user names one");
	if (f.what != NOT_FOUND)
		return 0;
	*ret_reason = name.n ? xasprintf("server.user: there is no user " STR_FMT
					 " here; name another for the proxy to run as",
				       STR_ARG(name))
			     : xstrdup("there is no user for the proxy; name one as server.user");
	return -ENOENT;
}
