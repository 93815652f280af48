/* herald.c - one small request to each of the other machines. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/herald.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"
#include "net/ask.h"
#include "route/marker.h"
#include "supervisor/supervisor_int.h"
#include "target/target.h"

#define CALL_LIMIT 2000u /* msec */
#define CALL_BODY  4096u
#define CALLS_MOST 256u /* at once */

enum { CALL_MAGIC = MAGIC('h', 'c', 'a', 'l') };

struct herald_call {
	uint32_t magic;
	struct list link; /* herald.calls */
	struct supervisor *sup;
	uint64_t version;
	struct ask *ask; /* NULL: its address is looked up */
	char name[];
};

void herald_init(struct herald *h)
{
	list_init(&h->calls);
}

static void call_free(struct herald_call *c)
{
	list_remove(&c->link);
	MAGIC_END(c, CALL_MAGIC);
	free(c);
}

static void on_told(void *arg, const struct ask_end *end)
{
	struct herald_call *c = arg;

	MAGIC_CHECK(c, CALL_MAGIC);
	if (end->error || end->status >= 300)
		log_debug("machine %s was not told of version %llu of the roster: %s (status %u)",
			c->name, (unsigned long long)c->version, end->text, end->status);
	call_free(c);
}

static const struct ask_ops ask_ops = {.on_end = on_told};

static uint64_t wall_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void write_call(const struct herald_call *c, struct buf *out)
{
	const struct config *conf = c->sup->conf;
	struct marker marker = {.kind = MARKER_CALL,
		.hop = 1,
		.origin = conf->our_machine,
		.user = STR_EMPTY,
		.fleet = conf->fleet_version,
		.time = wall_now()};

	buf_printf(out,
		"POST " MARKER_CALLS
		"roster/changed?version=%llu HTTP/1.1\r\nHost: %s\r\n" MARKER_FIELD ": ",
		(unsigned long long)c->version, c->name);
	marker_write(out, conf->hop_key, &marker);
	buf_add(out, STR("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
}

static void on_addresses(void *arg, const struct target_result *r, const struct address *addresses,
	size_t naddresses)
{
	struct herald_call *c = arg;
	struct buf text = {0};
	struct ask_request request = {.limit = CALL_LIMIT, .max_body = CALL_BODY};

	MAGIC_CHECK(c, CALL_MAGIC);
	if (r->error || !naddresses) {
		log_debug("machine %s is not told of the roster: %s", c->name, r->reason);
		call_free(c);
		return;
	}
	write_call(c, &text);
	request.to.address = addresses[0];
	request.request = buf_str(&text);
	c->ask = ask_start(c->sup->loop, &request, &ask_ops, c);
	buf_done(&text);
}

static void call(struct supervisor *s, str machine, uint64_t version)
{
	struct herald_call *c = xcalloc(1, sizeof(*c) + machine.n + 1);

	MAGIC_BEGIN(c, CALL_MAGIC);
	c->sup = s;
	c->version = version;
	memcpy(c->name, machine.p, machine.n);
	list_append(&s->roster.herald.calls, &c->link);
	target_addresses(s->target, machine, on_addresses, c);
}

void herald_tell(struct supervisor *s, uint64_t version)
{
	const struct config *conf = s->conf;
	size_t n = 0;

	if (!conf->hop_key.n || s->end.is_ending)
		return;
	for (size_t i = 0; i < conf->nmachines && n < CALLS_MOST; i++) {
		if (str_eq(conf->machines[i].name, conf->our_machine))
			continue;
		call(s, conf->machines[i].name, version);
		n++;
	}
}

void herald_done(struct herald *h)
{
	list_foreach_safe (c, &h->calls, struct herald_call, link) {
		ask_cancel(c->ask);
		c->ask = NULL;
		call_free(c);
	}
}
