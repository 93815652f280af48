/* backend.c - the application behind every proxy of the benchmark: fixed answers, as cheaply as can
 * be. */
/* SPDX-License-Identifier: MIT */

/*
 * GET <anything>/b/<bytes> is answered by a body of that many bytes, <anything>/r/<name> by what
 * the file <name> in BENCH_ANSWERS holds, head and body; every other path by a body of 2 bytes. One
 * thread, edge-triggered epoll registered once per connection, one read and one write per request.
 *
 * PORT           listen on 127.0.0.1:PORT, or on the unix socket whose path it is, unless
 * LISTEN_FDS     a listening socket was passed as descriptor 3 (sd_listen_fds(3))
 * BENCH_ANSWERS  a directory of answers
 * BOOT_MS        milliseconds to sleep before listening: an application that boots
 *
 * It trusts its peers (a proxy, wrk): request bodies have a Content-Length, and are read and
 * forgotten; heads are of at most HEAD_MAX bytes.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_MAX = 16384,
	BODY_MAX = 64 << 20,
	ANSWERS_MAX = 128,
	ANSWER_NAME = 32,
	EVENTS = 256,
	LISTENER = 3
};

struct answer {
	size_t body_size;
	char name[ANSWER_NAME]; /* of a file of answers; empty: body_size says it */
	size_t size;		/* head and body */
	char *bytes;
};

struct connection {
	int fd;
	bool closing;		     /* the peer asked for the end after this answer */
	const struct answer *due;    /* once the request's body has come, or NULL */
	const struct answer *answer; /* being sent, or NULL */
	size_t body;		     /* of the request, that has not come yet */
	size_t sent;
	size_t have; /* bytes of an incomplete head kept in head */
	char *head;
};

static struct answer answers[ANSWERS_MAX];
static char input[HEAD_MAX];

/* The answer of this size or, if it has one, name: a new one is there with no bytes yet. */
static struct answer *slot_of(size_t body_size, const char *name)
{
	for (struct answer *a = answers; a < answers + ANSWERS_MAX; a++) {
		if (a->bytes && a->body_size == body_size && strcmp(a->name, name) == 0)
			return a;
		if (!a->bytes) {
			a->body_size = body_size;
			snprintf(a->name, sizeof a->name, "%s", name);
			return a;
		}
	}
	errx(1, "more than %d answers", ANSWERS_MAX);
}

static const struct answer *sized(size_t body_size)
{
	struct answer *a = slot_of(body_size, "");
	if (a->bytes)
		return a;
	a->bytes = malloc(body_size + 256);
	if (!a->bytes)
		err(1, "body of %zu bytes", body_size);
	int head = snprintf(a->bytes, 256,
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
		"Cache-Control: no-store\r\nContent-Length: %zu\r\n\r\n",
		body_size);
	memset(a->bytes + head, 'x', body_size);
	a->size = (size_t)head + body_size;
	return a;
}

static const struct answer *recorded(const char *name)
{
	struct answer *a = slot_of(0, name);
	if (a->bytes)
		return a;
	const char *folder = getenv("BENCH_ANSWERS");
	char path[512];
	struct stat file;
	snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file) || !(a->bytes = malloc((size_t)file.st_size)) ||
		read(fd, a->bytes, (size_t)file.st_size) != file.st_size)
		err(1, "%s", path);
	close(fd);
	a->size = (size_t)file.st_size;
	return a;
}

/* The answer to the request line of a head that is complete. */
static const struct answer *route(const char *head, const char *end)
{
	const char *eol = memchr(head, '\r', (size_t)(end - head));
	const char *at = memmem(head, (size_t)(eol - head), "/b/", 3);
	if (at) {
		size_t size = 0;
		for (at += 3; *at >= '0' && *at <= '9' && size < BODY_MAX; at++)
			size = size * 10 + (size_t)(*at - '0');
		return sized(size);
	}
	at = memmem(head, (size_t)(eol - head), "/r/", 3);
	if (!at)
		return sized(2);
	char name[ANSWER_NAME] = "";
	for (size_t i = 0; i + 1 < sizeof name && at[3 + i] > ' ' && at[3 + i] != '?'; i++)
		name[i] = at[3 + i];
	return recorded(name);
}

static bool wants_close(const char *head, size_t size)
{
	return memmem(head, size, "\r\nConnection: close", 19) ||
	       memmem(head, size, " HTTP/1.0\r", 10);
}

static void connection_close(struct connection *c)
{
	close(c->fd);
	free(c->head);
	free(c);
}

