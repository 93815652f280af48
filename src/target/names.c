/* names.c - one question to a name server by the C library's resolver, with its own state for each,
 * so that any thread may ask. */
/* SPDX-License-Identifier: MIT */
#include "target/names.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"

#define ANSWER_MAX 65536
/* Of one try in seconds, and how many. */
#define TRY_TIME 1
#define TRIES	 3

int name_server_parse(str text, struct name_server *ret)
{
	struct name_server s = {0};
	ssize_t colon = str_find_char(text, ':');
	uint64_t port;
	CLEAN_FREE char *host = NULL;

	if (colon <= 0 ||
		number_parse(str_slice(text, (size_t)colon + 1, text.n), UINT16_MAX, &port) < 0)
		return -EINVAL;
	host = str_dup(str_slice(text, 0, (size_t)colon));
	if (inet_pton(AF_INET, host, &s.address) != 1)
		return -EINVAL;
	s.port = (uint16_t)port;
	*ret = s;
	return 0;
}

static int error_of(int resolver_error)
{
	if (resolver_error == HOST_NOT_FOUND || resolver_error == NO_DATA)
		return -ENOENT;
	return resolver_error == TRY_AGAIN ? -ETIMEDOUT : -EIO;
}

/* 0 with the answer's records, which point into `buffer`. */
static int ask_server(const struct name_server *server, const char *name, ns_type type,
	unsigned char *buffer, ns_msg *ret)
{
	struct __res_state state = {0};
	int n, r;

	if (res_ninit(&state) < 0)
		return -EIO;
	if (server->port) {
		state.nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_port = htons(server->port),
			.sin_addr = server->address};
		state.nscount = 1;
	}
	state.retrans = TRY_TIME;
	state.retry = TRIES;
	n = res_nquery(&state, name, ns_c_in, type, buffer, ANSWER_MAX);
	r = n < 0 ? error_of(state.res_h_errno) : 0;
	res_nclose(&state);
	if (r == 0 && ns_initparse(buffer, MIN(n, ANSWER_MAX), ret) < 0)
		r = -EIO;
	return r;
}

static int read_addresses(ns_msg *answer, uint16_t port, struct address *ret, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < ns_msg_count(*answer, ns_s_an) && n < max; i++) {
		struct sockaddr_storage from = {0};
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&from;
		ns_rr record;

		if (ns_parserr(answer, ns_s_an, i, &record) < 0)
			return -EIO;
		if (ns_rr_type(record) != ns_t_aaaa || ns_rr_rdlen(record) != sizeof(v6->sin6_addr))
			continue;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, ns_rr_rdata(record), sizeof(v6->sin6_addr));
		address_from(&ret[n++], &from);
	}
	return n ? (int)n : -ENOENT;
}

int names_addresses(const struct name_server *server, const char *name, uint16_t port,
	struct address *ret, size_t max)
{
	unsigned char *buffer = xmalloc(ANSWER_MAX);
	ns_msg answer;
	int r = ask_server(server, name, ns_t_aaaa, buffer, &answer);

	if (r == 0)
		r = read_addresses(&answer, port, ret, max);
	free(buffer);
	return r;
}

/* A text is pieces, each with its length before it. */
static int add_pieces(const unsigned char *data, size_t n, struct buf *ret)
{
	while (n) {
		size_t piece = data[0];

		if (piece >= n)
			return -EIO;
		buf_add(ret, (str){(const char *)data + 1, piece});
		data += piece + 1;
		n -= piece + 1;
	}
	return 0;
}

static int read_texts(ns_msg *answer, struct buf *ret)
{
	size_t before = buf_len(ret);
	int r = 0;

	for (int i = 0; i < ns_msg_count(*answer, ns_s_an) && r == 0; i++) {
		ns_rr record;

		if (ns_parserr(answer, ns_s_an, i, &record) < 0)
			return -EIO;
		if (ns_rr_type(record) != ns_t_txt)
			continue;
		if (buf_len(ret) > before)
			buf_add_char(ret, ',');
		r = add_pieces(ns_rr_rdata(record), ns_rr_rdlen(record), ret);
	}
	if (r == 0 && buf_len(ret) == before)
		r = -ENOENT;
	return r;
}

int names_texts(const struct name_server *server, const char *name, struct buf *ret)
{
	unsigned char *buffer = xmalloc(ANSWER_MAX);
	ns_msg answer;
	int r = ask_server(server, name, ns_t_txt, buffer, &answer);

	if (r == 0)
		r = read_texts(&answer, ret);
	free(buffer);
	return r;
}
