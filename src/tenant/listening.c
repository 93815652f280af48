/* listening.c - finds listening sockets by their inodes: /proc/net against the open files of
 * processes. */
/* SPDX-License-Identifier: MIT */
#include "tenant/listening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"
#include "tenant/family.h"

#define MAX_LINES     65536u /* of a table of the kernel's */
#define MAX_SOCKETS   8192u
#define MAX_PROCESSES 32768u /* of the machine */

/* --- the sockets of the machine that listen --- */

struct open_socket {
	uint64_t inode;
	struct open_port at;
	bool is_own; /* a process of the family has it */
};

struct open_sockets {
	struct open_socket *items; /* by inode */
	size_t count, cap;
	bool is_cut;
};

/* The columns used here, counted from 0. */
enum tcp_column { TCP_LOCAL = 1, TCP_STATE = 3, TCP_INODE = 9 };
enum unix_column { UNIX_FLAGS = 3, UNIX_INODE = 6, UNIX_PATH = 7 };
#define COLUMNS		10
#define STATE_LISTENING STR("0A")
#define FLAGS_LISTENING STR("00010000")

static size_t split_columns(str line, str columns[COLUMNS])
{
	size_t n = 0;
	str word;

	while (n < COLUMNS && str_split(&line, ' ', &word))
		if (word.n)
			columns[n++] = word;
	return n;
}

/* Words of four bytes in the machine's own order, as the kernel prints addresses. */
static bool read_address(str text, unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size / 4; i++) {
		uint64_t number;
		uint32_t word;

		if (number_parse_hex(str_slice(text, i * 8, i * 8 + 8), UINT32_MAX, &number) < 0)
			return false;
		word = (uint32_t)number;
		memcpy(bytes + i * 4, &word, sizeof(word));
	}
	return text.n == size * 2;
}

static void describe_ipv4(struct open_port *l, const unsigned char bytes[4])
{
	char address[INET_ADDRSTRLEN] = "";
	struct in_addr in;

	memcpy(&in, bytes, sizeof(in));
	inet_ntop(AF_INET, &in, address, sizeof(address));
	snprintf(l->text, sizeof(l->text), "%s:%u", address, l->port);
	l->is_at_ipv4 = in.s_addr == htonl(INADDR_ANY) || in.s_addr == htonl(INADDR_LOOPBACK);
}

/* A socket at :: accepts IPv4 as well, unless it has said otherwise, which cannot be seen here. */
static void describe_ipv6(struct open_port *l, const unsigned char bytes[16])
{
	char address[INET6_ADDRSTRLEN] = "";
	struct in6_addr in;

	memcpy(&in, bytes, sizeof(in));
	if (IN6_IS_ADDR_V4MAPPED(&in)) {
		describe_ipv4(l, bytes + 12);
		return;
	}
	inet_ntop(AF_INET6, &in, address, sizeof(address));
	snprintf(l->text, sizeof(l->text), "[%s]:%u", address, l->port);
	l->is_at_ipv4 = IN6_IS_ADDR_UNSPECIFIED(&in);
	l->is_at_ipv6 = l->is_at_ipv4 || IN6_IS_ADDR_LOOPBACK(&in);
}

static bool read_tcp(str line, struct open_socket *ret)
{
	str columns[COLUMNS], port, address;
	unsigned char bytes[16];
	uint64_t number;

	if (split_columns(line, columns) <= TCP_INODE ||
		!str_eq(columns[TCP_STATE], STATE_LISTENING))
		return false;
	port = columns[TCP_LOCAL];
	if (!str_split(&port, ':', &address) || number_parse_hex(port, 65535, &number) < 0 ||
		number_parse(columns[TCP_INODE], UINT64_MAX, &ret->inode) < 0)
		return false;
	ret->at = (struct open_port){.port = (unsigned)number};
	if (read_address(address, bytes, 4))
		describe_ipv4(&ret->at, bytes);
	else if (read_address(address, bytes, 16))
		describe_ipv6(&ret->at, bytes);
	else
		return false;
	return true;
}

