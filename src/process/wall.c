/* wall.c - what a child cannot reach: other processes, by Landlock.
 *
 * A process in a Landlock domain may neither trace nor read (memory, environment, descriptors) any
 * process outside it, whatever user it runs as, root included; from Linux 6.12 on it cannot signal
 * them either.  Files and the network stay as they are.  See decision 0025. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/process_int.h"

/* linux/landlock.h may be older than the kernel. */
#define SCOPES_SIGNALS (1ull << 1)
#define REFERS	       (1ull << 13)
#define ABI_OF_REFERS  2
#define ABI_OF_SCOPES  6

struct rules {
	uint64_t files, network, scopes;
};

static int abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* A domain must restrict something.  Where that cannot be signals alone, it is moving files from
 * one directory to another, which is then permitted everywhere.  A process in a domain that
 * restricts anything about files can no longer mount or unmount. */
static int permit_moves(int rules_fd)
{
	struct landlock_path_beneath_attr everywhere = {.allowed_access = REFERS};
	int r;

	everywhere.parent_fd = open("/", O_PATH | O_CLOEXEC);
	if (everywhere.parent_fd < 0)
		return -errno;
	r = (int)syscall(
		SYS_landlock_add_rule, rules_fd, LANDLOCK_RULE_PATH_BENEATH, &everywhere, 0);
	r = r < 0 ? -errno : 0;
	close(everywhere.parent_fd);
	return r;
}

static int open_rules(bool keeps_mounts)
{
	bool has_scopes = abi() >= ABI_OF_SCOPES;
	struct rules rules = {.files = keeps_mounts || !has_scopes ? REFERS : 0,
		.scopes = has_scopes ? SCOPES_SIGNALS : 0};
	size_t size = has_scopes ? sizeof(rules) : sizeof(rules.files);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0), r;

	if (fd < 0)
		return -errno;
	r = rules.files ? permit_moves(fd) : 0;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static bool process_has_walls(void)
{
	return abi() >= ABI_OF_REFERS;
}

int wall_raise(bool keeps_mounts)
{
	int fd, r;

	if (!process_has_walls())
		return 0;
	fd = open_rules(keeps_mounts);
	if (fd < 0)
		return fd;
	/* Without CAP_SYS_ADMIN a process must give up setuid programs first. */
	r = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	if (r < 0 && errno == EPERM && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		r = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	r = r < 0 ? -errno : 0;
	close(fd);
	return r;
}