/* Keeps what came of a head until the rest does. */
static bool keep(struct connection *c, const char *from, size_t n)
{
	if (n == 0)
		return true;
	if (!c->head && !(c->head = malloc(HEAD_MAX)))
		return false;
	memmove(c->head, from, n);
	c->have = n;
	return n < HEAD_MAX;
}

/* Sends the rest of the current answer. 1: sent, 0: the socket is full, -1: close. */
static int connection_write(struct connection *c)
{
	const struct answer *a = c->answer;
	while (c->sent < a->size) {
		ssize_t n = send(c->fd, a->bytes + c->sent, a->size - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->sent += (size_t)n;
	}
	c->answer = NULL;
	return c->closing ? -1 : 1;
}

static size_t body_size(const char *head, size_t size)
{
	const char *field = memmem(head, size, "\r\nContent-Length: ", 18);

	return field ? strtoul(field + 18, NULL, 10) : 0;
}

/* Answers every complete request in from[0..n); what is left of a head is kept. The result is as
 * connection_write's. */
static int connection_answer(struct connection *c, const char *from, size_t n)
{
	for (;;) {
		size_t skipped = n < c->body ? n : c->body;
		from += skipped;
		n -= skipped;
		c->body -= skipped;
		if (c->body)
			return 1;
		if (c->due) {
			c->answer = c->due;
			c->due = NULL;
			c->sent = 0;
			int done = connection_write(c);
			if (done <= 0)
				return done == 0 && !keep(c, from, n) ? -1 : done;
		}
		const char *end = memmem(from, n, "\r\n\r\n", 4);
		if (!end)
			return keep(c, from, n) ? 1 : -1;
		size_t size = (size_t)(end + 4 - from);
		c->due = route(from, end + 4);
		c->closing = wants_close(from, size);
		c->body = body_size(from, size);
		from += size;
		n -= size;
	}
}

/* Reads until the socket is known to be empty: a short read says so without a failing call. */
static int connection_read(struct connection *c)
{
	for (;;) {
		size_t have = c->have;
		char *to = have ? c->head : input;
		size_t space = HEAD_MAX - have;
		ssize_t n = recv(c->fd, to + have, space, 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		c->have = 0;
		int done = connection_answer(c, to, have + (size_t)n);
		if (done <= 0)
			return done;
		if ((size_t)n < space)
			return 0;
	}
}

static void on_event(struct connection *c, uint32_t events)
{
	int done = 1;
	if (c->answer) {
		done = events & EPOLLOUT ? connection_write(c) : 0;
		if (done > 0 && c->have) { /* heads that came while that answer was stuck */
			size_t n = c->have;
			c->have = 0;
			done = connection_answer(c, c->head, n);
		}
	}
	if (done > 0)
		done = connection_read(c);
	if (done < 0)
		connection_close(c);
}

static void on_accept(int epoll)
{
	for (;;) {
		int fd = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct connection *c = calloc(1, sizeof *c);
		if (!c)
			err(1, "connection");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
			err(1, "epoll_ctl");
	}
}

static int bound_to_port(const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ||
		bind(fd, (struct sockaddr *)&in, sizeof in))
		err(1, "port %s", port);
	return fd;
}

static int bound_to_path(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof un))
		err(1, "%s", path);
	return fd;
}

static void listen_on_port(void)
{
	const char *port = getenv("PORT");
	if (!port)
		errx(1, "neither PORT nor LISTEN_FDS is set");
	int fd = *port == '/' ? bound_to_path(port) : bound_to_port(port);
	if (listen(fd, 4096))
		err(1, "listen on %s", port);
	if (fd != LISTENER && (dup2(fd, LISTENER) < 0 || close(fd)))
		err(1, "descriptor %d", LISTENER);
}

int main(void)
{
	const char *boot = getenv("BOOT_MS");
	const char *passed = getenv("LISTEN_FDS");
	long boot_ms = boot ? atol(boot) : 0;
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	nanosleep(&(struct timespec){boot_ms / 1000, boot_ms % 1000 * 1000000}, NULL);
	if (!passed || atoi(passed) < 1)
		listen_on_port();
	fcntl(LISTENER, F_SETFL, O_NONBLOCK);

	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event accepting = {EPOLLIN, {.ptr = NULL}};
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, LISTENER, &accepting))
		err(1, "epoll");
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				on_event(events[i].data.ptr, events[i].events);
			else
				on_accept(epoll);
	}
}
