/* namespace.c - private directories by a mount namespace. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/process_int.h"

#define MAX_MOUNTS 64

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* Who is not root may make mounts in a user namespace. */
int namespace_flags(void)
{
	return geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS;
}

/* In the user namespace he stays who he was: user_namespaces(7). */
static int keep_identity(const struct process_user *who)
{
	char map[64];
	int r;

	snprintf(map, sizeof(map), "%u %u 1", who->uid, who->uid);
	r = write_file("/proc/self/uid_map", map);
	if (r == 0)
		r = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", who->gid, who->gid);
	return r < 0 ? r : write_file("/proc/self/gid_map", map);
}

/* All sources are taken before the first mount, which may hide the others. */
static int take_sources(const struct process_mount *mounts, size_t nmounts, int *trees)
{
	for (size_t i = 0; i < nmounts; i++) {
		trees[i] = open_tree(AT_FDCWD, mounts[i].source,
			OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (trees[i] < 0)
			return -errno;
	}
	return 0;
}

int namespace_mount(
	const struct process_user *who, const struct process_mount *mounts, size_t nmounts)
{
	int r = who->uid == 0 ? 0 : keep_identity(who), trees[MAX_MOUNTS];

	if (r < 0)
		return r;
	if (nmounts > NITEMS(trees))
		return -E2BIG;
	/* Our mounts do not reach the machine; what the machine mounts later does reach us. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	r = take_sources(mounts, nmounts, trees);
	for (size_t i = 0; i < nmounts && r == 0; i++)
		if (move_mount(trees[i], "", AT_FDCWD, mounts[i].target, MOVE_MOUNT_F_EMPTY_PATH) <
			0)
			r = -errno;
	return r;
}

static bool try_mount(void)
{
	static const struct process_mount root = {"/", "/"};
	struct process_user who = {geteuid(), getegid()};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(namespace_flags()) < 0 || namespace_mount(&who, &root, 1) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool process_can_mount(void)
{
	static bool was_tried, can_mount;

	if (!was_tried)
		can_mount = try_mount();
	was_tried = true;
	return can_mount;
}