static bool read_unix(str line, struct open_socket *ret)
{
	str columns[COLUMNS];

	if (split_columns(line, columns) <= UNIX_PATH ||
		!str_eq(columns[UNIX_FLAGS], FLAGS_LISTENING) ||
		number_parse(columns[UNIX_INODE], UINT64_MAX, &ret->inode) < 0)
		return false;
	ret->at = (struct open_port){0};
	snprintf(ret->at.text, sizeof(ret->at.text), STR_FMT, STR_ARG(columns[UNIX_PATH]));
	for (char *c = ret->at.text; *c;
		c++) /* it is under the control of the process that made the socket */
		if (*c < ' ' || *c > '~')
			*c = '?';
	return true;
}

static void add_socket(struct open_sockets *s, const struct open_socket *found)
{
	if (s->count == MAX_SOCKETS) {
		s->is_cut = true;
		return;
	}
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->items = xrealloc(s->items, s->cap * sizeof(*s->items));
	}
	s->items[s->count++] = *found;
}

static void read_table(struct open_sockets *s, const char *path,
	bool (*read_line)(str line, struct open_socket *ret))
{
	FILE *file = fopen(path, "re");
	struct open_socket found = {0};
	size_t size = 0, left = MAX_LINES;
	char *line = NULL;
	ssize_t n;

	while (file && left && (n = getline(&line, &size, file)) > 0) {
		left--;
		if (read_line((str){line, (size_t)n - (line[n - 1] == '\n')}, &found))
			add_socket(s, &found);
	}
	s->is_cut |= !left;
	free(line);
	if (file)
		fclose(file);
}

static int compare_inodes(const void *a, const void *b)
{
	uint64_t left = ((const struct open_socket *)a)->inode,
		 right = ((const struct open_socket *)b)->inode;

	return left < right ? -1 : left > right;
}

static void sort_sockets(struct open_sockets *s)
{
	if (s->count)
		qsort(s->items, s->count, sizeof(*s->items), compare_inodes);
}

static void find_tcp(struct open_sockets *ret)
{
	read_table(ret, "/proc/net/tcp", read_tcp);
	read_table(ret, "/proc/net/tcp6", read_tcp);
	sort_sockets(ret);
}

static void find_unix(struct open_sockets *ret)
{
	read_table(ret, "/proc/net/unix", read_unix);
	sort_sockets(ret);
}

/* --- the files of a process --- */

static struct open_socket *socket_of(const struct open_sockets *s, int files, const char *number)
{
	struct open_socket key = {0};
	char link[64];
	ssize_t n = readlinkat(files, number, link, sizeof(link));
	str name = {link, n > 0 ? (size_t)n : 0};

	if (!s->count || !str_starts(name, STR("socket:[")) || !str_ends(name, STR("]")) ||
		number_parse(str_slice(name, 8, name.n - 1), UINT64_MAX, &key.inode) < 0)
		return NULL;
	return bsearch(&key, s->items, s->count, sizeof(key), compare_inodes);
}

typedef void socket_fn(void *arg, pid_t pid, struct open_socket *found);

/* False: its files cannot be seen. */
static bool look_into(
	const struct open_sockets *s, pid_t pid, size_t *left, socket_fn *each, void *arg)
{
	CLEAN_FREE char *path = xasprintf("/proc/%d/fd", (int)pid);
	const struct dirent *entry;
	DIR *files;

	if (file_list(FILE_GIVEN, path, &files) < 0)
		return false;
	while (*left && (entry = readdir(files))) {
		struct open_socket *found = NULL;

		(*left)--;
		if (entry->d_name[0] != '.')
			found = socket_of(s, dirfd(files), entry->d_name);
		if (found)
			each(arg, pid, found);
	}
	closedir(files);
	return true;
}

/* --- a tenant --- */

static bool is_known(const struct listening *l, const struct open_port *found)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].text, found->text) == 0)
			return true;
	return false;
}

