/* exchange.c - the life of a request: where it belongs, what is answered by ourselves, how it ends.
 */
/* SPDX-License-Identifier: MIT */
#include "proxy/exchange.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "http/date.h"
#include "http/uri.h"
#include "net/socket.h"
#include "proxy/background.h"
#include "proxy/caching.h"
#include "proxy/exchange_int.h"
#include "proxy/files.h"
#include "proxy/for_server.h"
#include "proxy/forward.h"
#include "proxy/index.h"
#include "proxy/no_wake.h"
#include "proxy/proxy_int.h"
#include "proxy/quota.h"
#include "proxy/respond.h"
#include "proxy/upstream.h"
#include "proxy/waiting.h"
#include "proxy/worker.h"
#include "route/place.h"

#define FREE_EXCHANGES_MAX 256
/* In the budget: with the heads and what else its arena holds, about. */
#define EXCHANGE_COST (sizeof(struct exchange) + 4096)

const struct server_conf *exchange_settings(const struct exchange *x)
{
	const struct view *view = x->view ? x->view : x->worker->view;

	return &view->conf->server;
}

void exchange_forget_view(struct exchange *x)
{
	x->record.tenant = x->is_logged ? arena_dup(&x->arena, x->record.tenant) : STR_EMPTY;
	x->conf = NULL;
	view_unref(x->view);
	x->view = NULL;
}

struct slot *exchange_slot(const struct exchange *x)
{
	return &x->worker->slots[x->tenant->slot];
}

enum tenant_state exchange_tenant_state(const struct exchange *x)
{
	return slot_state(exchange_slot(x), x->tenant->owner);
}

