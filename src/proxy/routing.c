/* routing.c - whose a request is: the tenant's, another machine's, ours, or nobody's. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "http/uri.h"
#include "proxy/calls.h"
#include "proxy/exchange_int.h"
#include "proxy/for_server.h"
#include "proxy/forward.h"
#include "proxy/hop.h"
#include "proxy/own_reply.h"
#include "proxy/peer.h"
#include "proxy/presence.h"
#include "proxy/seeking.h"
#include "proxy/shared.h"
#include "proxy/waiting.h"
#include "proxy/wall.h"
#include "route/place.h"

/* False: the client has as many requests under way as it may have.  Our own requests count for
 * nobody. */
static bool count_client(struct exchange *x, const struct remote *remote)
{
	struct worker *w = x->worker;
	uint64_t max = (uint64_t)exchange_settings(x)->max_requests_per_address;
	size_t n;

	if (!max || !remote->key || x->client->is_background)
		return true;
	if (quota_enter(&w->shared->requests, remote->key, max)) {
		x->wish.quota_key = remote->key;
		return true;
	}
	n = worker_note_seldom(w, &w->shortage.refused);
	if (n)
		log_warn(STR_FMT " has too many requests under way (max_requests_per_address);"
				 " %zu more than clients may have were refused",
			STR_ARG(remote->address), n);
	return false;
}

/* What the log will say about the request; copied, since the head is gone when the line is
 * written. */
static void record_request(
	struct exchange *x, const struct request_head *head, const struct remote *remote)
{
	struct access_record *r = &x->record;
	struct arena *a = &x->arena;

	r->method = arena_dup(a, head->method_text);
	r->query = arena_dup(a, head->query);
	r->host = arena_dup(a, head->host);
	r->minor = x->wish.minor;
	r->request_length =
		head->body == BODY_CHUNKED ? ACCESS_UNKNOWN : (int64_t)head->content_length;
	r->request_type =
		arena_dup(a, header_value(head->headers, head->nheaders, HEADER_CONTENT_TYPE));
	r->user_agent =
		arena_dup(a, header_value(head->headers, head->nheaders, HEADER_USER_AGENT));
	r->remote_addr = arena_dup(a, remote->address);
}

/* The route, by the path or else by the page that the request came from. */
static void find_route_of(
	struct exchange *x, const struct request_head *head, str path, struct route *ret)
{
	const struct route_table *routes = x->view->snapshot->routes;
	struct route_asker asker;

	route_find(routes, head->host, path, ret);
	if (ret->found != ROUTE_NONE || for_server_is_health(x, path))
		return;
	asker = (struct route_asker){
		.host = head->host,
		.path = path,
		.referer = header_value(head->headers, head->nheaders, HEADER_REFERER),
		.origin = header_value(head->headers, head->nheaders, HEADER_ORIGIN),
		.is_get = head->method == METHOD_GET || head->method == METHOD_HEAD,
		.is_upgrade = head->has_upgrade,
		.is_navigation =
			str_eq(header_value(head->headers, head->nheaders, HEADER_SEC_FETCH_MODE),
				STR("navigate")),
	};
	route_by_referer(routes, &asker, ret);
}

/* A tenant's prefix without its final slash.  Relative links on a page would lead out of the
 * tenant, so browsers are redirected; programs often do not follow redirects, and are served. */
static void serve_without_slash(
	struct exchange *x, const struct request_head *head, struct route *route)
{
	bool is_browser = exchange_is_read(x) && x->wish.wants == WANTS_HTML && !head->has_upgrade;

	if (route->found != ROUTE_REDIRECT || !route->tenant || route->is_by_referer || is_browser)
		return;
	route->found = ROUTE_TENANT;
	route->before = STR_EMPTY;
	if (route->tenant->app->prefix == PREFIX_PASS)
		route->path = x->wish.path;
}

