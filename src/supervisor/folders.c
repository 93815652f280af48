/* folders.c - the directories of a tenant. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/folders.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/files.h"
#include "base/alloc.h"
#include "supervisor/environment.h"

int folder_make(const char *path, mode_t mode)
{
	CLEAN_FREE char *inside = xasprintf("%s/", path);

	return files_make_parents(inside, mode);
}

/* True if `path` lies below `folder` (both are real paths); *ret_rest is what follows, with its
 * slash. */
static bool is_below(const char *path, const char *folder, const char **ret_rest)
{
	size_t n = strlen(folder);

	if (strncmp(path, folder, n) != 0 || path[n] != '/')
		return false;
	*ret_rest = path + n;
	return true;
}

static void add_mount(struct tenant_mounts *m, char *take_source, char *take_target)
{
	m->items = xrealloc(m->items, (m->count + 1) * sizeof(*m->items));
	m->items[m->count++] = (struct process_mount){take_source, take_target};
}

/* Where the tenants' storage lies inside a directory that becomes private (storage/tenants in
 * storage, which is the default), the mount would hide the tenant's own directory, whose absolute
 * path it has been told.  So that directory is mounted once more at its place, on a mount point
 * within the private directory. */
static int keep_visible(const char *dir, const char *private_source, const char *private_target,
	bool *ret_is_hidden)
{
	char real_dir[PATH_MAX], real_target[PATH_MAX];
	const char *rest;
	char *point;
	int r;

	if (!realpath(dir, real_dir) || !realpath(private_target, real_target))
		return -errno;
	if (!is_below(real_dir, real_target, &rest))
		return 0;
	point = xasprintf("%s%s", private_source, rest);
	r = folder_make(point, 0755);
	free(point);
	*ret_is_hidden = r == 0;
	return r;
}

/* A private directory of the application: *ret_path is the one that could not be made. */
static int add_private(const struct tenant_conf *t, str name, struct tenant_mounts *m,
	bool *is_hidden, char **ret_path)
{
	char *source = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(name));
	char *target = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->app->root), STR_ARG(name));
	int r = folder_make(source, 0755);

	if (r < 0) {
		*ret_path = xstrdup(source);
	} else if (process_can_mount()) {
		r = folder_make(target, 0755);
		if (r == 0)
			r = keep_visible(t->dir.p, source, target, is_hidden);
		if (r < 0)
			*ret_path = xstrdup(target);
	}
	if (r < 0 || !process_can_mount()) {
		free(source);
		free(target);
	} else {
		add_mount(m, source, target);
	}
	return r;
}

static int make_database_folders(const struct tenant_conf *t, char **ret_path)
{
	int r = 0;

	for (size_t i = 0; i < t->app->ndatabases && r == 0; i++) {
		char *path = config_database_path(t, &t->app->databases[i]);

		r = files_make_parents(path, 0755);
		if (r < 0)
			*ret_path = path;
		else
			free(path);
	}
	return r;
}

static int make_pid_folder(const struct tenant_conf *t, char **ret_path)
{
	char *path = environment_pid_file(t);
	int r = t->app->framework == FRAMEWORK_RAILS ? files_make_parents(path, 0755) : 0;

	if (r < 0)
		*ret_path = path;
	else
		free(path);
	return r;
}

int tenant_folders_make(const struct tenant_conf *t, struct tenant_mounts *ret, char **ret_path)
{
	const struct str_list *names = &t->app->private_directories;
	struct tenant_mounts m = {0};
	bool is_hidden = false;
	int r = folder_make(t->dir.p, 0755);

	if (r < 0)
		*ret_path = xstrdup(t->dir.p);
	if (r == 0)
		r = make_database_folders(t, ret_path);
	if (r == 0)
		r = make_pid_folder(t, ret_path);
	for (size_t i = 0; i < names->count && r == 0; i++)
		r = add_private(t, names->items[i], &m, &is_hidden, ret_path);
	if (r == 0 && is_hidden)
		add_mount(&m, xstrdup(t->dir.p), xstrdup(t->dir.p));
	if (r < 0)
		tenant_mounts_done(&m);
	else
		*ret = m;
	return r;
}

void tenant_mounts_done(struct tenant_mounts *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free((void *)(uintptr_t)m->items[i].source);
		free((void *)(uintptr_t)m->items[i].target);
	}
	free(m->items);
	*m = (struct tenant_mounts){0};
}

/* No copy of this tenant runs: a pid in it is that of somebody else, or of nobody. */
void tenant_folders_clean(const struct tenant_conf *t, const char *socket_path)
{
	char *pid_file = environment_pid_file(t);

	unlink(pid_file);
	free(pid_file);
	if (socket_path)
		unlink(socket_path);
}
