/* folders.c - makes a tenant's directories, and lists what must be mounted for it. */
/* SPDX-License-Identifier: MIT */
#include "tenant/folders.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tenant/environment.h"

/* True if `path` lies below `folder` (both are real paths); *ret_rest is what follows, with its
 * slash. */
static bool is_folder_below(const char *path, const char *folder, const char **ret_rest)
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
 * path it has been told.  So that directory is mounted once more in its place, on a mount point
 * inside the private directory. */
static int keep_visible(const char *dir, const char *private_source, const char *private_target,
	bool *ret_is_hidden)
{
	char real_dir[PATH_MAX], real_target[PATH_MAX];
	const char *rest;
	char *point;
	int r;

	if (!realpath(dir, real_dir) || !realpath(private_target, real_target))
		return -errno;
	if (!is_folder_below(real_dir, real_target, &rest))
		return 0;
	point = xasprintf("%s%s", private_source, rest);
	r = file_make_dirs(FILE_GIVEN, point, 0755);
	free(point);
	*ret_is_hidden = r == 0;
	return r;
}

/* Files of ours in a directory that the tenant does not see are mounted there once more. */
struct hidden {
	bool dir, run_dir;
};

static int keep_ours_visible(const struct config *c, const struct tenant_conf *t,
	const char *private_source, const char *private_target, struct hidden *hidden)
{
	int r = keep_visible(t->dir.p, private_source, private_target, &hidden->dir);

	if (r == 0 && c->server.run_dir.n)
		r = keep_visible(
			c->server.run_dir.p, private_source, private_target, &hidden->run_dir);
	return r;
}

/* Within the tenant's directory. */
static int make_beneath(const struct tenant_conf *t, const char *rest)
{
	CLEAN_FD int dir = -1;
	int r = file_open_dir(FILE_GIVEN, t->dir.p, 0, &dir);

	return r < 0 ? r : file_make_dirs(dir, rest, 0755);
}