static uint64_t wall_msec(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t exchange_wall(void)
{
	return wall_msec(CLOCK_REALTIME_COARSE);
}

str exchange_date(void)
{
	static _Thread_local struct date_cache cache;

	return date_cached(&cache, (int64_t)(exchange_wall() / 1000));
}

static struct exchange *exchange_new(struct client *c)
{
	struct worker *w = c->worker;
	struct exchange *x;

	if (list_is_empty(&w->free_exchanges)) {
		x = xcalloc(1, sizeof(*x));
	} else {
		struct arena arena;
		struct buf request;

		x = list_first(&w->free_exchanges, struct exchange, link);
		list_remove(&x->link);
		w->nfree_exchanges--;
		arena = x->arena;
		request = x->request;
		memset(x, 0, sizeof(*x));
		x->arena = arena;
		x->request = request;
	}
	budget_take(EXCHANGE_COST);
	list_init(&x->link);
	x->worker = w;
	x->client = c;
	x->view = view_ref(w->view);
	x->began = clock_usec();
	x->record.upstream_ms = x->record.wake_ms = ACCESS_UNKNOWN;
	c->exchange = x;
	c->is_hurried = false;
	return x;
}

static void exchange_free(struct exchange *x)
{
	struct worker *w = x->worker;

	budget_give(EXCHANGE_COST);
	list_remove(&x->link);
	worker_leave_tenant(x->tenant);
	view_unref(x->view);
	flow_done(&x->up);
	flow_done(&x->down);
	if (w->nfree_exchanges >= FREE_EXCHANGES_MAX) {
		arena_done(&x->arena);
		buf_done(&x->request);
		loop_defer_free(w->loop, x);
		return;
	}
	arena_reset(&x->arena);
	if (x->request.cap > CLIENT_READ)
		buf_done(&x->request);
	buf_clear(&x->request);
	w->nfree_exchanges++;
	list_push(&w->free_exchanges, &x->link);
}

static void log_exchange(struct exchange *x)
{
	if (!x->is_logged)
		return;
	x->record.duration = (clock_usec() - x->began) / 1000;
	x->record.response_length =
		MAX(x->record.response_length, (int64_t)(x->sent ? x->sent : x->down.bytes));
	access_log(&x->record);
}

void exchange_leave_tenant(struct exchange *x)
{
	struct slot *slot;

	if (!x->is_counted)
		return;
	x->is_counted = false;
	slot = exchange_slot(x);
	atomic_store(&slot->last_activity, loop_now(x->worker->loop));
	if (x->is_tunnel)
		atomic_fetch_sub(&slot->upgrades, 1);
	slot_leave(slot);
}

void exchange_drop_upstream(struct exchange *x, bool can_reuse)
{
	struct upstream *u = x->upstream;

	x->upstream = NULL;
	if (!u)
		return;
	if (can_reuse)
		upstream_give_back(u);
	else
		upstream_close(u);
}

/* False: the client has as many requests under way as it may have.  What we do by ourselves is
 * nobody's. */
static bool count(struct exchange *x, const struct remote *client)
{
	struct worker *w = x->worker;
	uint64_t max = (uint64_t)exchange_settings(x)->max_requests_per_address;
	size_t n;

	if (!max || !client->key || background_is(x->client))
		return true;
	if (quota_enter(proxy_request_quota(w->proxy), client->key, max)) {
		x->quota_key = client->key;
		return true;
	}
	n = worker_may_tell(w, &w->refused);
	if (n)
		log_warn(STR_FMT " has too many requests under way (max_requests_per_address);"
				 " %zu more than clients may have were refused",
			STR_ARG(client->address), n);
	return false;
}

static void uncount(struct exchange *x)
{
	if (x->quota_key)
		quota_leave(proxy_request_quota(x->worker->proxy), x->quota_key);
}

/* Everything that leads to the end comes through here. */
static void let_go(struct exchange *x)
{
	if (x->state == EXCHANGE_HELD)
		hold_leave(x);
	uncount(x);
	exchange_drop_upstream(x, false);
	exchange_leave_tenant(x);
	relay_give_pipe(x->worker, &x->up_pipe);
	relay_give_pipe(x->worker, &x->down_pipe);
	files_done(x);
	respond_done(x);
	caching_done(x);
	log_exchange(x);
}

void exchange_end(struct exchange *x, bool keep_alive)
{
	struct client *c = x->client;

	let_go(x);
	exchange_free(x);
	client_done(c, keep_alive);
}

void exchange_client_gone(struct exchange *x)
{
	if (x->record.error == ERROR_NONE)
		x->record.error = ERROR_CLIENT_GONE;
	if (!x->answer_began)
		x->record.status = error_status(x->record.error);
	x->record.is_cut = x->answer_began && !x->is_tunnel;
	x->client->exchange = NULL;
	let_go(x);
	exchange_free(x);
}

enum step exchange_cut(struct exchange *x, enum error error)
{
	exchange_abort(x, error);
	return GONE;
}

void exchange_abort(struct exchange *x, enum error error)
{
	x->record.error = error;
	/* For a client that reads until the end, only a reset is no end. */
	if (x->framing == BODY_UNTIL_CLOSE && !x->is_end_told && !x->is_tunnel)
		client_reset(x->client);
	client_close(x->client); /* ends x by exchange_client_gone */
}

void exchange_await_client(struct exchange *x)
{
	pace_await(x, CLIENT_TAKES);
}

/* Our own answer waits in the outbox. */
static void on_answer_moved(struct exchange *x)
{
	struct client *c = x->client;
	size_t before = buf_len(&c->out.waiting);

	if (client_flush(c) < 0) {
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
	if (outbox_is_empty(&c->out))
		exchange_end(x, x->keep_alive);
	else if (buf_len(&c->out.waiting) < before)
		exchange_await_client(x);
}

/* Of a whole answer: what follows the empty line. */
static size_t body_size(str answer)
{
	ssize_t end = str_find(answer, STR("\r\n\r\n"));

	return end < 0 ? 0 : answer.n - (size_t)end - 4;
}

void exchange_answer(struct exchange *x, unsigned status, bool keep_alive)
{
	struct worker *w = x->worker;
	str answer = buf_str(&w->head_out);
	size_t body = body_size(answer);

	if (x->state == EXCHANGE_HELD)
		hold_leave(x);
	files_done(x);
	exchange_drop_upstream(x, false);
	exchange_leave_tenant(x);
	x->state = EXCHANGE_ANSWERING;
	x->pace = (struct pace){0};
	x->answer_began = true;
	x->keep_alive = keep_alive;
	x->record.status = status;
	x->record.response_length = (int64_t)body;
	client_head(x->client, str_slice(answer, 0, answer.n - body), body);
	gather_add(&w->gather, str_slice(answer, answer.n - body, answer.n));
	w->gather.is_followed = !keep_alive;
	if (client_send(x->client) < 0) {
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
	exchange_finish_answer(x);
}

void exchange_tell_end(struct exchange *x)
{
	if (x->is_end_told)
		return;
	x->is_end_told = true;
	if (x->is_tunnel)
		client_shut(x->client);
	else
		client_end(x->client, flow_trailers(&x->down));
}

void exchange_finish_answer(struct exchange *x)
{
	x->state = EXCHANGE_ANSWERING;
	exchange_tell_end(x);
	if (outbox_is_empty(&x->client->out))
		exchange_end(x, x->keep_alive);
	else
		exchange_await_client(x);
}

void exchange_end_slow(struct exchange *x)
{
	exchange_fail(x, ERROR_CROWDED, STR_EMPTY);
}

/* Seconds until it makes sense to ask again. */
static unsigned retry_after(const struct exchange *x, enum error error)
{
	msec now = loop_now(x->worker->loop), at;

	if (error_status(error) != 503 && error_status(error) != 429)
		return 0;
	if (error != ERROR_START_FAILED || !x->conf)
		return 1;
	at = atomic_load(&exchange_slot(x)->retry_at);
	return at > now ? (unsigned)MIN((at - now + 999) / 1000, (msec)3600) : 1;
}

static unsigned status_of(const struct exchange *x, enum error error)
{
	uint32_t status;

	if (error != ERROR_START_FAILED || !x->conf)
		return error_status(error);
	status = atomic_load(&exchange_slot(x)->fail_status);
	return status ? status : error_status(error);
}

static void answer_error(struct exchange *x, enum error error, str reason)
{
	struct worker *w = x->worker;
	/* What is left of the request's body would be taken for the next request. */
	bool keep_alive = x->keep_alive && x->up.is_done && !w->is_draining;
	bool is_development = x->conf && str_eq(x->conf->app->environment, STR("development"));
	/* Where a file of the server is, or is not, is nobody's business; what an application has
	 * said wrong is its developers'. */
	bool is_hidden = error == ERROR_SENDFILE || error == ERROR_FILE_UNREADABLE ||
			 (error == ERROR_BAD_RESPONSE && !is_development);
	/* Of a start: with the last lines of the application. */
	bool has_output = is_development && error == ERROR_START_FAILED;
	str shown = is_hidden ? STR_EMPTY : reason;
	struct error_in in = {
		.error = error,
		.status = status_of(x, error),
		.minor = x->minor,
		.wants = x->wants,
		.is_head = x->method == METHOD_HEAD,
		.keep_alive = keep_alive,
		.retry_after = retry_after(x, error),
		.reason = has_output ? STR_EMPTY : shown,
		.output = has_output ? shown : STR_EMPTY,
		.request_id = x->record.request_id,
		.date = exchange_date(),
		.pages = x->view->snapshot->pages,
	};

	buf_clear(&w->head_out);
	error_answer(&w->head_out, &in);
	exchange_answer(x, in.status, keep_alive);
}

void exchange_fail(struct exchange *x, enum error error, str reason)
{
	if (caching_rescues(x, error))
		return;
	x->record.error = error;
	x->record.detail = arena_dup(&x->arena, reason);
	if (x->answer_began)
		exchange_abort(x, error);
	else
		answer_error(x, error, reason);
}

void exchange_refuse(struct client *c, unsigned status, const struct head_fault *fault)
{
	struct exchange *x = exchange_new(c);
	char peer_text[ADDRESS_TEXT_MAX];

	x->minor = x->record.minor = c->is_framed ? 2 : 1;
	x->record.remote_addr = arena_dup(&x->arena, address_text(&c->peer, peer_text));
	x->is_logged = exchange_settings(x)->log_requests;
	exchange_fail(
		x, error_of_status(status), fault ? head_fault_text(&x->arena, fault) : STR_EMPTY);
}

/* The log's view of the request; copied, since the head is gone when the line is written. */
static void record_request(
	struct exchange *x, const struct request_head *head, const struct remote *client)
{
	struct access_record *r = &x->record;
	struct arena *a = &x->arena;

	r->method = arena_dup(a, head->method_text);
	r->query = arena_dup(a, head->query);
	r->host = arena_dup(a, head->host);
	r->minor = x->minor;
	r->request_length =
		head->body == BODY_CHUNKED ? ACCESS_UNKNOWN : (int64_t)head->content_length;
	r->request_type =
		arena_dup(a, header_value(head->headers, head->nheaders, HEADER_CONTENT_TYPE));
	r->user_agent =
		arena_dup(a, header_value(head->headers, head->nheaders, HEADER_USER_AGENT));
	r->remote_addr = arena_dup(a, client->address);
}

/* The route, by the path or else by the page that asks. */
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

/* A tenant's prefix without its final slash.  Relative links of a page would leave the tenant, so
 * that browsers are redirected; programs often do not follow, and are served. */
static void serve_without_slash(
	struct exchange *x, const struct request_head *head, struct route *route)
{
	bool is_browser = (x->method == METHOD_GET || x->method == METHOD_HEAD) &&
			  x->wants == WANTS_HTML && !head->has_upgrade;

	if (route->found != ROUTE_REDIRECT || !route->tenant || route->is_by_referer || is_browser)
		return;
	route->found = ROUTE_TENANT;
	route->before = STR_EMPTY;
	if (route->tenant->app->prefix == PREFIX_PASS)
		route->path = x->path;
}

static void send_as_it_came(struct exchange *x, const struct uri_path *path, struct route *route)
{
	str prefix = route->is_by_referer ? STR_EMPTY : route->tenant->prefix;
	bool is_whole = route->path.n == path->routed.n;

	x->path = uri_path_below(&x->arena, path, prefix);
	if (route->found == ROUTE_TENANT || route->is_by_referer)
		route->path = str_slice(x->path, is_whole ? 0 : prefix.n, x->path.n);
}

/* The route, with a path byte by byte as the client sent it; x->path is the client's name for the
 * same.  -EINVAL if it would be somebody else's for a server that decodes separators. */
static int find_route(struct exchange *x, const struct request_head *head,
	const struct uri_path *path, struct route *ret)
{
	struct route other;

	find_route_of(x, head, path->routed, ret);
	if (path->decoded.p != path->routed.p) {
		find_route_of(x, head, path->decoded, &other);
		if (other.found != ret->found || other.tenant != ret->tenant ||
			!str_eq(other.machine, ret->machine) || !str_eq(other.region, ret->region))
			return -EINVAL;
	}
	x->path = path->routed;
	if (path->sent.p != path->routed.p && ret->tenant)
		send_as_it_came(x, path, ret);
	serve_without_slash(x, head, ret);
	return 0;
}

/* Where the path is wrong, for the log and for whoever develops. */
static void refuse_path(struct exchange *x, const struct request_head *head, size_t at)
{
	x->record.path = arena_dup(&x->arena, head->path);
	if (!head->path.n || head->path.p[0] != '/') {
		exchange_fail(x, ERROR_NOT_IMPLEMENTED, STR_EMPTY);
		return;
	}
	exchange_fail(
		x, ERROR_BAD_PATH, str_of(arena_printf(&x->arena, "byte %zu of the path", at + 1)));
}

static void answer_redirect(
	struct exchange *x, const struct request_head *head, const struct route *route)
{
	struct worker *w = x->worker;
	struct redirect_in in = {
		.status = route->redirect_status,
		.minor = x->minor,
		.keep_alive = x->keep_alive && x->up.is_done,
		.before = route->before,
		.path = route->path,
		.has_query = head->has_query,
		.query = head->query,
		.date = exchange_date(),
	};

	buf_clear(&w->head_out);
	redirect_answer(&w->head_out, &in);
	exchange_answer(x, in.status, in.keep_alive);
}

static void answer_replay(struct exchange *x, const struct placement *where)
{
	struct worker *w = x->worker;
	struct replay_in in = {
		.placement = *where,
		.form = exchange_settings(x)->replay,
		.timeout = exchange_settings(x)->replay_timeout,
		.minor = x->minor,
		.is_head = x->method == METHOD_HEAD,
		.keep_alive = x->keep_alive && x->up.is_done,
	};

	buf_clear(&w->head_out);
	replay_answer(&w->head_out, &in);
	exchange_answer(x, 307, in.keep_alive);
}

/* Ours: the head for the tenant is made now, since the received one is gone after this turn. */
static void begin_here(struct exchange *x, const struct request_head *head,
	const struct route *route, const struct remote *client)
{
	const struct server_conf *server = exchange_settings(x);
	struct forward_in in = {
		.head = head,
		.route = route,
		.client = client,
		.request_id = x->record.request_id,
		.keeps_forwarded = server->forward_headers,
		.keeps_underscores = server->underscores_in_headers,
		.keeps_expect = head->expects_continue,
		.sends_files = server->x_sendfile_enabled,
	};

	x->conf = route->tenant;
	x->record.tenant = x->conf->id;
	x->tenant = worker_tenant(x->worker, x->conf);
	x->is_by_referer = route->is_by_referer;
	if (waiting_is_events(x->conf->prefix, x->record.path)) {
		if (x->method == METHOD_GET)
			hold_watch(x);
		else
			exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
		return;
	}
	if (server->max_request_body && head->content_length > server->max_request_body) {
		exchange_fail(x, ERROR_BODY_TOO_LARGE, STR_EMPTY);
		return;
	}
	if (files_answer(x, head))
		return;
	rewrite_init(&x->rewrite, route, arena_dup(&x->arena, head->host));
	x->wants_upgrade = forward_is_upgrade(head);
	x->awaits_continue = head->expects_continue;
	x->wants_page = waiting_wants_page(head);
	if (caching_begin(x, head, client) || no_wake_refuses(x))
		return;
	in.now = wall_msec(CLOCK_REALTIME);
	buf_clear(&x->request);
	forward_head(&x->request, &in);
	hold_want_tenant(x);
}

static void begin_placed(struct exchange *x, const struct request_head *head,
	const struct route *route, const struct remote *client)
{
	const struct config *conf = x->view->conf;
	struct place_in in = {
		.route = route,
		.our_machine = conf->fly_machine,
		.our_region = conf->fly_region,
		.has_edge = client->has_edge,
		.is_replay_failed =
			header_find(head->headers, head->nheaders, HEADER_FLY_REPLAY_FAILED),
		.replay_src = header_value(head->headers, head->nheaders, HEADER_FLY_REPLAY_SRC),
		.is_body_size_known = head->body != BODY_CHUNKED,
		.body_size = head->content_length,
	};
	struct placement where = place(&in);

	switch (where.verdict) {
	case PLACE_HERE:
		begin_here(x, head, route, client);
		return;
	case PLACE_REDIRECT:
		answer_redirect(x, head, route);
		return;
	case PLACE_REPLAY:
		answer_replay(x, &where);
		return;
	case PLACE_NOT_FOUND:
		if (for_server_is_health(x, x->record.path))
			for_server_answer_health(x);
		else if (!index_answer(x, head))
			exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
		return;
	case PLACE_MISDIRECTED:
		exchange_fail(x, ERROR_MISDIRECTED, STR_EMPTY);
		return;
	case PLACE_REPLAY_FAILED:
		exchange_fail(x, ERROR_REPLAY_FAILED, STR_EMPTY);
		return;
	case PLACE_LOOP:
		exchange_fail(x, ERROR_REPLAY_LOOP, STR_EMPTY);
		return;
	case PLACE_TOO_LARGE:
		exchange_fail(x, ERROR_REPLAY_TOO_LARGE, STR_EMPTY);
		return;
	}
}

void exchange_begin(struct client *c, const struct request_head *head)
{
	struct exchange *x = exchange_new(c);
	char peer_text[ADDRESS_TEXT_MAX];
	struct remote client;
	struct route route;
	struct uri_path path;
	size_t at;

	worker_busy(c->worker);
	x->method = head->method;
	x->minor = c->is_framed ? 2 : head->minor;
	x->keep_alive = head->keep_alive;
	x->wants = wants_of(head);
	flow_init(&x->up, head->body, head->content_length, head->body);
	trust_remote(x->view->snapshot->trust, &c->peer, address_text(&c->peer, peer_text), head,
		&client);
	x->record.request_id =
		arena_dup(&x->arena, request_id(&x->worker->ids, head, &client, x->id));
	x->is_logged = exchange_settings(x)->log_requests;
	if (x->is_logged)
		record_request(x, head, &client);
	if (str_eq(head->path, STR("*"))) {
		x->record.path = STR("*");
		for_server_answer(x);
		return;
	}
	if (uri_path_read(&x->arena, head->path, &path, &at) < 0) {
		refuse_path(x, head, at);
		return;
	}
	x->record.path = arena_dup(&x->arena, path.routed);
	if (x->is_logged && config_path_matches(&exchange_settings(x)->log_exclude, x->record.path))
		x->is_logged = false;
	if (!count(x, &client)) {
		exchange_fail(x, ERROR_TOO_MANY_REQUESTS, STR_EMPTY);
		return;
	}
	compressing_ask(x, head);
	if (find_route(x, head, &path, &route) < 0) {
		refuse_path(x, head, at);
		return;
	}
	if (path.sent.p == path.routed.p)
		x->path = x->record.path;
	begin_placed(x, head, &route, &client);
}

void exchange_client_event(struct exchange *x, unsigned events)
{
	struct client *c = x->client;

	/* In a tunnel whose other end has said all, it may only mean that this one has, too. */
	if ((events & LOOP_HUP) && !(x->is_tunnel && x->down.is_done)) {
		exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
	switch (x->state) {
	case EXCHANGE_ROUTED:
		return;
	case EXCHANGE_HELD:
	case EXCHANGE_JOINED:
		if (events & LOOP_EOF)
			exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	case EXCHANGE_RELAYING:
		relay_run(x);
		return;
	case EXCHANGE_OPENING:
		return;
	case EXCHANGE_SENDING:
		respond_run(x);
		return;
	case EXCHANGE_ANSWERING:
		on_answer_moved(x);
		return;
	case EXCHANGE_WATCHING:
		if ((events & LOOP_EOF) || client_flush(c) < 0)
			exchange_abort(x, ERROR_CLIENT_GONE);
		return;
	}
}

void exchange_client_timeout(struct exchange *x)
{
	switch (x->state) {
	case EXCHANGE_ROUTED:
		return;
	case EXCHANGE_HELD:
		hold_on_time(x);
		return;
	case EXCHANGE_JOINED:
		caching_on_time(x);
		return;
	case EXCHANGE_RELAYING:
		relay_client_timeout(x);
		return;
	case EXCHANGE_OPENING:
		files_done(x);
		exchange_fail(x, ERROR_RESPONSE_TIMEOUT, STR_EMPTY);
		return;
	case EXCHANGE_SENDING:
	case EXCHANGE_ANSWERING:
		if (pace_is_over(x))
			exchange_abort(x, ERROR_WRITE_TIMEOUT);
		return;
	case EXCHANGE_WATCHING:
		hold_watch_on_time(x);
		return;
	}
}

void exchange_upstream_event(struct exchange *x, unsigned events)
{
	(void)events;
	relay_run(x);
}

void exchange_go_on(struct exchange *x)
{
	if (x->state == EXCHANGE_RELAYING)
		relay_run(x);
	else if (x->state == EXCHANGE_SENDING)
		respond_run(x);
}
