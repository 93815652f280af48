/* for_server.c - health checks, OPTIONS *, and the index of tenants. */
/* SPDX-License-Identifier: MIT */
#include "proxy/for_server.h"

#include "link/scoreboard.h"
#include "proxy/exchange_int.h"
#include "proxy/lines.h"
#include "proxy/own_reply.h"
#include "proxy/page.h"
#include "proxy/pages.h"
#include "proxy/shared.h"
#include "proxy/wall.h"

bool for_server_is_health(const struct exchange *x, str path)
{
	str health = exchange_settings(x)->health_path;

	return health.n && str_eq(path, health);
}

enum step for_server_answer(struct exchange *x)
{
	struct buf *out = scratch_lend(&x->worker->scratch.head_out);
	struct own_answer answer = {
		.status = 200,
		.minor = x->wish.minor,
		.keep_alive = x->reply.keep_alive && x->trip.up.is_done,
		.date = wall_date(),
	};

	own_answer_begin(out, &answer);
	own_answer_empty(out);
	return own_reply_give(x, 200, answer.keep_alive);
}

enum step for_server_answer_health(struct exchange *x)
{
	struct shared *shared = x->worker->shared;
	bool cares = exchange_settings(x)->health_store;
	str fault = cares ? shared->ops->store_fault(shared) : STR_EMPTY;

	return fault.n ? exchange_fail(x, ERROR_STORE, fault) : for_server_answer(x);
}

/* --- the page at "/": links to the tenants, and which of them are awake --- */

/* Nobody reads further than this, and a page of all of them would be megabytes. */
#define MOST_TENANTS 1000u

static const char style[] =
	PAGE_STYLE "body{place-items:start center}\n"
		   "main{max-width:60rem}\n"
		   "h2{margin:1.75rem 0 .25rem;font-size:1rem;overflow-wrap:anywhere}\n"
		   "ul{list-style:none;margin:0;padding:0;display:grid;gap:0 2rem;"
		   "grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}\n"
		   "li{display:flex;align-items:center;border-bottom:1px solid var(--line)}\n"
		   "a{flex:1;min-width:0;padding:.625rem .5rem .625rem 0;overflow-wrap:anywhere}\n"
		   "main>p{margin-top:1.5rem}\n.awake{color:var(--accent);font-weight:600}\n"
		   ".failed{color:var(--bad);font-weight:600}\n";

/* What a visitor is told about a tenant. */
static str state_word(enum tenant_state state)
{
	if (state_serves(state))
		return STR("awake");
	if (state_is_on_its_way(state))
		return STR("waking");
	return state == TENANT_FAILED ? STR("failed") : STR("asleep");
}

static void add_tenant(struct buf *out, const struct exchange *x, const struct tenant_conf *t)
{
	/* About a tenant that another machine serves, we know nothing. */
	str word = config_is_here(x->view->conf, t)
			   ? state_word(slot_state(&x->worker->by_slot.slots[t->slot], t->owner))
			   : STR("elsewhere");

	buf_add(out, STR("<li><a href=\""));
	buf_add_html(out, t->prefix);
	buf_add(out, STR("/\">"));
	buf_add_html(out, t->name.n ? t->name : t->id);
	buf_add(out, STR("</a><span class=\"small soft "));
	buf_add(out, word);
	buf_add(out, STR("\">"));
	buf_add(out, word);
	buf_add(out, STR("</span></li>\n"));
}

static void add_user(struct buf *out, str user, bool is_first)
{
	if (!is_first)
		buf_add(out, STR("</ul>\n"));
	buf_add(out, STR("<h2>"));
	buf_add_html(out, user);
	buf_add(out, STR("</h2>\n<ul>\n"));
}

static void add_tenants(struct buf *out, const struct exchange *x, str host)
{
	const struct route_table *routes = x->view->snapshot->routes;
	const struct config *conf = x->view->conf;
	unsigned number = route_host_number(routes, host), shown = 0, left_out = 0;
	str user = STR_EMPTY;

	for (size_t i = 0; i < conf->ntenants; i++) {
		const struct tenant_conf *t = &conf->tenants[i];

		if (route_host_number(routes, t->host) != number)
			continue;
		if (shown == MOST_TENANTS) {
			left_out++;
			continue;
		}
		if (!shown || !str_eq(user, t->user))
			add_user(out, t->user, !shown);
		user = t->user;
		add_tenant(out, x, t);
		shown++;
	}
	buf_add(out, shown ? STR("</ul>\n") : STR("<p class=\"soft\">There are none.</p>\n"));
	if (left_out) {
		buf_add(out, STR("<p class=\"soft\">And "));
		buf_add_number(out, left_out);
		buf_add(out, STR(" more.</p>\n"));
	}
}

static void add_page(struct buf *out, const struct exchange *x, str host)
{
	str heading = x->view->conf->server.index;

	buf_add(out, STR(PAGE_START "<title>"));
	buf_add_html(out, heading);
	buf_add(out, STR("</title>\n<style>\n"));
	buf_add(out, (str){style, sizeof(style) - 1});
	buf_add(out, STR("</style>\n</head>\n<body>\n<main>\n<h1>"));
	buf_add_html(out, heading);
	buf_add(out, STR("</h1>\n"));
	add_tenants(out, x, host);
	buf_add(out, STR("<p class=\"soft small\">One that is asleep wakes when it is opened.</p>\n"
			 "</main>\n</body>\n</html>\n"));
}

bool for_server_is_index(const struct exchange *x)
{
	return x->view->conf->server.index.n && str_eq(x->record.path, STR("/")) &&
	       exchange_is_read(x);
}

enum step for_server_answer_index(struct exchange *x)
{
	struct buf *out = scratch_lend(&x->worker->scratch.head_out);
	struct own_answer answer = {
		.status = 200,
		.minor = x->wish.minor,
		.keep_alive = exchange_keeps_alive(x),
		.is_head = x->wish.method == METHOD_HEAD,
		.date = wall_date(),
	};
	size_t body;

	own_answer_begin(out, &answer);
	buf_add(out, OWN_TYPE_HTML);
	buf_add(out, OWN_STYLE_ONLY);
	add_line(out, STR("X-Request-ID: "), x->record.request_id);
	own_answer_body(out, &body);
	add_page(out, x, x->wish.arrival->head->host);
	own_answer_end(out, &answer, body);
	return own_reply_give(x, answer.status, answer.keep_alive);
}
