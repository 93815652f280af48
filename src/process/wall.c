/* wall.c - what a child cannot reach: other processes, by Landlock.
 *
 * A process within a domain of Landlock may neither trace nor read (memory, environment,
 * descriptors) any that is not in the same domain, whoever its user is, root too; from Linux 6.12
 * on it cannot signal them either.  Files and the network stay as they are.  See decision 0025. */
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

/* A domain must rule something.  Where it cannot be signals alone, it is the moving of files from
 * one directory to another, which is then permitted everywhere.  Whoever is in a domain that rules
 * something about files cannot mount or unmount any more. */
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
	/* Who may not administrate the system must give up setuid programs first. */
	r = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	if (r < 0 && errno == EPERM && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		r = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	r = r < 0 ? -errno : 0;
	close(fd);
	return r;
}
