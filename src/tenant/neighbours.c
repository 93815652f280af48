/* neighbours.c - a datagram socket for each fly-atc that has this storage. */
/* SPDX-License-Identifier: MIT */
#include "tenant/neighbours.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "process/process.h"

/* The only word, before the tenant's id. */
#define WANT STR("want ")
/* Longer than any id (a path); what is longer is not from us. */
#define WORD_MAX 4096
/* Of a neighbour that does not stop talking, in one turn. */
#define AT_ONCE 64
#define ENDING	".sock"

/* By the descriptor, since the path of the storage may be longer than a socket's may be. */
static bool address_in(int dir, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(ret->sun_path);
}

/* It gets the name by which others find it once it can hear them: a socket that does not is taken
 * for a dead one's. */
static int bind_in(struct neighbours *n)
{
	char unready[sizeof(n->name) + sizeof(".new")];
	struct sockaddr_un address;
	uint64_t number;
	int on = 1;

	random_bytes(&number, sizeof(number));
	snprintf(n->name, sizeof(n->name), "%016llx" ENDING, (unsigned long long)number);
	snprintf(unready, sizeof(unready), "%s.new", n->name);
	if (!address_in(n->dir, unready, &address))
		return -ENAMETOOLONG;
	if (fchmod(n->fd, 0600) < 0 ||
		setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
		bind(n->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return file_move(n->dir, unready, n->dir, n->name);
}

int neighbours_open(struct neighbours *n, int dir)
{
	int r;

	*n = (struct neighbours){.dir = dir, .watch.fd = -1};
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return -errno;
	r = bind_in(n);
	if (r < 0)
		close_fd(&n->fd);
	return r;
}

/* --- hearing --- */

/* The pid of the sender; 0 for one that is in another container. */
static pid_t sender_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			return who.pid;
		}
	return -1;
}

/* False: there is no more. */
static bool hear(struct neighbours *n)
{
	char text[WORD_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t size = recvmsg(n->fd, &message, MSG_CMSG_CLOEXEC);
	str word = {text, (size_t)MAX(size, 0)};
	pid_t sender;

	if (size < 0)
		return false;
	sender = sender_of(&message);
	if ((message.msg_flags & MSG_TRUNC) || sender < 0 || !str_starts(word, WANT) ||
		word.n == WANT.n || memchr(word.p, '\0', word.n))
		return true;
	/* A tenant that sees the storage can send us words, too. */
	if (sender == 0 || !process_is_tenants(sender))
		n->on_wanted(n->arg, str_slice(word, WANT.n, word.n));
	return true;
}

static void on_word(struct watch *w, unsigned events)
{
	struct neighbours *n = container_of(w, struct neighbours, watch);

	(void)events;
	for (int i = 0; i < AT_ONCE && hear(n); i++)
		continue;
}

int neighbours_listen(
	struct neighbours *n, struct loop *l, neighbours_wanted_fn *on_wanted, void *arg)
{
	n->on_wanted = on_wanted;
	n->arg = arg;
	return watch_open_read(&n->watch, l, n->fd, on_word);
}

/* --- asking --- */

static bool say_to(const struct neighbours *n, const char *name, struct iovec parts[2])
{
	struct sockaddr_un address;
	struct msghdr message = {.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = parts,
		.msg_iovlen = 2};

	if (!address_in(n->dir, name, &address))
		return true;
	if (sendmsg(n->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return true;
	if (errno == ECONNREFUSED) { /* its owner was killed */
		(void)!file_remove(n->dir, name);
		return true;
	}
	return errno == ENOENT; /* it has just ended */
}

bool neighbours_ask(const struct neighbours *n, str id)
{
	struct iovec parts[2] = {
		{(void *)(uintptr_t)WANT.p, WANT.n}, {(void *)(uintptr_t)id.p, id.n}};
	const struct dirent *entry;
	bool have_all = true;
	char path[32];
	DIR *entries;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", n->dir);
	if (n->fd < 0 || file_list(FILE_GIVEN, path, &entries) < 0)
		return false;
	while ((entry = readdir(entries)))
		if (str_ends(str_of(entry->d_name), STR(ENDING)) &&
			strcmp(entry->d_name, n->name) != 0)
			have_all = say_to(n, entry->d_name, parts) && have_all;
	closedir(entries);
	return have_all;
}

void neighbours_close(struct neighbours *n)
{
	if (n->fd < 0)
		return;
	(void)!file_remove(n->dir, n->name);
	watch_close(&n->watch);
	close_fd(&n->fd);
}
