/* run_dir.c - makes and locks our own directories, and checks that they are ours alone. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/run_dir.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

/* The pid of the holder, for the message. */
static void read_pid(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	out[MAX(n, 0)] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* The lock belongs to an open file description, so it goes with us, however we end. */
static int take_lock(const char *path, int *ret_fd, char pid[16])
{
	int fd = -1, r = file_open_lock(FILE_GIVEN, path, &fd), n;
	char text[16];

	if (r < 0)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		read_pid(fd, pid, 16);
		close(fd);
		return r;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) < 0)
		pid[0] = '\0'; /* only for people */
	*ret_fd = fd;
	return 0;
}

static int take_in(str folder, const char *name, int *ret_fd, char pid[16])
{
	char *path = xasprintf(STR_FMT "/%s", STR_ARG(folder), name);
	int r = take_lock(path, ret_fd, pid);

	free(path);
	return r;
}

static void remove_stale_sockets(const char *folder)
{
	const struct dirent *entry;
	DIR *entries;

	if (file_list(FILE_GIVEN, folder, &entries) < 0)
		return;
	while ((entry = readdir(entries)))
		if (fnmatch("tenant-*.sock", entry->d_name, 0) == 0)
			(void)!file_remove(dirfd(entries), entry->d_name); /* bind will say why */
	closedir(entries);
}

/* Ours alone.  An existing one may be from an earlier version, which left it open to all. */
static int make_private(str path, bool tells)
{
	bool is_new = access(path.p, F_OK) < 0;
	struct stat st;
	int r = file_make_dirs(FILE_GIVEN, path.p, 0755);

	if (r < 0 || stat(path.p, &st) < 0 || !(st.st_mode & 077))
		return r;
	r = file_set_mode(FILE_GIVEN, path.p, S_IFDIR, 0700);
	if (r < 0) {
		log_warn(STR_FMT " is open to others and cannot be closed: %s", STR_ARG(path),
			strerror(-r));
		return 0;
	}
	if (!is_new && tells)
		log_info(STR_FMT " was open to others (mode %03o); now it is ours alone (700)",
			STR_ARG(path), st.st_mode & 0777);
	return 0;
}

static int make_private_run_dir(str run_dir)
{
	CLEAN_FREE char *path = xasprintf(STR_FMT "/" CONFIG_PRIVATE_RUN_DIR, STR_ARG(run_dir));

	return make_private(str_of(path), false);
}

/* True where anyone may create names, as in /tmp. */
static bool is_in_public_place(str path)
{
	CLEAN_FREE char *parent = str_dup(path);
	char *slash = strrchr(parent, '/');
	struct stat st;

	if (!slash)
		return false;
	slash[slash == parent] = '\0';
	return stat(parent, &st) == 0 && (st.st_mode & S_IWOTH);
}

/* In such a place another user may have come first, with a directory of their own or a link to one
 * of ours. */
static int make_in_public_place(const char *path)
{
	int r = file_make_new_dir(FILE_GIVEN, path, 0700);

	if (r < 0 && r != -EEXIST)
		return r;
	return config_run_dir_is_ours(path) ? 0 : -EPERM;
}

/* The proxy reaches the sockets of tenants through it, and sees nothing else.  An existing
 * directory may have its mode for a reason. */
static int make_run_dir(str path)
{
	bool is_new = access(path.p, F_OK) < 0, is_public = is_in_public_place(path);
	/* Without root the proxy runs as our own user. */
	mode_t mode = is_public && geteuid() != 0 ? 0700 : 0711;
	int r = is_public ? make_in_public_place(path.p) : file_make_dirs(FILE_GIVEN, path.p, 0755);

	if (r == 0 && is_new)
		r = file_set_mode(FILE_GIVEN, path.p, S_IFDIR, mode);
	return r < 0 ? r : make_private_run_dir(path);
}

static int make_and_lock(str path, int *ret_fd, char pid[16])
{
	int r = make_run_dir(path);

	return r < 0 ? r : take_in(path, "lock", ret_fd, pid);
}

static int open_run_dir(struct config *conf, int *ret_fd, char **ret_reason)
{
	char pid[16] = "";
	int r = make_and_lock(conf->server.run_dir, ret_fd, pid);
	str path;

	/* The one in the storage, which we share. */
	if (r == -EWOULDBLOCK && conf->server.handover && config_move_run_dir(conf))
		r = make_and_lock(conf->server.run_dir, ret_fd, pid);
	path = conf->server.run_dir;
	if (r == -EWOULDBLOCK) {
		*ret_reason = xasprintf("another fly-atc (pid %s) is running with " STR_FMT
					"; stop it, or set server.run_dir for this one",
			pid, STR_ARG(conf->server.control_socket));
	} else if (r == -EPERM && is_in_public_place(path)) {
		*ret_reason = xasprintf("cannot use " STR_FMT ": it is not a directory of ours "
					"alone; remove it, or set server.run_dir to another",
			STR_ARG(path));
	} else if (r < 0) {
		*ret_reason = xasprintf("cannot use " STR_FMT
					": %s; set server.run_dir or XDG_RUNTIME_DIR to a "
					"directory that can be written to",
			STR_ARG(path), strerror(-r));
	} else {
		remove_stale_sockets(path.p);
		r = framework_write(path.p);
		if (r < 0)
			*ret_reason = xasprintf(
				"cannot write to " STR_FMT ": %s", STR_ARG(path), strerror(-r));
	}
	return r;
}

static int open_storage(
	struct loop *l, const struct config *conf, struct custody **ret, char **ret_reason)
{
	str path = conf->server.storage;
	char pid[16] = "";
	int r = make_private(path, true);

	if (r == 0)
		r = custody_open(l, path.p, conf->server.handover, ret, pid);
	if (r == 0 && !custody_is_alone(*ret))
		log_warn("another fly-atc (pid %s) has the databases in " STR_FMT
			 "; each tenant is taken over when it is wanted here",
			pid, STR_ARG(path));
	if (r == -EWOULDBLOCK)
		*ret_reason = xasprintf("another fly-atc (pid %s) has the databases in " STR_FMT
					"; two of them would destroy each other's work",
			pid, STR_ARG(path));
	else if (r < 0)
		*ret_reason = xasprintf(
			"cannot use the storage " STR_FMT ": %s", STR_ARG(path), strerror(-r));
	return r;
}

int locks_take(struct locks *ret, struct loop *loop, struct config *conf, char **ret_reason)
{
	struct locks l = {-1, NULL};
	str storage = conf->server.storage;
	int r = 0;

	/* Before anything inside it, which would make it open to all. */
	if (!conf->is_single && str_starts(conf->server.run_dir, storage))
		(void)make_private(storage, true); /* open_storage reports what is wrong */
	r = open_run_dir(conf, &l.run_fd, ret_reason);

	if (r == 0 && !conf->is_single)
		r = open_storage(loop, conf, &l.custody, ret_reason);
	if (r < 0)
		locks_release(&l);
	else
		*ret = l;
	return r;
}

void locks_release(struct locks *l)
{
	close_fd(&l->run_fd);
	custody_close(l->custody);
	l->custody = NULL;
}
