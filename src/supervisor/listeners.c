/* listeners.c - the sockets that clients connect to. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/listeners.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"

#define FIRST_INHERITED	    3
#define MAX_INHERITED	    64
#define BACKLOG		    4096
#define MAX_DEFAULT_THREADS 4

struct bound_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t size;
};

/* --- binding --- */

static struct bound_address any_address(bool is_v6)
{
	struct bound_address a = {0};

	if (is_v6) {
		a.u.v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
		a.size = sizeof(a.u.v6);
	} else {
		a.u.v4 = (struct sockaddr_in){.sin_family = AF_INET};
		a.size = sizeof(a.u.v4);
	}
	return a;
}

static int parse_address(str text, struct bound_address *ret)
{
	struct bound_address v4 = any_address(false), v6 = any_address(true);

	if (!text.n)
		*ret = v6;
	else if (inet_pton(AF_INET, text.p, &v4.u.v4.sin_addr) == 1)
		*ret = v4;
	else if (inet_pton(AF_INET6, text.p, &v6.u.v6.sin6_addr) == 1)
		*ret = v6;
	else
		return -EINVAL;
	return 0;
}

static void set_port(struct bound_address *a, unsigned port)
{
	if (a->u.any.sa_family == AF_INET)
		a->u.v4.sin_port = htons((uint16_t)port);
	else
		a->u.v6.sin6_port = htons((uint16_t)port);
}

static unsigned port_of(int fd)
{
	struct bound_address a = {.size = sizeof(a.u)};

	if (getsockname(fd, &a.u.any, &a.size) < 0)
		return 0;
	if (a.u.any.sa_family == AF_INET)
		return ntohs(a.u.v4.sin_port);
	return a.u.any.sa_family == AF_INET6 ? ntohs(a.u.v6.sin6_port) : 0;
}

