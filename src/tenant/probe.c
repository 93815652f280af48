/* probe.c - asks an application whether it answers yet. */
/* SPDX-License-Identifier: MIT */
#include "tenant/probe.h"

#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

/* msec between two tries.  A connection that is refused costs us 30 us and the application nothing;
 * an answer costs the application time to boot, and lines in its log. */
#define CONNECT_PAUSE_FIRST 1
#define CONNECT_PAUSE_LAST  3
#define ANSWER_PAUSE_FIRST  4
#define ANSWER_PAUSE_LAST   25

/* "HTTP/1.1 200": all of the answer that matters. */
#define STATUS_LINE_MIN 12
/* Of the rest, which is read only so that it can be said: bytes, and msec. */
#define REST_MAX   (256u * 1024)
#define REST_LIMIT 1000

struct probe {
	struct loop *loop;
	struct watch watch;
	struct timer pause;
	struct sockaddr_storage address;
	socklen_t address_size;
	char *request;
	size_t request_size, sent;
	char answer[STATUS_LINE_MIN];
	size_t received;
	msec began, first_answer;   /* 0: it has not answered */
	bool is_ipv6, may_be_other; /* of a port: at ::1; or at the other loopback address */
	bool is_connected, is_answered;
	int last_error;	      /* of the last connection, 0 if there was one */
	unsigned last_status; /* of the last answer, 0 without one */
	probe_fn *on_ready;
	probe_end_fn *on_end;
	void *arg;
};

static void attempt(struct probe *p);

static void on_pause(struct timer *t)
{
	attempt(container_of(t, struct probe, pause));
}

static void disconnect(struct probe *p)
{
	int fd = p->watch.fd;

	if (!p->watch.loop || fd < 0)
		return;
	watch_close(&p->watch);
	close(fd);
}

static void try_later(struct probe *p, msec pause)
{
	disconnect(p);
	timer_set(&p->pause, p->loop, clock_now() + pause, on_pause);
}

/* A part of the time that it took already. */
static msec pause_after(msec since, unsigned part, msec first, msec last)
{
	return MIN(MAX((clock_now() - since) / part, first), last);
}

static void set_port(struct probe *p, in_port_t port);

/* At ::1 right after 127.0.0.1.  What is said of it is what came of 127.0.0.1. */
static bool try_other(struct probe *p, int error)
{
	bool was_ipv6 = p->is_ipv6;

	if (!p->may_be_other)
		return false;
	p->is_ipv6 = !was_ipv6;
	set_port(p, ((struct sockaddr_in *)&p->address)->sin_port);
	if (was_ipv6) {
		/* There is no ::1 on this machine. */
		p->may_be_other = error == ECONNREFUSED;
		return false;
	}
	p->last_error = error;
	p->last_status = 0;
	try_later(p, 0);
	return true;
}

static void refused(struct probe *p, int error)
{
	bool was_ipv6 = p->is_ipv6;

	if (try_other(p, error))
		return;
	if (!was_ipv6 || p->is_ipv6) {
		p->last_error = error;
		p->last_status = 0;
	}
	try_later(p, pause_after(p->began, 256, CONNECT_PAUSE_FIRST, CONNECT_PAUSE_LAST));
}

static void not_answered(struct probe *p, unsigned status)
{
	p->last_error = 0;
	p->last_status = status;
	if (!p->first_answer)
		p->first_answer = clock_now();
	try_later(p, pause_after(p->first_answer, 64, ANSWER_PAUSE_FIRST, ANSWER_PAUSE_LAST));
}

static void end(struct probe *p)
{
	probe_end_fn *on_end = p->on_end;
	void *arg = p->arg;

	probe_free(p);
	on_end(arg);
}

static void on_rest_limit(struct timer *t)
{
	end(container_of(t, struct probe, pause));
}

/* An application that is still writing its answer finds a connection that was reset, and tells so
 * at length.  True when there is nothing more to read. */
static bool read_rest(struct probe *p)
{
	char rest[4096];

	while (p->received < REST_MAX) {
		ssize_t n = recv(p->watch.fd, rest, sizeof(rest), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0)
			break;
		p->received += (size_t)n;
	}
	return true;
}

static void on_rest(struct watch *w, unsigned events)
{
	struct probe *p = container_of(w, struct probe, watch);

	if ((events & (LOOP_READ | LOOP_HUP)) && read_rest(p))
		end(p);
}

static void succeed(struct probe *p)
{
	bool is_over = !p->request_size || read_rest(p);

	p->is_answered = true;
	timer_set(&p->pause, p->loop, clock_now() + (is_over ? 0 : REST_LIMIT), on_rest_limit);
	p->on_ready(p->arg, p->is_ipv6);
}

