/* fleet.c - finds a machine that requests wait for, and has it woken. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/fleet.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/number.h"
#include "net/ask.h"
#include "route/marker.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"
#include "target/target.h"

/* msec */
#define REACH_LIMIT   60000 /* for all of it */
#define PROBE_ASLEEP  1500  /* for an answer of one that may sleep */
#define PROBE_WOKEN   5000  /* of one that was woken */
#define PAUSE_FIRST   20
#define PAUSE_LAST    1000
#define FAILED_PAUSE  1000  /* in which the last failure is the answer */
#define FAILED_LAST   30000 /* the most that the platform may ask for */
#define ADDRESSES_MAX 8
#define PROBE_BODY    65536 /* bytes */

#define MISDIRECTED 421 /* it is another machine than the one we mean */

enum { SOUGHT_MAGIC = MAGIC('s', 'o', 'u', 'g') };

/* One machine that was asked for. */
struct sought {
	uint32_t magic;
	struct list link; /* fleet->sought */
	struct supervisor *sup;
	enum machine_state state; /* as the proxy was told last */
	uint32_t generation;	  /* of its address */
	uint64_t checked;	  /* version of the configuration that was looked at: it is in it */
	msec began, until;	  /* while it is COMING */
	msec retry_at;		  /* while it is FAILED */
	char *text;		  /* its address, or why it failed; or empty */
	char *trouble;		  /* why it is to be woken */
	bool is_woken;		  /* in this attempt */
	struct timer again;
	msec pause;
	struct ask *probe;
	struct address addresses[ADDRESSES_MAX];
	size_t naddresses, at; /* the one that is tried */
	char name[];
};

static void look_for(struct sought *r);

/* --- what the proxy is told --- */

static void tell(struct sought *r, enum machine_state state, const char *text)
{
	char *copy = xstrdup(text); /* it may be what is freed here */

	r->state = state;
	free(r->text);
	r->text = copy;
	proxy_child_tell_machine(
		r->sup->proxy, str_of(r->name), state, r->generation, str_of(r->text));
}

static void fail_sought(struct sought *r, const char *reason, msec retry_after)
{
	log_warn("machine %s cannot be reached: %s", r->name, reason);
	timer_cancel(&r->again);
	r->retry_at = loop_now(r->sup->loop) +
		      MIN(MAX(retry_after, (msec)FAILED_PAUSE), (msec)FAILED_LAST);
	tell(r, MACHINE_FAILED, reason);
	found_look(r->sup);
}

static void be_there(struct sought *r)
{
	struct endpoint at = {.address = r->addresses[r->at]};
	char address[ENDPOINT_TEXT_MAX], duration[NUMBER_TEXT_MAX];

	CLEAN_FREE char *text = str_dup(endpoint_text(&at, address));

	number_duration_text(loop_now(r->sup->loop) - r->began, duration);
	log_info("machine %s %s at %s, after %s", r->name, r->is_woken ? "was woken, and is" : "is",
		text, duration);
	r->generation++;
	tell(r, MACHINE_THERE, text);
}

/* --- the steps --- */

static void on_again(struct timer *t)
{
	look_for(container_of(t, struct sought, again));
}

/* Later, or no more. */
static void try_again(struct sought *r, const char *reason)
{
	msec now = loop_now(r->sup->loop);

	if (now + r->pause >= r->until) {
		fail_sought(r, reason, 0);
		return;
	}
	timer_set(&r->again, r->sup->loop, now + r->pause, on_again);
	r->pause = MIN(r->pause * 2, (msec)PAUSE_LAST);
}

static void on_woken(void *arg, const struct target_result *result)
{
	struct sought *r = arg;

	MAGIC_CHECK(r, SOUGHT_MAGIC);
	if (result->error == -ECANCELED)
		return;
	if (result->error == 0) {
		r->is_woken = true;
		look_for(r);
	} else {
		CLEAN_FREE char *both = xasprintf("%s; %s", r->trouble, result->reason);

		fail_sought(r, both, result->retry_after);
	}
}

/* It has no address, or does not answer there. */
static void wake_or_wait(struct sought *r, const char *reason)
{
	if (r->is_woken) {
		try_again(r, reason);
		return;
	}
	free(r->trouble);
	r->trouble = xstrdup(reason);
	target_wake(r->sup->target, str_of(r->name), on_woken, r);
}

static void probe(struct sought *r);

/* Whatever else it says: a fly-atc is there. */
static bool is_it(const struct ask_end *end)
{
	return end->status && end->status != MISDIRECTED;
}

static void on_probed(void *arg, const struct ask_end *end)
{
	struct sought *r = arg;
	struct endpoint at = {.address = r->addresses[r->at]};
	char address[ENDPOINT_TEXT_MAX];

	MAGIC_CHECK(r, SOUGHT_MAGIC);
	r->probe = NULL;
	if (is_it(end)) {
		be_there(r);
	} else if (++r->at < r->naddresses) {
		probe(r);
	} else {
		CLEAN_FREE char *reason = xasprintf("it does not answer at " STR_FMT ": %s",
			STR_ARG(endpoint_text(&at, address)),
			end->status ? "another machine does" : end->text);

		wake_or_wait(r, reason);
	}
}