static int open_socket(const struct bound_address *a, bool shares_port)
{
	int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
	    off = 0, r = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->u.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (shares_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		r = -errno;
	if (r == 0 && (bind(fd, &a->u.any, a->size) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Sockets with SO_REUSEPORT would quietly share the port with another fly-atc of the same user; one
 * without it does not. */
static int check_port_is_free(struct bound_address *a, bool may_fall_back)
{
	int fd = open_socket(a, false);

	if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && may_fall_back) {
		unsigned port = ntohs(a->u.v6.sin6_port);

		*a = any_address(false); /* a machine without IPv6 */
		set_port(a, port);
		fd = open_socket(a, false);
	}
	if (fd < 0)
		return fd;
	set_port(a, port_of(fd));
	close(fd);
	return 0;
}

static int bind_all(struct listeners *l, struct bound_address *a, bool may_fall_back)
{
	int r = check_port_is_free(a, may_fall_back);

	for (size_t i = 0; i < l->count && r == 0; i++) {
		l->fds[i] = open_socket(a, true);
		r = MIN(l->fds[i], 0);
	}
	l->port = r == 0 ? port_of(l->fds[0]) : 0;
	return r;
}

/* --- which process has the port --- */

/* A line of /proc/net/tcp: "sl local:port remote:port state queues timer retries uid timeout inode
 * …" (proc(5)). 0 if it is not a socket that listens on the port. */
static uint64_t listening_inode(str line, unsigned port)
{
	enum { LOCAL = 1, STATE = 3, INODE = 9 };
	str field, address;
	uint64_t line_port = 0, state = 0, inode = 0;

	for (int i = 0; i <= INODE; i++) {
		do {
			if (!str_split(&line, ' ', &field))
				return 0;
		} while (!field.n);
		if (i == LOCAL && (!str_split(&field, ':', &address) ||
					  number_parse_hex(field, 65535, &line_port) < 0))
			return 0;
		if (i == STATE && number_parse_hex(field, 255, &state) < 0)
			return 0;
		if (i == INODE && number_parse(field, UINT64_MAX, &inode) < 0)
			return 0;
	}
	return line_port == port && state == TCP_LISTEN ? inode : 0;
}

/* The inode of the socket that listens on a port, 0 if it is not found. */
static uint64_t inode_of_port(const char *table, unsigned port)
{
	FILE *file = fopen(table, "re");
	char line[512];
	uint64_t found = 0;

	while (file && !found && fgets(line, sizeof(line), file))
		found = listening_inode(str_of(line), port);
	if (file)
		fclose(file);
	return found;
}

static bool process_has_socket(const char *pid, const char *wanted)
{
	char path[64], target[64];
	struct dirent *entry;
	bool has = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	if (file_list(FILE_GIVEN, path, &folder) < 0)
		return false;
	while (!has && (entry = readdir(folder))) {
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		target[MAX(n, 0)] = '\0';
		has = strcmp(target, wanted) == 0;
	}
	closedir(folder);
	return has;
}

static void read_command_name(const char *pid, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	n = file_read_kernel(path, out, size - 1);
	if (n <= 0)
		n = snprintf(out, size, "?");
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* " by puma (pid 812)", or nothing if that cannot be seen. */
static char *owner_of_port(unsigned port)
{
	uint64_t inode = inode_of_port("/proc/net/tcp", port);
	char wanted[64], name[64], *owner = NULL;
	struct dirent *entry;
	DIR *proc = NULL;

	if (!inode)
		inode = inode_of_port("/proc/net/tcp6", port);
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)inode);
	if (!inode || file_list(FILE_GIVEN, "/proc", &proc) < 0)
		return xstrdup("");
	while (!owner && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			process_has_socket(entry->d_name, wanted)) {
			read_command_name(entry->d_name, name, sizeof(name));
			owner = xasprintf(" by %s (pid %s)", name, entry->d_name);
		}
	closedir(proc);
	return owner ? owner : xstrdup("");
}

static char *explain(const struct server_conf *server, int error)
{
	unsigned port = (unsigned)server->http_port;
	const char *where = server->address.n ? server->address.p : "all addresses";
	char *owner, *text;

	if (error == -EACCES || error == -EPERM)
		return xasprintf(
			"cannot listen on port %u: a port below 1024 needs privilege; set HTTP_PORT "
			"(or server.http_port) to a higher one, or give the program CAP_NET_BIND_SERVICE",
			port);
	if (error == -EADDRINUSE) {
		owner = owner_of_port(port);
		text = xasprintf(
			"cannot listen on port %u of %s: it is in use%s; stop that, or set HTTP_PORT "
			"(or server.http_port) to another",
			port, where, owner);
		free(owner);
		return text;
	}
	if (error == -EINVAL)
		return xasprintf("server.address: %s is no IP address", where);
	return xasprintf("cannot listen on port %u of %s: %s", port, where, strerror(-error));
}

/* --- LISTEN_FDS --- */

static bool is_listening(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value;
}

/* How many sockets were handed to us (sd_listen_fds(3)).  A program that starts us in a new PID
 * namespace cannot know our pid. */
static size_t count_inherited(void)
{
	const char *count = getenv("LISTEN_FDS"), *owner = getenv("LISTEN_PID");
	uint64_t n = 0, pid = 0;

	if (!count || !owner || number_parse(str_of(count), MAX_INHERITED, &n) < 0 ||
		number_parse(str_of(owner), INT32_MAX, &pid) < 0 ||
		((pid_t)pid != getpid() && getpid() != 1))
		return 0;
	for (uint64_t i = 0; i < n; i++)
		if (!is_listening(FIRST_INHERITED + (int)i))
			return 0;
	return n;
}

/* Each thread gets a socket; if there are fewer, threads share them; if there are more, there are
 * more threads. */
static int take_inherited(struct listeners *l, size_t n)
{
	int r = 0;

	l->is_inherited = true;
	for (size_t i = 0; i < l->count && r == 0; i++) {
		l->fds[i] = fcntl(
			FIRST_INHERITED + (int)(i % n), F_DUPFD_CLOEXEC, FIRST_INHERITED + (int)n);
		if (l->fds[i] < 0 || fcntl(l->fds[i], F_SETFL, O_NONBLOCK) < 0)
			r = -errno;
	}
	for (size_t i = 0; i < n; i++)
		close(FIRST_INHERITED + (int)i);
	l->port = r == 0 ? port_of(l->fds[0]) : 0;
	return r;
}

int listeners_open(
	struct listeners *ret, const struct server_conf *server, size_t threads, char **ret_reason)
{
	size_t inherited = count_inherited();
	struct listeners l = {.count = MAX(threads, inherited)};
	struct bound_address a;
	int r;

	l.fds = xcalloc(l.count, sizeof(*l.fds));
	for (size_t i = 0; i < l.count; i++)
		l.fds[i] = -1;
	if (inherited) {
		r = take_inherited(&l, inherited);
	} else {
		r = parse_address(server->address, &a);
		if (r == 0) {
			set_port(&a, (unsigned)server->http_port);
			r = bind_all(&l, &a, !server->address.n);
		}
	}
	if (r < 0) {
		*ret_reason = explain(server, r);
		listeners_close(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		close_fd(&l->fds[i]);
	free(l->fds);
	*l = (struct listeners){0};
}

size_t listeners_threads(const struct server_conf *server)
{
	cpu_set_t cores;

	if (server->threads > 0)
		return (size_t)server->threads;
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	return (size_t)MIN(MAX(CPU_COUNT(&cores), 1), MAX_DEFAULT_THREADS);
}