static bool send_request(struct probe *p)
{
	while (p->sent < p->request_size) {
		ssize_t n = send(
			p->watch.fd, p->request + p->sent, p->request_size - p->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		p->sent += (size_t)n;
	}
	return true;
}

/* The three digits of a status line, 0 for anything else. */
static unsigned status_of(const char *line)
{
	unsigned status = 0;

	if (memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line[i] - '0');
	}
	return status;
}

static void read_answer(struct probe *p)
{
	while (p->received < sizeof(p->answer)) {
		ssize_t n = recv(
			p->watch.fd, p->answer + p->received, sizeof(p->answer) - p->received, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			not_answered(p, 0);
			return;
		}
		p->received += (size_t)n;
	}
	if (status_of(p->answer) >= 100 && status_of(p->answer) < 500)
		succeed(p);
	else
		not_answered(p, status_of(p->answer));
}

static void connected(struct probe *p)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(p->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		refused(p, error);
		return;
	}
	p->is_connected = true;
	if (!p->request_size)
		succeed(p);
	else if (!send_request(p))
		not_answered(p, 0);
}

static void on_event(struct watch *w, unsigned events)
{
	struct probe *p = container_of(w, struct probe, watch);

	if (p->is_answered) {
		on_rest(w, events);
		return;
	}
	if (!p->is_connected) {
		if (events & (LOOP_WRITE | LOOP_HUP))
			connected(p);
		return;
	}
	if ((events & LOOP_WRITE) && !send_request(p))
		not_answered(p, 0);
	else if (events & LOOP_READ)
		read_answer(p);
}

static void attempt(struct probe *p)
{
	int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	p->sent = p->received = 0;
	p->is_connected = false;
	if (fd < 0) {
		refused(p, errno);
		return;
	}
	if ((connect(fd, (struct sockaddr *)&p->address, p->address_size) < 0 &&
		    errno != EINPROGRESS) ||
		watch_open(&p->watch, p->loop, fd, on_event) < 0) {
		int error = errno;

		close(fd);
		refused(p, error);
	}
}

/* Of the same number at the other loopback address: in both structures it is at the same place. */
static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	"ports");

static void set_port(struct probe *p, in_port_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&p->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&p->address;

	if (p->is_ipv6) {
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_port = port,
			.sin6_addr = IN6ADDR_LOOPBACK_INIT};
		p->address_size = sizeof(*in6);
	} else {
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		p->address_size = sizeof(*in);
	}
}

static void set_address(struct probe *p, const struct probe_target *target)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&p->address;

	if (target->port) {
		p->is_ipv6 = target->is_ipv6;
		p->may_be_other = target->may_be_ipv6 && !target->is_ipv6;
		set_port(p, htons((uint16_t)target->port));
	} else {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s", target->socket_path);
		p->address_size = sizeof(*un);
	}
}

struct probe *probe_start(struct loop *l, const struct probe_target *target, probe_fn *on_ready,
	probe_end_fn *on_end, void *arg)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->on_ready = on_ready;
	p->on_end = on_end;
	p->arg = arg;
	p->request = str_dup(target->request);
	p->request_size = target->request.n;
	p->began = clock_now();
	p->last_error = ECONNREFUSED;
	set_address(p, target);
	timer_set(&p->pause, l, loop_now(l), on_pause);
	return p;
}

static void describe_address(const struct probe *p, char *out, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&p->address;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&p->address;

	if (p->address.ss_family == AF_INET)
		snprintf(out, size, "127.0.0.1:%u", ntohs(in->sin_port));
	else
		snprintf(out, size, "%s", un->sun_path);
}

bool probe_has_status(const struct probe *p)
{
	return p->last_status > 0;
}

void probe_describe(const struct probe *p, char *out, size_t size)
{
	char at[sizeof(struct sockaddr_un)];

	describe_address(p, at, sizeof(at));
	if (p->is_connected && p->watch.fd >= 0)
		snprintf(out, size, "it accepts connections on %s but does not answer", at);
	else if (p->last_error)
		snprintf(out, size, "it does not accept connections on %s: %s", at,
			strerror(p->last_error));
	else if (p->last_status)
		snprintf(out, size, "it answers on %s with status %u", at, p->last_status);
	else
		snprintf(out, size, "it closes connections on %s without an answer", at);
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	disconnect(p);
	timer_cancel(&p->pause);
	free(p->request);
	loop_defer_free(p->loop, p);
}