static void send_as_it_came(struct exchange *x, const struct uri_path *path, struct route *route)
{
	str prefix = route->is_by_referer ? STR_EMPTY : route->tenant->prefix;
	bool is_whole = route->path.n == path->routed.n;

	x->wish.path = uri_path_below(&x->arena, path, prefix);
	if (route->found == ROUTE_TENANT || route->is_by_referer)
		route->path = str_slice(x->wish.path, is_whole ? 0 : prefix.n, x->wish.path.n);
}

static bool goes_there(
	struct exchange *x, const struct request_head *head, str path, const struct route *there)
{
	struct route r;

	find_route_of(x, head, path, &r);
	return r.found == there->found && r.tenant == there->tenant &&
	       str_eq(r.machine, there->machine) && str_eq(r.region, there->region);
}

/* The route, with a path byte by byte as the client sent it; x->wish.path is the client's name for
 * the same.  -EINVAL if it would lead elsewhere for a server that decodes separators. */
static int find_route(struct exchange *x, const struct request_head *head,
	const struct uri_path *path, struct route *ret)
{
	find_route_of(x, head, path->routed, ret);
	if (path->decoded.p != path->routed.p && !goes_there(x, head, path->decoded, ret))
		return -EINVAL;
	x->wish.path = path->routed;
	if (path->sent.p != path->routed.p && ret->tenant)
		send_as_it_came(x, path, ret);
	serve_without_slash(x, head, ret);
	return 0;
}

/* Where the path is wrong, for the log and for developers. */
static enum step refuse_path(struct exchange *x, const struct request_head *head, size_t at)
{
	x->record.path = arena_dup(&x->arena, head->path);
	if (!head->path.n || head->path.p[0] != '/')
		return exchange_fail(x, ERROR_NOT_IMPLEMENTED, STR_EMPTY);
	return exchange_fail(
		x, ERROR_BAD_PATH, str_of(arena_printf(&x->arena, "byte %zu of the path", at + 1)));
}

static enum step answer_redirect(
	struct exchange *x, const struct request_head *head, const struct route *route)
{
	struct worker *w = x->worker;
	struct redirect_in in = {
		.status = route->redirect_status,
		.minor = x->wish.minor,
		.keep_alive = x->reply.keep_alive && x->trip.up.is_done,
		.before = route->before,
		.path = route->path,
		.has_query = head->has_query,
		.query = head->query,
		.date = wall_date(),
	};

	redirect_answer(scratch_lend(&w->scratch.head_out), &in);
	return own_reply_give(x, in.status, in.keep_alive);
}

static enum step answer_replay(struct exchange *x, const struct placement *where)
{
	struct worker *w = x->worker;
	const struct config *conf = x->view->conf;
	const struct route *route = &x->wish.arrival->route;
	struct replay_in in = {
		.placement = where,
		.form = exchange_settings(x)->replay,
		.timeout = exchange_settings(x)->replay_timeout,
		.cache_time = exchange_settings(x)->replay_cache,
		.alone = route->alone,
		.hop_key = conf->hop_key,
		.marker = {MARKER_REPLAY, where->hop, conf->our_machine, route->user,
			conf->fleet_version, wall_msec()},
		.minor = x->wish.minor,
		.is_head = x->wish.method == METHOD_HEAD,
		.keep_alive = x->reply.keep_alive && x->trip.up.is_done,
	};

	replay_answer(scratch_lend(&w->scratch.head_out), &in);
	return own_reply_give(x, 307, in.keep_alive);
}

/* What follows from who asks. */
static void note_remote(struct exchange *x)
{
	const struct arrival *a = x->wish.arrival;
	str id = request_id(&x->worker->ids, a->head, &a->remote, x->id);

	x->record.request_id = id.p == x->id ? id : arena_dup(&x->arena, id);
	if (x->is_logged)
		record_request(x, a->head, &a->remote);
}

/* What is known of the request before its path is looked at. */
static void note_request(struct exchange *x)
{
	struct arrival *a = x->wish.arrival;
	const struct request_head *head = a->head;

	header_set_read(&a->fields, head->headers, head->nheaders);
	x->wish.method = head->method;
	x->wish.minor = x->client->is_framed ? 2 : head->minor;
	x->reply.keep_alive = head->keep_alive;
	x->wish.wants = arrival_has(a, HEADER_ACCEPT) ? wants_of(head) : WANTS_TEXT;
	flow_init(&x->trip.up, head->body, head->content_length, head->body);
	trust_remote(
		x->view->snapshot->trust, &x->client->peer, a->remote.address, head, &a->remote);
	note_remote(x);
}

