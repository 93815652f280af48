/* control.c - the control socket: made, listened on, removed. */
/* SPDX-License-Identifier: MIT */
#include "control/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "control/control_int.h"
#include "process/process.h"

#define BACKLOG 64

/* As much as the socket takes at once. */
static void turn_away(int fd, const char *status, str error)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	buf_printf(&out,
		"HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n",
		status);
	json_open_object(&j, NULL);
	json_str(&j, "error", error);
	json_close_object(&j);
	buf_add(&out, STR("\r\n"));
	(void)!send(fd, buf_str(&out).p, buf_len(&out), MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_done(&out);
	close(fd);
}

/* Every process of our user can open the socket, and so can every tenant that has no user of its
 * own. */
static bool is_tenants(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       process_is_tenants(peer.pid);
}

static void on_connection(struct watch *w, unsigned events)
{
	struct control *c = container_of(w, struct control, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	MAGIC_CHECK(c, CONTROL_MAGIC);
	(void)events;
	if (fd < 0)
		return;
	if (is_tenants(fd))
		turn_away(fd, "403 Forbidden", STR("this is not for tenants"));
	else if (c->nsessions - c->nsubscribers >= CONTROL_MAX_SESSIONS)
		turn_away(fd, "503 Service Unavailable", STR("too many control connections"));
	else
		session_new(c, fd, control_route);
}

static void make_directory(const char *path)
{
	char *directory = xstrdup(path);
	char *slash = strrchr(directory, '/');

	if (slash && slash != directory) {
		*slash = 0;
		(void)!file_make_new_dir(
			FILE_GIVEN, directory, 0700); /* bind reports what is wrong */
	}
	free(directory);
}

/* 0 if the name is free now, -EADDRINUSE if another process answers there, or what else is in the
 * way. */
static int clear_stale(const struct sockaddr_un *address)
{
	CLEAN_FD int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return file_remove(FILE_GIVEN, address->sun_path);
}

/* The mode is set before the name appears, so nobody else can connect in between. */
static int listen_at(const struct sockaddr_un *address, int *ret_fd)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 ||
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
		listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

static int open_socket(struct control *c, str path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int r;

	if (path.n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path.p, path.n);
	make_directory(c->path);
	r = clear_stale(&address);
	if (r < 0)
		return r;
	r = listen_at(&address, &c->fd);
	if (r < 0)
		return r;
	if (lstat(c->path, &st) == 0)
		c->inode = st.st_ino;
	return watch_open_read(&c->watch, c->loop, c->fd, on_connection);
}

static char *why_not(str path, int err)
{
	if (err == -EADDRINUSE)
		return xasprintf("cannot open the control socket " STR_FMT
				 ": another fly-atc answers there; stop it, or set "
				 "server.control_socket to another path",
			STR_ARG(path));
	if (err == -EEXIST)
		return xasprintf("cannot open the control socket " STR_FMT
				 ": something that is not a socket has this name",
			STR_ARG(path));
	if (err == -ENAMETOOLONG)
		return xasprintf("cannot open the control socket " STR_FMT
				 ": the path is too long for a socket (at most 107 bytes)",
			STR_ARG(path));
	return xasprintf("cannot open the control socket " STR_FMT
			 ": %s; server.control_socket and server.run_dir say where it is",
		STR_ARG(path), strerror(-err));
}

struct control *control_new(
	struct loop *l, str path, const struct control_ops *ops, void *arg, char **ret_reason)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int r;

	MAGIC_BEGIN(c, CONTROL_MAGIC);
	c->loop = l;
	c->ops = ops;
	c->arg = arg;
	c->path = str_dup(path);
	c->fd = c->watch.fd = -1;
	list_init(&c->sessions);
	list_init(&c->followers);
	list_init(&c->subscribers);
	list_init(&c->events);
	r = open_socket(c, path);
	if (r == 0)
		return c;
	*ret_reason = why_not(path, r);
	control_free(c);
	return NULL;
}

void control_free(struct control *c)
{
	struct stat st;

	if (!c)
		return;
	events_end(c);
	list_foreach_safe (s, &c->sessions, struct session, link)
		session_finish(s);
	watch_close(&c->watch);
	if (c->fd >= 0 && lstat(c->path, &st) == 0 && st.st_ino == c->inode)
		(void)!file_remove(FILE_GIVEN, c->path);
	close_fd(&c->fd);
	free(c->path);
	MAGIC_END(c, CONTROL_MAGIC);
	free(c);
}