static const struct ask_ops probe_ops = {.on_end = on_probed};

static uint64_t wall_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* With a marker it is told whom we mean, and says so if it is another. */
static void write_probe(const struct sought *r, struct buf *out)
{
	const struct config *c = r->sup->conf;
	struct marker m = {.kind = MARKER_PEER,
		.hop = 1,
		.origin = c->our_machine,
		.user = STR("up"), /* as that of any path: its first segment */
		.fleet = c->fleet_version,
		.time = wall_time()};

	buf_printf(out, "GET /up HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r->name);
	if (c->hop_key.n) {
		buf_add(out, STR(MARKER_FIELD ": "));
		marker_write(out, c->hop_key, &m);
		buf_printf(out, "\r\nFly-Atc-Machine: %s\r\n", r->name);
	}
	buf_add(out, STR("\r\n"));
}

static void probe(struct sought *r)
{
	struct buf request = {0};

	write_probe(r, &request);
	r->probe = ask_start(r->sup->loop,
		&(struct ask_request){.to = {.address = r->addresses[r->at]},
			.request = buf_str(&request),
			.limit = r->is_woken ? PROBE_WOKEN : PROBE_ASLEEP,
			.max_body = PROBE_BODY},
		&probe_ops, r);
	buf_done(&request);
}

static void on_addresses(void *arg, const struct target_result *result,
	const struct address *addresses, size_t naddresses)
{
	struct sought *r = arg;

	MAGIC_CHECK(r, SOUGHT_MAGIC);
	switch (result->error) {
	case 0:
		r->at = 0;
		r->naddresses = MIN(naddresses, NITEMS(r->addresses));
		memcpy(r->addresses, addresses, r->naddresses * sizeof(*addresses));
		probe(r);
		return;
	case -ECANCELED:
		return;
	case -EAGAIN: /* it has none at the moment */
		wake_or_wait(r, result->reason);
		return;
	case -ETIMEDOUT:
	case -EIO: /* that nobody can tell is no reason to wake it */
		try_again(r, result->reason);
		return;
	default:
		fail_sought(r, result->reason, result->retry_after);
	}
}

static void look_for(struct sought *r)
{
	target_addresses(r->sup->target, str_of(r->name), on_addresses, r);
}

static void begin_seeking(struct sought *r)
{
	r->began = loop_now(r->sup->loop);
	r->until = r->began + REACH_LIMIT;
	r->is_woken = false;
	r->pause = PAUSE_FIRST;
	tell(r, MACHINE_COMING, "");
	look_for(r);
}

/* --- the machines that were asked for --- */

/* The proxy may ask for what it likes; only what the configuration names is looked for. */
static bool is_known(const struct config *c, str machine)
{
	if (config_find_machine(c, machine))
		return true;
	for (size_t i = 0; i < c->ntenants; i++)
		if (str_eq(c->tenants[i].lives_on, machine))
			return true;
	return false;
}

static struct sought *find_sought(struct fleet *f, str machine)
{
	list_foreach (r, &f->sought, struct sought, link)
		if (str_eq(str_of(r->name), machine))
			return r;
	return NULL;
}

static struct sought *sought_new(struct supervisor *s, str machine)
{
	struct sought *r = xcalloc(1, sizeof(*r) + machine.n + 1);

	MAGIC_BEGIN(r, SOUGHT_MAGIC);
	r->sup = s;
	r->state = MACHINE_FAILED;
	memcpy(r->name, machine.p, machine.n);
	list_append(&s->fleet.sought, &r->link);
	return r;
}

/* NULL: no machine of this name is in the configuration (any more). */
static struct sought *take_sought(struct supervisor *s, str machine)
{
	struct sought *r = find_sought(&s->fleet, machine);

	if (r && r->checked == s->conf->version)
		return r;
	if (!is_known(s->conf, machine))
		return NULL;
	if (!r)
		r = sought_new(s, machine);
	r->checked = s->conf->version;
	return r;
}

void fleet_reach(struct supervisor *s, str machine, uint32_t generation)
{
	struct sought *r;

	if (s->end.is_ending)
		return; /* as its requests do */
	r = take_sought(s, machine);
	if (!r)
		proxy_child_tell_machine(s->proxy, machine, MACHINE_FAILED, generation,
			STR("no machine of this name is known"));
	else if (r->state == MACHINE_COMING ||
		 (r->state == MACHINE_FAILED && loop_now(s->loop) < r->retry_at))
		proxy_child_tell_machine(
			s->proxy, machine, r->state, r->generation, str_of(r->text));
	else
		begin_seeking(r);
}

void fleet_init(struct fleet *f, found_fn *on_found)
{
	list_init(&f->sought);
	f->found.on_change = on_found;
}

static void sought_free(struct sought *r)
{
	timer_cancel(&r->again);
	ask_cancel(r->probe);
	free(r->text);
	free(r->trouble);
	MAGIC_END(r, SOUGHT_MAGIC);
	free(r);
}

void fleet_done(struct fleet *f)
{
	while (!list_is_empty(&f->sought))
		sought_free(container_of(list_pop(&f->sought), struct sought, link));
}
