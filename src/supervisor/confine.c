/* confine.c - judges and opens the files that may be sent in an application's name. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/confine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "http/uri.h"

/* A place below a directory whose files we send. */
struct confine_place {
	const char *base;
	bool is_public;
	char name[PATH_MAX]; /* relative to it */
};

struct confine_search {
	const struct config *conf;
	const struct tenant_conf *tenant;
	struct confine_place *place;
	uid_t owner; /* the place's directory */
	const char *why;
};

/* --- where --- */

/* What follows `folder` and its slash.  False if the path is not below it. */
static bool rest_below(str path, str folder, str *ret_rest)
{
	if (!str_starts(path, folder) || path.n <= folder.n + 1 || path.p[folder.n] != '/')
		return false;
	*ret_rest = str_slice(path, folder.n + 1, path.n);
	return true;
}

/* Below the folder as it was configured, or by its real name: applications often know their own
 * directory by the latter. */
static bool is_below_really(str path, const char *folder, str *ret_rest)
{
	char real[PATH_MAX];

	if (rest_below(path, str_of(folder), ret_rest))
		return true;
	return realpath(folder, real) && rest_below(path, str_of(real), ret_rest);
}

static bool set_place(
	struct confine_place *p, const char *base, bool is_public, str before, str rest)
{
	int n = snprintf(p->name, sizeof(p->name), STR_FMT "%s" STR_FMT, STR_ARG(before),
		before.n ? "/" : "", STR_ARG(rest));

	p->base = base;
	p->is_public = is_public;
	return n > 0 && (size_t)n < sizeof(p->name);
}

/* Names inside the tenant's mount namespace. */
static bool find_private(struct confine_search *s, str path)
{
	const struct tenant_conf *t = s->tenant;
	const struct str_list *names = &t->app->private_directories;

	for (size_t i = 0; i < names->count; i++) {
		char *folder = xasprintf(
			STR_FMT "/" STR_FMT, STR_ARG(t->app->root), STR_ARG(names->items[i]));
		str rest;
		bool is_here = is_below_really(path, folder, &rest);

		free(folder);
		if (is_here)
			return set_place(s->place, t->dir.p, false, names->items[i], rest);
	}
	return false;
}

static bool find_absolute(struct confine_search *s, str path)
{
	const struct tenant_conf *t = s->tenant;
	str rest;

	if (is_below_really(path, t->dir.p, &rest))
		return set_place(s->place, t->dir.p, false, STR_EMPTY, rest);
	if (find_private(s, path))
		return true;
	return t->app->public.n && is_below_really(path, t->app->public.p, &rest) &&
	       set_place(s->place, t->app->public.p, true, STR_EMPTY, rest);
}

static bool find_relative(struct confine_search *s, str path)
{
	char *absolute =
		xasprintf(STR_FMT "/" STR_FMT, STR_ARG(s->tenant->app->root), STR_ARG(path));
	bool is_found = find_absolute(s, str_of(absolute));

	free(absolute);
	return is_found;
}

static bool find_file(struct confine_search *s, str path, enum opening_form form)
{
	if (!str_starts(path, STR("/")))
		return find_relative(s, path);
	if (find_absolute(s, path))
		return true;
	return form == OPENING_URI && find_relative(s, str_slice(path, 1, path.n));
}

/* --- what is never sent --- */

static bool is_private_name(str name)
{
	return str_starts(name, STR(".")) || str_ends(name, STR(".key")) ||
	       str_ends(name, STR(".pem")) || str_ends(name, STR(".pid")) ||
	       str_find(name, STR(".sqlite3")) >= 0;
}

/* By name: also what SQLite keeps beside it (-wal, -shm, -journal). */
static bool is_database_name(const struct tenant_conf *t, str name)
{
	for (size_t i = 0; i < t->app->ndatabases; i++) {
		str path = t->app->databases[i].path;

		if (str_starts(name, path) && (name.n == path.n || name.p[path.n] == '-'))
			return true;
	}
	return false;
}

/* By what it is, whatever it is called. */
static bool is_database(const struct tenant_conf *t, const struct stat *file)
{
	bool is_one = false;

	for (size_t i = 0; i < t->app->ndatabases && !is_one; i++) {
		char *path = config_database_path(t, &t->app->databases[i]);
		struct stat st;

		is_one = stat(path, &st) == 0 && st.st_dev == file->st_dev &&
			 st.st_ino == file->st_ino;
		free(path);
	}
	return is_one;
}