static void on_own_socket(void *arg, pid_t pid, struct open_socket *found)
{
	struct listening *l = arg;

	found->is_own = true;
	if (is_known(l, &found->at))
		return;
	if (l->count == LISTENING_MAX) {
		l->is_cut = true;
		return;
	}
	l->items[l->count] = found->at;
	l->items[l->count++].pid = pid;
}

static void find_own(const struct family *f, const struct open_sockets *s, struct listening *l)
{
	size_t left = FAMILY_MAX_FILES;

	for (size_t i = 0; i < f->count; i++)
		if (!look_into(s, f->pids[i], &left, on_own_socket, l))
			l->is_cut =
				true; /* or it has just ended: then the next look sees everything */
	l->is_cut |= !left || f->is_cut || s->is_cut;
}

static void find_shared(const struct open_sockets *s, struct listening *l)
{
	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; k < l->count && !s->items[i].is_own; k++)
			l->items[k].is_shared |= l->items[k].port == s->items[i].at.port;
}

void listening_find(pid_t leader, struct listening *ret)
{
	CLEAN_FREE struct family *f = family_find(leader);
	struct open_sockets sockets = {0};

	*ret = (struct listening){0};
	find_tcp(&sockets);
	find_own(f, &sockets, ret);
	find_shared(&sockets, ret);
	if (!ret->count) {
		sockets.count = 0;
		find_unix(&sockets);
		find_own(f, &sockets, ret);
	}
	free(sockets.items);
}

void listening_describe(const struct listening *l, struct buf *out)
{
	for (size_t i = 0; i < l->count; i++)
		buf_printf(out, "%s%s (pid %d)",
			!i		    ? ""
			: i + 1 == l->count ? " and "
					    : ", ",
			l->items[i].text, (int)l->items[i].pid);
}

bool listening_is_at(const struct listening *l, unsigned port)
{
	for (size_t i = 0; i < l->count; i++)
		if (port && l->items[i].port == port &&
			(l->items[i].is_at_ipv4 || l->items[i].is_at_ipv6))
			return true;
	return false;
}

const struct open_port *listening_choose(const struct listening *l, const char **ret_why)
{
	const struct open_port *chosen = NULL;

	*ret_why = l->is_cut ? "it has more processes or files than can be looked at"
			     : "it does not listen on a port";
	for (size_t i = 0; i < l->count && !l->is_cut && l->items[i].port; i++) {
		const struct open_port *found = &l->items[i];

		if (found->port != l->items[0].port)
			*ret_why = "it has several, and which one speaks HTTP is not known";
		else if (found->is_shared)
			*ret_why = "somebody else listens on that port, too";
		else if (!found->is_at_ipv4 && !found->is_at_ipv6)
			*ret_why = "that is no loopback address";
		else {
			if (!chosen || (found->is_at_ipv4 && !found->is_at_ipv6))
				chosen = found;
			continue;
		}
		return NULL;
	}
	return chosen;
}

/* --- a port --- */

struct owner {
	unsigned port;
	pid_t pid;
};

static void on_any_socket(void *arg, pid_t pid, struct open_socket *found)
{
	struct owner *owner = arg;

	if (found->at.port == owner->port && !owner->pid &&
		(found->at.is_at_ipv4 || found->at.is_at_ipv6))
		owner->pid = pid;
}

pid_t listening_owner(unsigned port)
{
	struct owner owner = {.port = port};
	size_t left = FAMILY_MAX_FILES, processes = MAX_PROCESSES;
	struct open_sockets sockets = {0};
	const struct dirent *entry;
	DIR *all;
	uint64_t pid;

	if (file_list(FILE_GIVEN, "/proc", &all) < 0)
		return 0;
	find_tcp(&sockets);
	while (left && processes && !owner.pid && (entry = readdir(all))) {
		if (number_parse(str_of(entry->d_name), INT32_MAX, &pid) < 0)
			continue;
		processes--;
		(void)look_into(&sockets, (pid_t)pid, &left, on_any_socket, &owner);
	}
	closedir(all);
	free(sockets.items);
	return owner.pid;
}
