/* run_dir.c - where our sockets are if the configuration does not say. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config_int.h"

#define CONTROL_SOCKET "control.sock"
/* The longest name in it that a socket has. */
#define LONGEST_NAME "/" CONFIG_PRIVATE_RUN_DIR "/litestream.sock"

static_assert(sizeof(LONGEST_NAME) >= sizeof("/tenant-4294967295.sock"), "LONGEST_NAME");
static_assert(CONFIG_RUN_DIR_SIZE + sizeof(LONGEST_NAME) - 1 ==
		      sizeof(((struct sockaddr_un *)0)->sun_path),
	"CONFIG_RUN_DIR_SIZE");

/* Unless the names in it would be too long for a socket. */
static void add_dir(struct config_run_dirs *dirs, enum config_run_dir_kind kind, const char *begin,
	const char *end)
{
	char *path = dirs->items[dirs->count].path;
	int n = snprintf(path, CONFIG_RUN_DIR_SIZE, "%s%s", begin, end);

	if (n > 0 && n < CONFIG_RUN_DIR_SIZE)
		dirs->items[dirs->count++].kind = kind;
}

void config_run_dirs(const char *xdg, const char *storage, struct config_run_dirs *ret)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	*ret = (struct config_run_dirs){0};
	if (xdg && *xdg == '/')
		add_dir(ret, CONFIG_RUN_DIR_XDG, xdg, "/fly-atc");
	add_dir(ret, CONFIG_RUN_DIR_SYSTEM, "/run", "/fly-atc");
	if (storage)
		add_dir(ret, CONFIG_RUN_DIR_STORAGE, storage, "/.run");
	add_dir(ret, CONFIG_RUN_DIR_TMP, "/tmp/fly-atc-", uid);
}

bool config_run_dir_is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

bool config_run_dir_is_trusted(const struct config_run_dir *dir)
{
	return dir->kind != CONFIG_RUN_DIR_TMP || config_run_dir_is_ours(dir->path);
}

/* It, or the nearest existing directory above it. */
static bool is_writable(const char *dir)
{
	char path[CONFIG_RUN_DIR_SIZE];
	struct stat st;
	char *slash;

	snprintf(path, sizeof(path), "%s", dir);
	while (stat(path, &st) < 0) {
		slash = strrchr(path, '/');
		if (errno != ENOENT || !slash || !slash[1])
			return false;
		slash[slash == path] = '\0';
	}
	return S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
}

/* Anyone can have created a name in /tmp. */
static bool is_usable(const struct config_run_dir *dir)
{
	struct stat st;

	if (dir->kind == CONFIG_RUN_DIR_TMP && lstat(dir->path, &st) == 0)
		return config_run_dir_is_ours(dir->path);
	return is_writable(dir->path);
}

/* The last one if none can be used: what is wrong with it will be reported. */
static size_t choose(const struct config_run_dirs *dirs)
{
	size_t i = 0;

	while (i + 1 < dirs->count && !is_usable(&dirs->items[i]))
		i++;
	return i;
}

static struct value_origin origin_of(enum config_run_dir_kind kind)
{
	enum origin_note why = NOTE_run_dir_system;

	switch (kind) {
	case CONFIG_RUN_DIR_XDG:
		why = NOTE_xdg_runtime_dir;
		break;
	case CONFIG_RUN_DIR_SYSTEM:
		break;
	case CONFIG_RUN_DIR_STORAGE:
		why = NOTE_run_dir_storage;
		break;
	case CONFIG_RUN_DIR_TMP:
		why = NOTE_run_dir_tmp;
		break;
	}
	return (struct value_origin){ORIGIN_NOTE, why};
}

static str socket_in(struct loader *ld, str dir)
{
	return str_of(arena_printf(ld->arena, STR_FMT "/" CONTROL_SOCKET, STR_ARG(dir)));
}

static void derive_control_socket(struct loader *ld)
{
	struct server_conf *server = &ld->config->server;
	struct value_origin *origin = &ld->config->private->server_origins[SERVER_control_socket];
	const struct row *row = &sections[SECTION_SERVER].rows[SERVER_control_socket];

	if (origin_is_said(*origin))
		return;
	server->control_socket = socket_in(ld, server->run_dir);
	*origin = (struct value_origin){ORIGIN_NOTE, NOTE_run_dir};
	row->check(ld, row, &server->control_socket, (struct place){PLACE_FILE, 0, 0});
}

/* A running fly-atc may have found another directory: as another user, or with another
 * environment. */
static void list_sockets(struct loader *ld, const struct config_run_dirs *dirs, size_t chosen)
{
	struct str_list *list = &ld->config->control_sockets;

	list->items = arena_alloc(ld->arena, (dirs->count + 1) * sizeof(str));
	list->items[list->count++] = ld->config->server.control_socket;
	for (size_t i = 0; i < dirs->count; i++)
		if (i != chosen && config_run_dir_is_trusted(&dirs->items[i]))
			list->items[list->count++] = socket_in(ld, str_of(dirs->items[i].path));
}

bool config_move_run_dir(struct config *c)
{
	struct value_origin *origins = c->private->server_origins;
	str socket = STR("/" CONTROL_SOCKET), own = c->server.run_dir;
	struct config_run_dirs dirs;
	const struct config_run_dir *last;

	config_run_dirs(NULL, NULL, &dirs);
	last = &dirs.items[dirs.count - 1];
	if (origin_is_said(origins[SERVER_run_dir]) ||
		origin_is_said(origins[SERVER_control_socket]) || str_eq(own, str_of(last->path)) ||
		!is_usable(last))
		return false;
	c->server.run_dir = arena_dup(&c->private->arena, str_of(last->path));
	c->server.control_socket =
		str_of(arena_printf(&c->private->arena, "%s" STR_FMT, last->path, STR_ARG(socket)));
	origins[SERVER_run_dir] = origin_of(last->kind);
	return true;
}

void run_dir_derive(struct loader *ld)
{
	struct config *c = ld->config;
	struct value_origin *origins = c->private->server_origins;
	bool is_said = origin_is_said(origins[SERVER_run_dir]),
	     is_elsewhere = origin_is_said(origins[SERVER_control_socket]);
	struct config_run_dirs dirs = {0};
	size_t chosen = 0;

	if (!is_said) {
		const char *xdg = environment_get(ld, "XDG_RUNTIME_DIR");

		/* A single application has no storage of ours. */
		config_run_dirs(xdg && *xdg == '/' ? path_absolute(ld, str_of(xdg)).p : NULL,
			c->is_single ? NULL : c->server.storage.p, &dirs);
		chosen = choose(&dirs);
		c->server.run_dir = arena_dup(ld->arena, str_of(dirs.items[chosen].path));
		origins[SERVER_run_dir] = origin_of(dirs.items[chosen].kind);
	}
	derive_control_socket(ld);
	if (is_elsewhere)
		dirs.count = 0;
	list_sockets(ld, &dirs, chosen);
}
