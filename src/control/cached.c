/* cached.c - what is cached, as JSON; and forgetting it. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "control/control_int.h"

struct totals {
	struct json *j;
	struct control_cache sum;
};

static void add_numbers(struct json *j, const struct control_cache *c)
{
	json_number(j, "bytes", c->bytes);
	json_number(j, "entries", c->entries);
	json_number(j, "hits", c->hits);
	json_number(j, "misses", c->misses);
}

static void add_cached_tenant(void *arg, const struct control_tenant *t)
{
	struct totals *totals = arg;
	const struct control_cache *c = &t->cache;

	if (!c->hits && !c->misses && !c->entries)
		return;
	totals->sum.bytes += c->bytes;
	totals->sum.entries += c->entries;
	totals->sum.hits += c->hits;
	totals->sum.misses += c->misses;
	json_open_object(totals->j, NULL);
	json_str(totals->j, "id", t->id);
	add_numbers(totals->j, c);
	json_close_object(totals->j);
}

static str how_text(enum cache_how how)
{
	switch (how) {
	case CACHE_THRUSTER:
		return STR("thruster");
	case CACHE_RFC9111:
		return STR("rfc9111");
	case CACHE_OFF:
		return STR("off");
	}
	return STR_EMPTY;
}

void cached_report(struct session *s)
{
	struct control *c = s->control;
	struct control_global g = {0};
	struct buf body = {0};
	struct json j = {.out = &body};
	struct totals totals = {.j = &j};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->global(c->arg, &g);
	json_open_object(&j, NULL);
	json_str(&j, "cache", how_text(g.conf->server.cache));
	json_number(&j, "size", g.conf->server.cache_size);
	json_open_array(&j, "tenants");
	c->ops->tenants(c->arg, true, add_cached_tenant, &totals);
	json_close_array(&j);
	add_numbers(&j, &totals.sum);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

void cached_answer_purged(struct session *s, int err, uint32_t entries)
{
	struct buf body = {0};
	struct json j = {.out = &body};

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (err) {
		session_refuse(s, 404, STR("this tenant has just been removed"));
		return;
	}
	json_open_object(&j, NULL);
	json_number(&j, "purged", entries);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}
