/* events.c - a short history that all subscribers share, and what is written into it.
 *
 * The latest events are kept once, for all subscribers: each has its place among them, and is given
 * more when it has read what it was given.  So a subscriber that does not read costs no more than
 * another, and is dropped when its place is no longer kept. */
/* SPDX-License-Identifier: MIT */
#include "control/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "control/control_int.h"
#include "control/moment.h"

#define KEPT_MAX (1024u * 1024) /* bytes of events */
#define GIVEN	 16384u		/* bytes a subscriber is given before it has read them */
/* A snapshot includes sleeping tenants if there are no more tenants than this. */
#define SHORT_LIST 100
/* How many tenants one reload may add or remove before only those who asked for them are told of
 * each. */
#define NAMED_MAX 200

struct event {
	struct list link; /* control->events */
	size_t size;
	str tenant, user; /* the tenant; empty: it is for all */
	bool is_for_few;  /* only for subscribers that asked for this tenant or user */
	str text;
	char bytes[];
};

static const char *const names[] = {
#define EVENT(NAME, text, doc) text,
#include "control/events.def"
};
static_assert(NITEMS(names) == CONTROL_NEVENTS, "one name for each");

const char *control_event_name(enum control_event event)
{
	return names[event];
}

/* --- the text --- */

/* As an EventSource reads it: the data is one line of JSON. */
static struct json open_event(struct buf *out, enum control_event event)
{
	struct json j = {.out = out};

	buf_printf(out, "event: %s\ndata: ", names[event]);
	json_open_object(&j, NULL);
	json_str(&j, "event", str_of(names[event]));
	moment_add(&j, "time", moment_now());
	return j;
}

static void close_event(struct json *j)
{
	json_close_object(j);
	buf_add(j->out, STR("\n\n"));
}

static void number_or_null(struct json *j, const char *key, uint64_t value)
{
	if (value)
		json_number(j, key, value);
	else
		json_none(j, key);
}

static void add_proxy(struct json *j, const struct control_global *g)
{
	number_or_null(j, "pid", (uint64_t)g->proxy_pid);
	json_number(j, "restarts", g->proxy_restarts);
	json_str_or_null(j, "reason", g->proxy_reason);
}

static void add_config(struct json *j, const struct config *conf)
{
	char version[17];

	snprintf(version, sizeof(version), "%016" PRIx64, conf->version);
	json_open_object(j, "config");
	json_str(j, "version", str_of(version));
	json_number(j, "tenants", conf->ntenants);
	json_close_object(j);
}

/* --- those kept --- */

static void forget_first(struct control *c)
{
	struct event *e = container_of(list_pop(&c->events), struct event, link);

	c->events_size -= e->size;
	free(e);
}

static void forget_all(struct control *c)
{
	while (!list_is_empty(&c->events))
		forget_first(c);
}

/* False: there are no subscribers, and what was kept for them is freed. */
static bool take_audience(struct control *c)
{
	if (c && list_is_empty(&c->subscribers))
		forget_all(c);
	return c && !list_is_empty(&c->subscribers);
}

static void drop_subscriber(struct session *s)
{
	struct buf text = {0};
	struct json j = open_event(&text, CONTROL_EVENT_DROPPED);

	close_event(&j);
	session_stream_piece(s, buf_str(&text));
	session_stream_end(s);
	buf_done(&text);
}

static void forget_oldest(struct control *c)
{
	const struct event *e = list_first(&c->events, struct event, link);

	list_foreach_safe (s, &c->subscribers, struct session, stream.link)
		if (s->stream.next == e)
			drop_subscriber(s);
	forget_first(c);
}