static enum step take_path(struct exchange *x, const struct uri_path *path, size_t at)
{
	const struct request_head *head = x->wish.arrival->head;

	if (find_route(x, head, path, &x->wish.arrival->route) < 0)
		return refuse_path(x, head, at);
	if (path->sent.p == path->routed.p)
		x->wish.path = x->record.path;
	return STEP_PLACE;
}

enum step routing_route(struct exchange *x)
{
	const struct request_head *head = x->wish.arrival->head;
	struct uri_path path;
	enum step next;
	size_t at;

	note_request(x);
	if (str_eq(head->path, STR("*"))) {
		x->record.path = STR("*");
		return for_server_answer(x);
	}
	if (uri_path_read(&x->arena, head->path, &path, &at) < 0)
		return refuse_path(x, head, at);
	x->record.path = arena_dup(&x->arena, path.routed);
	if (x->is_logged && config_path_matches(&exchange_settings(x)->log_exclude, x->record.path))
		x->is_logged = false;
	if (calls_is_one(x))
		return calls_answer(x);
	next = hop_take(x);
	if (next != WAIT)
		return next;
	if (x->wish.arrival->remote.is_peer)
		note_remote(x); /* it tells of another client than we saw */
	if (!count_client(x, &x->wish.arrival->remote))
		return exchange_fail(x, ERROR_TOO_MANY_REQUESTS, STR_EMPTY);
	compressing_ask(x, head);
	return take_path(x, &path, at);
}

enum step routing_again(struct exchange *x)
{
	struct uri_path path;
	size_t at;

	if (uri_path_read(&x->arena, x->wish.arrival->head->path, &path, &at) < 0)
		return refuse_path(x, x->wish.arrival->head, at);
	return take_path(x, &path, at);
}

/* It is ours, and the tenant's. */
static enum step take_route(struct exchange *x)
{
	const struct server_conf *server = exchange_settings(x);
	const struct request_head *head = x->wish.arrival->head;
	const struct route *route = &x->wish.arrival->route;

	presence_begin(x);
	x->wish.conf = route->tenant;
	x->record.tenant = x->wish.conf->id;
	x->record.log_level = (int)x->wish.conf->app->log_level;
	x->trip.tenant = worker_tenant(x->worker, x->wish.conf);
	x->wish.is_by_referer = route->is_by_referer;
	if (waiting_is_events(x->wish.conf->prefix, x->record.path))
		return x->wish.method == METHOD_GET ? STEP_WATCH
						    : exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	if (server->max_request_body && head->content_length > server->max_request_body)
		return exchange_fail(x, ERROR_BODY_TOO_LARGE, STR_EMPTY);
	rewrite_init(&x->reply.rewrite, route, arena_dup(&x->arena, head->host));
	x->wish.wants_upgrade = forward_is_upgrade(head);
	x->trip.awaits_continue = head->expects_continue;
	return STEP_FILE;
}

/* What the edge says of the request; from others it is nothing. */
static str edge_value(const struct arrival *a, enum header_id id)
{
	if (!a->remote.has_edge || !arrival_has(a, id))
		return STR_EMPTY;
	return header_value(a->head->headers, a->head->nheaders, id);
}

static struct placement placement_of(const struct exchange *x)
{
	const struct arrival *a = x->wish.arrival;
	const struct request_head *head = a->head;
	struct place_in in = {
		.conf = x->view->conf,
		.route = &a->route,
		.path = x->record.path,
		.sent = head->path,
		.is_from_peer = a->remote.is_peer,
		.has_edge = a->remote.has_edge,
		.replay_failed = edge_value(a, HEADER_FLY_REPLAY_FAILED),
		.replay_src = edge_value(a, HEADER_FLY_REPLAY_SRC),
		.cache_status = edge_value(a, HEADER_FLY_REPLAY_CACHE_STATUS),
		.is_body_size_known = head->body != BODY_CHUNKED,
		.body_size = head->content_length,
		.now = wall_msec(),
	};

