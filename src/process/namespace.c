/* namespace.c - mounts a tenant's private directories. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "process/process_int.h"

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

/* Without root, mounts can be made in a user namespace. */
int namespace_flags(void)
{
	return geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS;
}

/* Inside the user namespace it stays the same user: user_namespaces(7). */
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

/* Opens all sources before the first mount, which may hide the others. */
static int take_sources(const struct process_mount *mounts, size_t nmounts, int *trees)
{
	for (size_t i = 0; i < nmounts; i++) {
		if (!mounts[i].source)
			continue;
		trees[i] = open_tree(AT_FDCWD, mounts[i].source,
			OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (trees[i] < 0)
			return -errno;
	}
	return 0;
}

/* An empty directory that stays empty. */
static int open_nothing(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), tree = -1, r = 0;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r == 0) {
		tree = fsmount(fs, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				MOUNT_ATTR_NOEXEC);
		r = tree < 0 ? -errno : tree;
	}
	close(fs);
	return r;
}

static int mount_one(const struct process_mount *m, int tree)
{
	bool is_hidden = !m->source;
	int r = is_hidden ? open_nothing() : tree;

	if (r < 0)
		return r;
	tree = r;
	r = move_mount(tree, "", AT_FDCWD, m->target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
	close(tree);
	/* What does not exist need not be hidden. */
	return is_hidden && (r == -ENOENT || r == -ENOTDIR) ? 0 : r;
}

int namespace_mount(
	const struct process_user *who, const struct process_mount *mounts, size_t nmounts)
{
	int r = who->uid == 0 ? 0 : keep_identity(who), trees[NAMESPACE_MOUNTS_MAX];

	if (r < 0)
		return r;
	if (nmounts > NITEMS(trees))
		return -E2BIG;
	/* Our mounts do not reach the machine; what the machine mounts later does reach us. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	r = take_sources(mounts, nmounts, trees);
	for (size_t i = 0; i < nmounts && r == 0; i++)
		r = mount_one(&mounts[i], mounts[i].source ? trees[i] : -1);
	return r;
}

#define REPORT_FD 3

static const struct process_mount root = {"/", "/"};

static NORETURN void try_by_entering(char **words)
{
	char *const env[] = {NULL};
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd == REPORT_FD ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, REPORT_FD) >= 0)
		execve("/proc/self/exe", words, env);
	_exit(1);
}

static bool try_mount(void)
{
	struct process_user who = {geteuid(), getegid()};
	char *none[] = {NULL};
	struct process_spec spec = {.argv = none, .mounts = &root, .nmounts = 1};
	struct launch launch = {.spec = &spec, .paths = none, .is_labelled = true};
	char **words = enter_words(&launch, REPORT_FD);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0 && who.uid != 0)
		try_by_entering(words);
	if (pid == 0)
		_exit(unshare(namespace_flags()) < 0 || namespace_mount(&who, &root, 1) < 0);
	strings_free(words);
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
