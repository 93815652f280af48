/* rosters.c - the roster as operators and the dashboard have it: news of it, changes, history. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "control/control_int.h"
#include "http/uri.h"

enum { ROSTER_CALL_MAGIC = MAGIC('r', 'o', 'c', 'a') };

/* Outlives its session. */
struct roster_call {
	uint32_t magic;
	struct session *session;
	struct buf body;
	struct json json; /* of the body: a list under way */
};

static struct roster_call *call_new(struct session *s)
{
	struct roster_call *c = xcalloc(1, sizeof(*c));

	MAGIC_BEGIN(c, ROSTER_CALL_MAGIC);
	c->json.out = &c->body;
	session_wait(s, &c->session);
	return c;
}

static void call_end(struct roster_call *c, unsigned status)
{
	struct session *s = session_waited(&c->session);

	json_close_object(&c->json);
	buf_add_char(&c->body, '\n');
	if (s)
		session_answer(s, status, JSON_TYPE, buf_str(&c->body));
	buf_done(&c->body);
	MAGIC_END(c, ROSTER_CALL_MAGIC);
	free(c);
}

static unsigned status_of(int err)
{
	switch (err) {
	case 0:
		return 200;
	case -EINVAL:
		return 400;
	case -ENOENT:
		return 404;
	case -EEXIST:
	case -EBUSY:
	case -ECANCELED:
	case -ENOTSUP:
		return 409;
	case -EBADMSG:
		return 422;
	default:
		return 503;
	}
}

/* --- news --- */

static void on_news(void *arg, int err, uint64_t version, str reason)
{
	struct roster_call *c = arg;

	MAGIC_CHECK(c, ROSTER_CALL_MAGIC);
	json_open_object(&c->json, NULL);
	json_number(&c->json, "version", version);
	if (err)
		json_str(&c->json, "error", reason);
	call_end(c, status_of(err));
}

void rosters_take_news(struct session *s, uint64_t version)
{
	struct control *c = s->control;

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->roster_changed(c->arg, version, on_news, call_new(s));
}

/* --- changes --- */

static void on_wrote(void *arg, const struct control_roster_outcome *o)
{
	struct roster_call *c = arg;
	struct json *j = &c->json;

	MAGIC_CHECK(c, ROSTER_CALL_MAGIC);
	json_open_object(j, NULL);
	if (o->err)
		json_str(j, "error", o->reason);
	json_number(j, "version", o->version);
	json_str(j, "text", o->text);
	json_str_or_null(j, "not_yet", o->not_yet);
	if (o->faults) {
		action_faults(j, "faults", o->faults, false);
		action_faults(j, "warnings", o->faults, true);
	}
	call_end(c, o->err == 0 && o->not_yet.n ? 202 : status_of(o->err));
}

void rosters_write(struct session *s, const struct control_roster_request *q)
{
	struct control *c = s->control;
	struct roster_call *call = call_new(s);

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->roster_write(c->arg, q, on_wrote, call);
}

bool rosters_read_path(struct session *s, str path, struct control_roster_request *ret)
{
	static const str kinds[] = {STR_INIT("users"), STR_INIT("tenants"), STR_INIT("machines")};
	static const str verbs[] = {STR_INIT("add"), STR_INIT("change"), STR_INIT("remove")};
	str kind;

	if (!str_split(&path, '/', &kind))
		return false;
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (str_eq(kind, kinds[i]))
			ret->kind = kinds[i];
	for (size_t i = 0; i < NITEMS(verbs); i++) {
		if (!str_ends(path, verbs[i]) || path.n < verbs[i].n + 2 ||
			path.p[path.n - verbs[i].n - 1] != '/')
			continue;
		ret->verb = verbs[i];
		path = str_slice(path, 0, path.n - verbs[i].n - 1);
		break;
	}
	ret->name = arena_dup(&s->arena, uri_decode(&s->arena, path));
	return ret->kind.n && ret->verb.n && ret->name.n;
}

/* --- history --- */

static void add_entry_text(struct json *j, const char *key, str value)
{
	if (value.n)
		json_raw(j, key, value);
	else
		json_none(j, key);
}

static void add_entry(struct json *j, const struct control_roster_entry *e)
{
	json_open_object(j, NULL);
	json_str(j, "kind", e->kind);
	json_str(j, "name", e->name);
	add_entry_text(j, "before", e->before);
	add_entry_text(j, "after", e->after);
	json_close_object(j);
}

static void add_record(struct json *j, const struct control_roster_record *r)
{
	json_open_object(j, NULL);
	json_number(j, "version", r->version);
	json_number(j, "when", (uint64_t)MAX(r->when, 0));
	json_str(j, "by", r->by);
	json_str(j, "what", r->what);
	json_open_array(j, "changes");
	for (size_t i = 0; i < r->nchanges; i++)
		add_entry(j, &r->changes[i]);
	json_close_array(j);
	json_close_object(j);
}

static void on_record(void *arg, const struct control_roster_record *record, int err, str reason)
{
	struct roster_call *c = arg;

	MAGIC_CHECK(c, ROSTER_CALL_MAGIC);
	if (record) {
		add_record(&c->json, record);
		return;
	}
	json_close_array(&c->json);
	if (err)
		json_str(&c->json, "error", reason);
	call_end(c, status_of(err));
}

void rosters_show_history(struct session *s, uint64_t version, size_t n)
{
	struct control *control = s->control;
	struct roster_call *c = call_new(s);

	MAGIC_CHECK(s, SESSION_MAGIC);
	json_open_object(&c->json, NULL);
	json_open_array(&c->json, "history");
	control->ops->roster_history(control->arg, version, n, on_record, c);
}

/* --- users --- */

static void add_one_user(struct json *j, const struct config *conf, size_t first, size_t end)
{
	const struct tenant_conf *t = &conf->tenants[first];

	json_open_object(j, NULL);
	json_str(j, "name", t->user);
	json_open_array(j, "tenants");
	for (size_t i = first; i < end; i++) {
		t = &conf->tenants[i];
		json_open_object(j, NULL);
		json_str(j, "id", t->id);
		json_str_or_null(j, "host", t->host);
		json_str_or_null(j, "machine", t->machine);
		json_str_or_null(j, "region", t->region);
		json_close_object(j);
	}
	json_close_array(j);
	json_close_object(j);
}

void rosters_show_users(struct session *s)
{
	struct control *c = s->control;
	struct control_global g = {0};
	struct buf body = {0};
	struct json j = {.out = &body};
	size_t end;

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->global(c->arg, &g);
	json_open_object(&j, NULL);
	json_open_array(&j, "users");
	for (size_t i = 0; i < g.conf->ntenants; i = end) {
		for (end = i + 1; end < g.conf->ntenants; end++)
			if (!str_eq(g.conf->tenants[end].user, g.conf->tenants[i].user))
				break;
		add_one_user(&j, g.conf, i, end);
	}
	json_close_array(&j);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}