/* By how it begins: an SQLite database, and the files kept beside one. */
static bool is_like_database(int fd)
{
	static const str starts[] = {STR_INIT("SQLite format 3\0"),
		STR_INIT("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),		     /* a journal */
		STR_INIT("\x37\x7f\x06\x82"), STR_INIT("\x37\x7f\x06\x83"),  /* a WAL */
		STR_INIT("\x18\xe2\x2d\x00"), STR_INIT("\x00\x2d\xe2\x18")}; /* its index */
	char bytes[16];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	for (size_t i = 0; i < NITEMS(starts); i++)
		if (n > 0 && str_starts((str){bytes, (size_t)n}, starts[i]))
			return true;
	return false;
}

/* A user who may write a directory may give any file of the same file system a name in it.
 * `owner`: of the place. */
static bool is_borrowed(const struct confine_search *s, int fd, const struct stat *file)
{
	return file->st_nlink > 1 && (file->st_uid != s->owner || is_like_database(fd));
}

/* A tenant's directory may lie within that of another ("bellevue/2025" and "bellevue/2025/b"). */
static bool is_of_other_tenant(const struct confine_search *s, str name)
{
	char id[PATH_MAX];

	for (size_t i = 0; i < name.n; i++) {
		int n;

		if (name.p[i] != '/')
			continue;
		n = snprintf(id, sizeof(id), STR_FMT "/" STR_FMT, STR_ARG(s->tenant->id),
			STR_ARG(str_slice(name, 0, i)));
		if (n > 0 && (size_t)n < sizeof(id) &&
			config_find_tenant(s->conf, (str){id, (size_t)n}))
			return true;
	}
	return false;
}

/* `name` is what the file is really called, below the real name of its place. */
static bool is_sendable(struct confine_search *s, str name, int fd, const struct stat *st)
{
	str rest = name, part;

	while (str_split(&rest, '/', &part))
		if (is_private_name(part)) {
			s->why = "such names are never sent";
			return false;
		}
	if (is_database(s->tenant, st) ||
		(!s->place->is_public && is_database_name(s->tenant, name)))
		s->why = "a database is never sent";
	else if (is_borrowed(s, fd, st))
		s->why = "it is a second name of somebody else's file, or of a database";
	else if (!s->place->is_public && is_of_other_tenant(s, name))
		s->why = "it belongs to another tenant";
	else if (s->conf->is_single && str_starts(name, STR("config/")))
		s->why = "the application's configuration is never sent";
	else
		return true;
	return false;
}

/* --- opening --- */

static str real_name(int fd, char out[PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, PATH_MAX);
	return (str){out, n < 0 || n == PATH_MAX ? 0 : (size_t)n};
}

static bool is_good(struct confine_search *s, int base, int fd)
{
	char base_name[PATH_MAX], name[PATH_MAX];
	struct stat st, place;
	str rest;

	if (fstat(base, &place) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		s->why = "it is not a regular file";
		return false;
	}
	if (!st.st_nlink || !rest_below(real_name(fd, name), real_name(base, base_name), &rest)) {
		s->why = "it was taken away";
		return false;
	}
	s->owner = place.st_uid;
	return is_sendable(s, rest, fd, &st);
}

static const char *why_not(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "there is no such file";
	case EXDEV:
		return "it leads out of its directory";
	case ELOOP:
		return "too many links lead to it";
	default:
		return "it cannot be opened";
	}
}

static int open_place(struct confine_search *s)
{
	CLEAN_FD int base = -1;
	int fd = -1, r = file_open_dir(FILE_GIVEN, s->place->base, 0, &base);

	if (r == 0)
		r = file_open_beneath(base, s->place->name, &fd);
	if (r < 0)
		s->why = why_not(-r);
	else if (!is_good(s, base, fd))
		close_fd(&fd);
	return fd;
}

static str decoded(struct arena *a, str path, enum opening_form form)
{
	ssize_t query = form == OPENING_URI ? str_find_char(path, '?') : -1;

	if (form == OPENING_PATH)
		return path;
	return uri_decode(a, query < 0 ? path : str_slice(path, 0, (size_t)query));
}

enum opening_result confine_open(const struct config *conf, const struct tenant_conf *t, str path,
	enum opening_form form, int *ret_fd, const char **ret_why)
{
	struct confine_place place;
	struct confine_search s = {.conf = conf, .tenant = t, .place = &place};
	struct arena arena = {0};
	enum opening_result result = OPENING_REFUSED;
	int fd;

	path = decoded(&arena, path, form);
	if (!path.n || path.n >= PATH_MAX || memchr(path.p, '\0', path.n)) {
		s.why = "that is not a path";
	} else if (!find_file(&s, path, form)) {
		s.why = "it is outside of the directories whose files are sent";
		result = OPENING_OUTSIDE;
	} else {
		fd = open_place(&s);
		if (fd >= 0) {
			*ret_fd = fd;
			result = OPENING_OPENED;
		}
	}
	arena_done(&arena);
	*ret_why = s.why;
	return result;
}
