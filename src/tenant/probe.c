/* probe.c - tries again, soon at first, until an application answers. */
/* SPDX-License-Identifier: MIT */
#include "tenant/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/magic.h"
#include "net/ask.h"

/* msec between two tries.  A refused connection costs us 30 us and the application nothing; an
 * answer costs the application boot time, and lines in its log. */
#define CONNECT_PAUSE_FIRST 1
#define CONNECT_PAUSE_LAST  3
#define ANSWER_PAUSE_FIRST  4
#define ANSWER_PAUSE_LAST   25

/* For the rest of an answer, which is read only so that the application can finish it: bytes, and
 * msec. */
#define REST_MAX   (256u * 1024)
#define REST_LIMIT 1000

enum { PROBE_MAGIC = MAGIC('p', 'r', 'b', 'e') };

struct probe {
	uint32_t magic;
	struct loop *loop;
	struct ask *ask; /* the present try; NULL between two */
	struct timer pause;
	struct endpoint to;
	char *path; /* of `to` */
	char *request;
	msec began, first_answer;   /* 0: it has not answered */
	bool is_ipv6, may_be_other; /* of a port: at ::1; or at the other loopback address */
	bool is_answered;
	int last_error;	      /* of the last connection, 0 if it was made */
	unsigned last_status; /* of the last answer, 0 without one */
	bool is_other;	      /* the last answer was not HTTP */
	probe_fn *on_ready;
	probe_end_fn *on_end;
	void *arg;
};

static void attempt(struct probe *p);

static void on_pause(struct timer *t)
{
	attempt(container_of(t, struct probe, pause));
}

static void try_later(struct probe *p, msec pause)
{
	ask_cancel(p->ask);
	p->ask = NULL;
	timer_set(&p->pause, p->loop, clock_now() + pause, on_pause);
}

/* A fraction of the time that it has taken so far. */
static msec pause_after(msec since, unsigned part, msec first, msec last)
{
	return MIN(MAX((clock_now() - since) / part, first), last);
}

static void note(struct probe *p, int error, unsigned status)
{
	p->last_error = error;
	p->last_status = status;
	p->is_other = false;
}

/* At ::1 right after 127.0.0.1.  What is reported is the result at 127.0.0.1. */
static bool try_other(struct probe *p, int error)
{
	bool was_ipv6 = p->is_ipv6;

	if (!p->may_be_other)
		return false;
	p->is_ipv6 = !was_ipv6;
	p->to = endpoint_local(p->to.address.port, p->is_ipv6);
	if (was_ipv6) {
		/* There is no ::1 on this machine. */
		p->may_be_other = error == ECONNREFUSED;
		return false;
	}
	note(p, error, 0);
	try_later(p, 0);
	return true;
}

static void refused(struct probe *p, int error)
{
	bool was_ipv6 = p->is_ipv6;

	if (try_other(p, error))
		return;
	if (!was_ipv6 || p->is_ipv6)
		note(p, error, 0);
	try_later(p, pause_after(p->began, 256, CONNECT_PAUSE_FIRST, CONNECT_PAUSE_LAST));
}

static void not_answered(struct probe *p, unsigned status)
{
	note(p, 0, status);
	if (!p->first_answer)
		p->first_answer = clock_now();
	try_later(p, pause_after(p->first_answer, 64, ANSWER_PAUSE_FIRST, ANSWER_PAUSE_LAST));
}

static void end_probe(struct probe *p)
{
	probe_end_fn *on_end = p->on_end;
	void *arg = p->arg;

	probe_free(p);
	on_end(arg);
}

static void on_rest_limit(struct timer *t)
{
	end_probe(container_of(t, struct probe, pause));
}

/* An application that is still writing its answer when the connection is reset complains at length:
 * so the rest is read, for as long as `rest`. */
static void succeed_probe(struct probe *p, msec rest)
{
	p->is_answered = true;
	timer_set(&p->pause, p->loop, clock_now() + rest, on_rest_limit);
	p->on_ready(p->arg, p->is_ipv6);
}

static void on_connected(void *arg)
{
	struct probe *p = arg;

	if (p->request)
		return;
	ask_cancel(p->ask);
	p->ask = NULL;
	succeed_probe(p, 0);
}

static void on_head(void *arg, const struct response_head *head)
{
	struct probe *p = arg;

	if (head->status < 500)
		succeed_probe(p, REST_LIMIT);
	else
		not_answered(p, head->status);
}

static void on_ask_end(void *arg, const struct ask_end *e)
{
	struct probe *p = arg;

	MAGIC_CHECK(p, PROBE_MAGIC);
	p->ask = NULL;
	if (p->is_answered) {
		end_probe(p);
	} else if (e->step == ASK_CONNECTING) {
		refused(p, -e->error);
	} else {
		not_answered(p, 0);
		p->is_other = e->error == -EPROTO;
	}
}

static void attempt(struct probe *p)
{
	static const struct ask_ops ops = {
		.on_connected = on_connected, .on_head = on_head, .on_end = on_ask_end};
	struct ask_request request = {
		.to = p->to,
		.request = p->request ? str_of(p->request) : STR_EMPTY,
		.max_body = REST_MAX,
	};

	p->ask = ask_start(p->loop, &request, &ops, p);
}

static void set_address(struct probe *p, const struct probe_target *target)
{
	if (target->port) {
		p->is_ipv6 = target->is_ipv6;
		p->may_be_other = target->may_be_ipv6 && !target->is_ipv6;
		p->to = endpoint_local((uint16_t)target->port, p->is_ipv6);
	} else {
		p->to.path = p->path = xstrdup(target->socket_path);
	}
}

struct probe *probe_start(struct loop *l, const struct probe_target *target, probe_fn *on_ready,
	probe_end_fn *on_end, void *arg)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	MAGIC_BEGIN(p, PROBE_MAGIC);
	p->loop = l;
	p->on_ready = on_ready;
	p->on_end = on_end;
	p->arg = arg;
	if (target->request.n)
		p->request = str_dup(target->request);
	p->began = clock_now();
	p->last_error = ECONNREFUSED;
	set_address(p, target);
	timer_set(&p->pause, l, loop_now(l), on_pause);
	return p;
}

bool probe_has_status(const struct probe *p)
{
	MAGIC_CHECK(p, PROBE_MAGIC);
	return p->last_status > 0;
}

void probe_describe(const struct probe *p, char *out, size_t size)
{
	char at[ENDPOINT_TEXT_MAX];

	MAGIC_CHECK(p, PROBE_MAGIC);
	endpoint_text(&p->to, at);
	if (p->ask && ask_step(p->ask) > ASK_CONNECTING)
		snprintf(out, size, "it accepts connections on %s but does not answer", at);
	else if (p->last_error)
		snprintf(out, size, "it does not accept connections on %s: %s", at,
			strerror(p->last_error));
	else if (p->last_status)
		snprintf(out, size, "it answers on %s with status %u", at, p->last_status);
	else if (p->is_other)
		snprintf(out, size, "it answers on %s, but with what is not HTTP", at);
	else
		snprintf(out, size, "it closes connections on %s without an answer", at);
}

static void on_probe_gone(void *arg)
{
	struct probe *p = arg;

	MAGIC_END(p, PROBE_MAGIC);
	free(p);
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	ask_cancel(p->ask);
	timer_cancel(&p->pause);
	free(p->request);
	free(p->path);
	loop_defer(p->loop, on_probe_gone, p);
}
