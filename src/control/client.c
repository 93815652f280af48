/* client.c - asks the control server of a running fly-atc. */
/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include <ctype.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/chunked.h"
#include "http/head.h"

#define MAX_HEADERS 64

struct reply {
	int fd;
	struct buf in;
	bool has_eof;
	size_t scanned;
	struct chunked chunked;
	unsigned status;
	client_data_fn *on_data;
	void *arg;
};

static int connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int send_request(int fd, const char *method, str target)
{
	struct buf out = {0};
	int r = 0;

	buf_printf(&out, "%s " STR_FMT " HTTP/1.1\r\nHost: fly-atc\r\nConnection: close\r\n\r\n",
		method, STR_ARG(target));
	while (r == 0 && buf_len(&out)) {
		str waiting = buf_str(&out);
		ssize_t n = send(fd, waiting.p, waiting.n, MSG_NOSIGNAL);

		if (n >= 0)
			buf_consume(&out, (size_t)n);
		else if (errno != EINTR)
			r = -errno;
	}
	buf_done(&out);
	return r;
}

/* More bytes, or has_eof.  0 or -errno. */
static int read_more(struct reply *r)
{
	char *room = buf_room(&r->in, 16384);
	ssize_t n = read(r->fd, room, 16384);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		r->has_eof = true;
	else
		buf_added(&r->in, (size_t)n);
	return 0;
}

static int read_head(struct reply *r, struct response_head *ret)
{
	struct header headers[MAX_HEADERS];
	unsigned ignored;
	size_t used;
	int err;

	for (;;) {
		switch (response_head_parse(ret, headers, MAX_HEADERS, buf_str(&r->in), &r->scanned,
			&HEAD_LIMITS_DEFAULT, METHOD_OTHER, &used, &ignored)) {
		case PARSE_OK:
			buf_consume(&r->in, used);
			r->status = ret->status;
			return 0;
		case PARSE_BAD:
			return -EPROTO;
		case PARSE_MORE:
			break;
		}
		if (r->has_eof)
			return -EPIPE;
		err = read_more(r);
		if (err < 0)
			return err;
	}
}

static void give(struct reply *r, size_t n)
{
	if (n)
		r->on_data(r->arg, r->status, (str){buf_str(&r->in).p, n});
	buf_consume(&r->in, n);
}

/* What there is of a chunked body.  PARSE_MORE: bring more. */
static enum parse give_chunks(struct reply *r)
{
	enum parse parse = PARSE_MORE;

	while (parse == PARSE_MORE && buf_len(&r->in)) {
		size_t used;
		str data;

		parse = chunked_read(&r->chunked, buf_str(&r->in), &used, &data);
		if (parse == PARSE_BAD)
			break;
		if (data.n)
			r->on_data(r->arg, r->status, data);
		buf_consume(&r->in, used);
	}
	return parse;
}

static int read_chunks(struct reply *r)
{
	for (;;) {
		enum parse parse = give_chunks(r);
		int err;

		if (parse != PARSE_MORE)
			return parse == PARSE_OK ? 0 : -EPROTO;
		if (r->has_eof)
			return -EPIPE;
		err = read_more(r);
		if (err < 0)
			return err;
	}
}

/* `left` bytes, or until the end of the connection if that is UINT64_MAX. */
static int read_plain(struct reply *r, uint64_t left)
{
	while (left) {
		size_t n = MIN(buf_len(&r->in), left);
		int err;

		give(r, n);
		left -= left == UINT64_MAX ? 0 : n;
		if (r->has_eof && left)
			return left == UINT64_MAX ? 0 : -EPIPE;
		err = left ? read_more(r) : 0;
		if (err < 0)
			return err;
	}
	return 0;
}

static int read_reply(struct reply *r)
{
	struct response_head head;
	int err = read_head(r, &head);

	if (err < 0)
		return err;
	switch (head.body) {
	case BODY_NONE:
		return 0;
	case BODY_CHUNKED:
		return read_chunks(r);
	case BODY_LENGTH:
		return read_plain(r, head.content_length);
	case BODY_UNTIL_CLOSE:
		return read_plain(r, UINT64_MAX);
	}
	return -EPROTO;
}

int client_ask(const char *socket_path, const char *method, str target, client_data_fn *on_data,
	void *arg, unsigned *ret_status)
{
	struct reply reply = {.fd = -1, .on_data = on_data, .arg = arg};
	int r = connect_to(socket_path, &reply.fd);

	if (r < 0)
		return r;
	r = send_request(reply.fd, method, target);
	if (r == 0)
		r = read_reply(&reply);
	if (r == 0)
		*ret_status = reply.status;
	close_fd(&reply.fd);
	buf_done(&reply.in);
	chunked_done(&reply.chunked);
	return r;
}

void client_add_segment(struct buf *out, str segment)
{
	for (size_t i = 0; i < segment.n; i++) {
		unsigned char c = (unsigned char)segment.p[i];

		if (c && c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