/* A private directory of the application: *ret_path is the one that could not be made. */
static int add_private(const struct config *c, const struct tenant_conf *t, str name,
	struct tenant_mounts *m, struct hidden *hidden, char **ret_path)
{
	char *source = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->dir), STR_ARG(name));
	char *target = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(t->app->root), STR_ARG(name));
	CLEAN_FREE char *inside = str_dup(name);
	int r = make_beneath(t, inside);

	if (r < 0) {
		*ret_path = xstrdup(source);
	} else if (process_can_mount()) {
		r = file_make_dirs(FILE_GIVEN, target, 0755);
		if (r == 0)
			r = keep_ours_visible(c, t, source, target, hidden);
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

/* Of a path within the tenant's directory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_dup((str){path, slash ? (size_t)(slash - path) : 0});
}

static int make_database_folders(const struct tenant_conf *t, char **ret_path)
{
	int r = 0;

	for (size_t i = 0; i < t->app->ndatabases && r == 0; i++) {
		CLEAN_FREE char *folder = folder_of(t->app->databases[i].path.p);

		r = make_beneath(t, folder);
		if (r < 0)
			*ret_path = config_database_path(t, &t->app->databases[i]);
	}
	return r;
}

static int make_pid_folder(const struct tenant_conf *t, char **ret_path)
{
	const char *name = framework_preset(t->app->framework)->pid_file;
	CLEAN_FREE char *folder = name ? folder_of(name) : NULL;
	int r = folder ? make_beneath(t, folder) : 0;

	if (r < 0)
		*ret_path = framework_pid_file(t->app->framework, t->dir);
	return r;
}

/* Its HOME and the like: 0700, whatever the application's umask is. */
static int make_own_folders(const struct tenant_conf *t, char **ret_path)
{
	static const char *const names[] = {ENVIRONMENT_HOME, ENVIRONMENT_TMP, ENVIRONMENT_RUN};
	CLEAN_FD int dir = -1;
	int r = file_open_dir(FILE_GIVEN, t->dir.p, 0, &dir);

	if (r < 0)
		*ret_path = xstrdup(t->dir.p);
	for (size_t i = 0; i < NITEMS(names) && r == 0; i++) {
		r = file_make_new_dir(dir, names[i], 0700);
		if (r == -EEXIST)
			r = 0;
		if (r < 0)
			*ret_path = xasprintf(STR_FMT "/%s", STR_ARG(t->dir), names[i]);
	}
	return r;
}

/* --- what a tenant must not see --- */

/* True if the tenant needs something in it. */
static bool is_folder_needed(const struct tenant_conf *t, const char *folder)
{
	char real[PATH_MAX], app[PATH_MAX];
	const char *rest;

	if (!realpath(folder, real) || !realpath(t->app->root.p, app))
		return true; /* it is not there */
	return strcmp(app, real) == 0 || is_folder_below(app, real, &rest);
}

static void hide_folder(const struct tenant_conf *t, str path, struct tenant_mounts *m)
{
	if (path.n && !is_folder_needed(t, path.p))
		add_mount(m, NULL, xstrdup(path.p));
}

/* The directories of the other tenants, in their real place. */
static int hide_storage(const struct config *c, const struct tenant_conf *t,
	struct tenant_mounts *m, struct hidden *hidden, char **ret_path)
{
	char *others = xasprintf(STR_FMT "/" TENANT_OTHERS, STR_ARG(t->dir));
	int r;

	if (is_folder_needed(t, c->server.storage.p)) {
		free(others);
		return 0;
	}
	r = file_make_dirs(FILE_GIVEN, others, 0700);
	if (r == 0)
		r = keep_ours_visible(c, t, others, c->server.storage.p, hidden);
	if (r == 0 && hidden->dir) {
		add_mount(m, others, str_dup(c->server.storage));
		return 0;
	}
	if (r < 0)
		*ret_path = others;
	else
		free(others);
	return r;
}

/* A file that is replaced by another one of the same name becomes visible again. */
static void hide_file(const char *path, struct tenant_mounts *m)
{
	char *real = path && *path ? realpath(path, NULL) : NULL;

	if (real)
		add_mount(m, xstrdup("/dev/null"), real);
}

static void hide_private_run_dir(
	const struct config *c, const struct tenant_conf *t, struct tenant_mounts *m)
{
	CLEAN_FREE char *run =
		xasprintf(STR_FMT "/" CONFIG_PRIVATE_RUN_DIR, STR_ARG(c->server.run_dir));

	hide_folder(t, str_of(run), m);
}

static int hide(const struct config *c, const struct tenant_conf *t, struct tenant_mounts *m,
	struct hidden *hidden, char **ret_path)
{
	str store = c->backup.url;

	if (str_starts(store, STR("file://")))
		hide_folder(t, str_slice(store, strlen("file://"), store.n), m);
	hide_file(c->file.p, m);
	return hide_storage(c, t, m, hidden, ret_path);
}

int tenant_folders_make(const struct config *c, const struct tenant_conf *t,
	struct tenant_mounts *ret, char **ret_path)
{
	const struct str_list *names = &t->app->private_directories;
	struct tenant_mounts m = {0};
	struct hidden hidden = {0};
	int r = file_make_dirs(FILE_GIVEN, t->dir.p, 0755);

	if (r < 0)
		*ret_path = xstrdup(t->dir.p);
	if (r == 0)
		r = make_database_folders(t, ret_path);
	if (r == 0)
		r = make_pid_folder(t, ret_path);
	if (r == 0)
		r = make_own_folders(t, ret_path);
	if (r == 0 && names->count && process_can_mount())
		r = hide(c, t, &m, &hidden, ret_path);
	for (size_t i = 0; i < names->count && r == 0; i++)
		r = add_private(c, t, names->items[i], &m, &hidden, ret_path);
	if (r == 0 && hidden.run_dir)
		add_mount(&m, str_dup(c->server.run_dir), str_dup(c->server.run_dir));
	if (r == 0 && names->count && process_can_mount())
		hide_private_run_dir(c, t, &m);
	if (r == 0 && hidden.dir)
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

static void remove_beneath(const struct tenant_conf *t, const char *path)
{
	CLEAN_FD int dir = -1;

	/* If it cannot be removed, the application will find it, and say so. */
	if (file_open_dir(FILE_GIVEN, t->dir.p, 0, &dir) == 0)
		(void)!file_remove(dir, path);
}

/* No copy of this tenant runs: a pid in the file belongs to another process, or to none.  It does
 * not matter which framework is configured: the command may start another one. */
void tenant_folders_clean(const struct tenant_conf *t, const char *socket_path)
{
	for (enum framework i = 0; i < NFRAMEWORKS; i++)
		if (framework_preset(i)->pid_file)
			remove_beneath(t, framework_preset(i)->pid_file);
	if (socket_path)
		(void)!file_remove(FILE_GIVEN, socket_path);
}
