/* new_files.c - watches for databases that appear while an application runs. */
/* SPDX-License-Identifier: MIT */
#include "tenant/new_files.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/tenant_int.h"

/* A new file gets its first page soon after it appears; until then there is nothing to
 * replicate. */
#define SETTLE_TIME 200

#define MAX_FOLDERS 8

struct new_files {
	struct tenant *tenant;
	struct list link; /* new_files_watcher.active */
	struct timer settle;
	int folders[MAX_FOLDERS]; /* watch descriptors */
	size_t nfolders;
};

static bool is_missing(const struct tenant_conf *t, const struct database_conf *db)
{
	char *path = config_database_path(t, db);
	struct stat st;
	bool is_there = stat(path, &st) == 0 && st.st_size > 0;

	free(path);
	return !is_there;
}

unsigned new_files_missing(const struct tenant_conf *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->app->ndatabases; i++)
		n += t->app->databases[i].has_backup && is_missing(t, &t->app->databases[i]);
	return n;
}

static void on_attached(void *arg, const struct backup_result *r)
{
	struct tenant *t = arg;
	LOG_LEVEL_HERE(tenant_log_level(t));

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (!run_came_back(t))
		return;
	if (!r->is_ok)
		log_error("tenant " STR_FMT ": its new databases cannot be replicated: %s",
			STR_ARG(t->run->conf->id), r->reason);
}

static void on_files_settled(struct timer *timer)
{
	struct new_files *n = container_of(timer, struct new_files, settle);
	struct tenant_run *run = n->tenant->run;
	unsigned missing = new_files_missing(run->conf);

	if (missing < run->files.missing) {
		run->files.missing = missing;
		run->backups++;
		backup_attach(n->tenant->all->backup, run->conf, on_attached, n->tenant);
	}
	if (!missing) {
		run->files.watch = NULL;
		new_files_free(n);
	}
}

static bool watches(const struct new_files *n, int folder)
{
	for (size_t i = 0; i < n->nfolders; i++)
		if (n->folders[i] == folder)
			return true;
	return false;
}

static void on_changed(struct new_files_watcher *w, int folder)
{
	list_foreach (n, &w->active, struct new_files, link)
		if (watches(n, folder) && !timer_is_set(&n->settle))
			timer_set(&n->settle, w->watch.loop, loop_now(w->watch.loop) + SETTLE_TIME,
				on_files_settled);
}

static void on_files_event(struct watch *watch, unsigned events)
{
	_Alignas(struct inotify_event) char bytes[4096];
	ssize_t n;

	(void)events;
	while ((n = read(watch->fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			on_changed(container_of(watch, struct new_files_watcher, watch), event->wd);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
}

void new_files_watcher_init(struct new_files_watcher *w)
{
	*w = (struct new_files_watcher){.watch.fd = -1};
	list_init(&w->active);
}

void new_files_watcher_done(struct new_files_watcher *w)
{
	int fd = w->watch.fd;

	watch_close(&w->watch);
	close_fd(&fd);
}

static int open_watcher(struct new_files_watcher *w, struct loop *l)
{
	int fd, r;

	if (w->watch.fd >= 0)
		return 0;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = watch_open_read(&w->watch, l, fd, on_files_event);
	if (r < 0)
		close(fd);
	return r;
}

static int watch_folder(struct new_files *n, int fd, const struct database_conf *db)
{
	char *path = config_database_path(n->tenant->run->conf, db);
	int folder;

	*strrchr(path, '/') = '\0';
	/* A file may stay empty for a while: the first write to it creates another (-wal, -journal)
	 * beside it. */
	folder = inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
	free(path);
	if (folder < 0)
		return -errno;
	if (watches(n, folder))
		return 0;
	if (n->nfolders == NITEMS(n->folders))
		return -ENOSPC;
	n->folders[n->nfolders++] = folder;
	return 0;
}

static int watch_folders(struct new_files *n, int fd)
{
	const struct app_conf *app = n->tenant->run->conf->app;
	int r = 0;

	for (size_t i = 0; i < app->ndatabases && r == 0; i++)
		if (app->databases[i].has_backup &&
			is_missing(n->tenant->run->conf, &app->databases[i]))
			r = watch_folder(n, fd, &app->databases[i]);
	return r;
}

void new_files_watch(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct new_files_watcher *w = &t->all->new_files;
	struct new_files *n;
	int r;

	t->run->files.missing = new_files_missing(t->run->conf);
	if (!t->run->files.missing)
		return;
	n = xcalloc(1, sizeof(*n));
	n->tenant = t;
	list_init(&n->link);
	r = open_watcher(w, t->all->loop);
	if (r == 0)
		r = watch_folders(n, w->watch.fd);
	if (r < 0)
		log_warn("tenant " STR_FMT
			 ": databases that it makes while it runs are replicated when it stops: %s",
			STR_ARG(t->run->conf->id), strerror(-r));
	list_append(&w->active, &n->link);
	t->run->files.watch = n;
}

void new_files_free(struct new_files *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->nfolders; i++)
		inotify_rm_watch(n->tenant->all->new_files.watch.fd, n->folders[i]);
	list_remove(&n->link);
	timer_cancel(&n->settle);
	loop_defer_free(n->tenant->all->loop, n);
}