	return place_decide(&in);
}

/* "machine 3d8d413b29d638", "region sjc" or "app printer", in the exchange's arena. */
static str name_place(struct exchange *x, const struct placement *where)
{
	str name = where->app.n ? where->app : where->machine.n ? where->machine : where->region;
	const char *what = where->app.n ? "app" : where->machine.n ? "machine" : "region";

	return str_of(arena_printf(&x->arena, "%s " STR_FMT, what, STR_ARG(name)));
}

static enum step fail_replay(struct exchange *x, const struct placement *where)
{
	struct place_failure f =
		place_failure_read(edge_value(x->wish.arrival, HEADER_FLY_REPLAY_FAILED));
	str place = name_place(x, where);

	return exchange_fail(x, ERROR_REPLAY_FAILED,
		str_of(arena_printf(&x->arena,
			STR_FMT ": the edge has given up after %llu ms%s" STR_FMT, STR_ARG(place),
			(unsigned long long)f.elapsed, f.reason.n ? ", " : "", STR_ARG(f.reason))));
}

/* Which two machines disagree, and whether they know the same fleet. */
static enum step fail_loop(struct exchange *x, const struct placement *where)
{
	const struct config *conf = x->view->conf;
	str place = name_place(x, where);
	bool is_same = where->from.fleet == conf->fleet_version;

	if (!where->from.origin.n)
		return exchange_fail(x, ERROR_REPLAY_LOOP,
			str_of(arena_printf(&x->arena, "by this machine it is served by " STR_FMT,
				STR_ARG(place))));
	return exchange_fail(x, ERROR_REPLAY_LOOP,
		str_of(arena_printf(&x->arena,
			"machine " STR_FMT
			" has sent it here, but by this machine it is served by " STR_FMT "; %s",
			STR_ARG(where->from.origin), STR_ARG(place),
			is_same ? "both know the same users and machines"
				: "they do not know the same users and machines")));
}

static enum step fail_misdirected(struct exchange *x, const struct placement *where)
{
	str place = name_place(x, where);

	return exchange_fail(x, ERROR_MISDIRECTED,
		str_of(arena_printf(&x->arena, "it is served by " STR_FMT "%s", STR_ARG(place),
			x->view->conf->hop_key.n ? ""
						 : "; the machines have no secret in common")));
}

enum step routing_place(struct exchange *x)
{
	const struct arrival *a = x->wish.arrival;
	struct placement where = placement_of(x);

	if (where.marker == MARKER_AHEAD)
		hop_note_clocks(x, &where.from);
	switch (where.verdict) {
	case PLACE_HERE:
		return take_route(x);
	case PLACE_REDIRECT:
		return answer_redirect(x, a->head, &a->route);
	case PLACE_REPLAY:
		return answer_replay(x, &where);
	case PLACE_NOT_FOUND:
		if (for_server_is_health(x, x->record.path))
			return for_server_answer_health(x);
		if (for_server_is_index(x))
			return for_server_answer_index(x);
		break;
	case PLACE_PEER:
		return peer_begin(x, where.machine);
	case PLACE_MISDIRECTED:
		return fail_misdirected(x, &where);
	case PLACE_NO_MACHINE:
		return exchange_fail(x, ERROR_NO_MACHINE, name_place(x, &where));
	case PLACE_REPLAY_FAILED:
		return fail_replay(x, &where);
	case PLACE_LOOP:
		/* The machine that sent it here knows of something that we do not. */
		return seeking_may_help(x) ? seeking_begin(x, ERROR_REPLAY_LOOP)
					   : fail_loop(x, &where);
	case PLACE_TOO_LARGE:
		return exchange_fail(x, ERROR_REPLAY_TOO_LARGE, name_place(x, &where));
	}
	return seeking_begin(x, ERROR_NOT_FOUND);
}