static str put_text(char **at, str s)
{
	str copy = {*at, s.n};

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct event *event_new(str tenant, str user, str text)
{
	size_t size = sizeof(struct event) + tenant.n + user.n + text.n;
	struct event *e = xmalloc(size);
	char *at = e->bytes;

	e->size = size;
	e->is_for_few = false;
	list_init(&e->link);
	e->tenant = put_text(&at, tenant);
	e->user = put_text(&at, user);
	e->text = put_text(&at, text);
	return e;
}

static void tell_event(struct control *c, struct event *take_event)
{
	struct event *e = take_event;

	list_append(&c->events, &e->link);
	c->events_size += e->size;
	list_foreach (s, &c->subscribers, struct session, stream.link) {
		if (s->stream.next)
			continue;
		s->stream.next = e;
		session_go_on_soon(s);
	}
	while (c->events_size > KEPT_MAX && list_first(&c->events, struct event, link) != e)
		forget_oldest(c);
}

static void tell_all(struct control *c, struct json *j)
{
	close_event(j);
	tell_event(c, event_new(STR_EMPTY, STR_EMPTY, buf_str(j->out)));
	buf_done(j->out);
}

static bool wants(const struct session *s, const struct event *e)
{
	if (!e->tenant.n)
		return true;
	if (s->stream.only_tenant.n)
		return str_eq(s->stream.only_tenant, e->tenant);
	return s->stream.only_user.n ? str_eq(s->stream.only_user, e->user) : !e->is_for_few;
}

/* It has read what it was given. */
static bool give_more(struct session *s)
{
	const struct list *end = &s->control->events;

	while (s->stream.next && buf_len(&s->out) < GIVEN) {
		const struct event *e = s->stream.next;

		s->stream.next =
			e->link.next == end ? NULL : container_of(e->link.next, struct event, link);
		if (wants(s, e))
			session_stream_piece(s, e->text);
	}
	return buf_len(&s->out);
}

/* --- a new subscriber --- */

struct listing {
	struct session *session;
	struct json *j;
	msec now;
	uint64_t moment; /* the same by the clock on the wall */
	bool is_short;	 /* only those that do not sleep */
	size_t listed;
};

static void list_tenant(void *arg, const struct control_tenant *t)
{
	struct listing *p = arg;
	struct session *s = p->session;

	if ((s->stream.only_user.n && !str_eq(s->stream.only_user, t->user)) ||
		(p->is_short && state_is_asleep(t->state)))
		return;
	p->listed++;
	json_open_object(p->j, NULL);
	json_str(p->j, "tenant", t->id);
	json_str(p->j, "state", str_of(tenant_state_name(t->state)));
	if (t->has_woken && p->now >= t->since)
		moment_add(p->j, "since", p->moment - (p->now - t->since));
	else
		json_none(p->j, "since");
	number_or_null(p->j, "pid", (uint64_t)t->pid);
	number_or_null(p->j, "generation", t->pid ? t->generation : 0);
	json_str_or_null(p->j, "reason", t->failure.reason);
	json_close_object(p->j);
}

static void list_tenants(struct listing *p, const struct control_global *g)
{
	struct session *s = p->session;
	struct control *c = s->control;

	json_open_array(p->j, "tenants");
	if (s->stream.only_tenant.n)
		c->ops->tenant(c->arg, s->stream.only_tenant, list_tenant, p);
	else
		c->ops->tenants(c->arg, !p->is_short, list_tenant, p);
	json_close_array(p->j);
	if (p->is_short)
		json_number(
			p->j, "sleeping", g->conf->ntenants - MIN(p->listed, g->conf->ntenants));
}

static void give_snapshot(struct session *s)
{
	struct control *c = s->control;
	struct control_global g = {0};
	struct buf text = {0};
	struct json j = open_event(&text, CONTROL_EVENT_SNAPSHOT);
	struct listing listing = {
		.session = s, .j = &j, .now = loop_now(c->loop), .moment = moment_now()};

	c->ops->global(c->arg, &g);
	listing.is_short =
		!s->stream.only_tenant.n && !s->stream.only_user.n && g.conf->ntenants > SHORT_LIST;
	json_str(&j, "state", g.is_draining ? STR("ending") : STR("serving"));
	add_config(&j, g.conf);
	json_open_object(&j, "proxy");
	add_proxy(&j, &g);
	json_close_object(&j);
	list_tenants(&listing, &g);
	close_event(&j);
	session_stream_piece(s, buf_str(&text));
	buf_done(&text);
}

void events_answer(struct session *s, str tenant, str user)
{
	struct control *c = s->control;

	if (c->nsubscribers >= CONTROL_MAX_SUBSCRIBERS) {
		session_refuse(s, 503, STR("there are too many subscribers"));
		return;
	}
	c->nsubscribers++;
	s->stream.is_subscribed = true;
	s->stream.only_tenant = tenant;
	s->stream.only_user = user;
	session_stream(s, EVENTS_TYPE, &c->subscribers);
	give_snapshot(s);
	s->stream.next = NULL;
	s->stream.give_more = give_more;
}

/* --- what happens --- */

void control_on_change(struct control *c, const struct control_change *change)
{
	struct buf text = {0};
	struct json j;

	if (!take_audience(c))
		return;
	j = open_event(&text, CONTROL_EVENT_STATE);
	json_str(&j, "tenant", change->id);
	json_str(&j, "state", str_of(tenant_state_name(change->state)));
	json_str(&j, "before", str_of(tenant_state_name(change->before)));
	number_or_null(&j, "pid", (uint64_t)change->pid);
	number_or_null(&j, "generation", change->generation);
	json_str_or_null(&j, "reason", change->reason);
	close_event(&j);
	tell_event(c, event_new(change->id, change->user, buf_str(&text)));
	buf_done(&text);
}

/* A subscriber asked for just this tenant, or for this user. */
static bool is_asked_for(const struct control *c, const struct tenant_conf *t)
{
	list_foreach (s, &c->subscribers, struct session, stream.link)
		if ((s->stream.only_tenant.n && str_eq(s->stream.only_tenant, t->id)) ||
			(s->stream.only_user.n && str_eq(s->stream.only_user, t->user)))
			return true;
	return false;
}

static void tell_difference(
	struct control *c, const struct tenant_conf *t, enum control_event what, bool is_named)
{
	struct buf text = {0};
	struct json j = open_event(&text, what);
	struct event *e;

	json_str(&j, "tenant", t->id);
	close_event(&j);
	e = event_new(t->id, t->user, buf_str(&text));
	e->is_for_few = !is_named;
	tell_event(c, e);
	buf_done(&text);
}

/* Those of `these` that `others` does not have. */
static void tell_differences(struct control *c, const struct config *these,
	const struct config *others, enum control_event what, bool is_named)
{
	for (size_t i = 0; i < these->ntenants; i++) {
		const struct tenant_conf *t = &these->tenants[i];

		if (!config_find_tenant(others, t->id) && (is_named || is_asked_for(c, t)))
			tell_difference(c, t, what, is_named);
	}
}

void control_on_reload(struct control *c, const struct control_reloaded *r)
{
	bool is_named = r->added + r->removed <= NAMED_MAX;
	struct buf text = {0};
	struct json j;

	if (!take_audience(c))
		return;
	j = open_event(&text, CONTROL_EVENT_RELOADED);
	add_config(&j, r->after);
	json_number(&j, "added", r->added);
	json_number(&j, "removed", r->removed);
	json_number(&j, "changed", r->changed);
	json_bool(&j, "named", is_named);
	tell_all(c, &j);
	if (r->removed)
		tell_differences(c, r->before, r->after, CONTROL_EVENT_REMOVED, is_named);
	if (r->added)
		tell_differences(c, r->after, r->before, CONTROL_EVENT_ADDED, is_named);
}

void control_on_proxy(struct control *c, bool serves)
{
	struct control_global g = {0};
	struct buf text = {0};
	struct json j;

	if (!take_audience(c))
		return;
	c->ops->global(c->arg, &g);
	j = open_event(&text, CONTROL_EVENT_PROXY);
	json_bool(&j, "serves", serves);
	add_proxy(&j, &g);
	tell_all(c, &j);
}

static void tell_bare(struct control *c, enum control_event what)
{
	struct buf text = {0};
	struct json j;

	if (!take_audience(c))
		return;
	j = open_event(&text, what);
	tell_all(c, &j);
}

void control_on_ending(struct control *c)
{
	tell_bare(c, CONTROL_EVENT_ENDING);
}

void events_end(struct control *c)
{
	tell_bare(c, CONTROL_EVENT_END);
	list_foreach_safe (s, &c->subscribers, struct session, stream.link)
		session_finish(s);
	forget_all(c);
}
