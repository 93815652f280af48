/* routes.c - finds the function for a control request's path and query. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/number.h"
#include "control/control_int.h"
#include "http/uri.h"
#include "link/channel.h"

#define TENANTS	      STR("/v1/tenants/")
#define ROSTER	      STR("/v1/roster/")
#define MACHINES      STR("/v1/machines/")
#define DEFAULT_LINES 50
#define MAX_LINES     1000
#define HOLD_NAME_MAX 64
#define BY_MAX	      256

struct query {
	bool is_for_all, follows, waits;
	struct control_roll roll;
	size_t lines;
	str path, hold, tenant, user;
	uint64_t version;
	bool has_version, only_that, is_dry;
	str by;
	bool has_length;
	msec length;
	struct control_machine_order machine;
};

typedef void answer_fn(struct session *s, const struct query *q);

static void ignore_tenant(void *arg, const struct control_tenant *t)
{
	(void)arg;
	(void)t;
}

static bool has_tenant(struct session *s, str id)
{
	struct control *c = s->control;

	return c->ops->tenant(c->arg, id, ignore_tenant, NULL);
}

static void refuse_unknown(struct session *s, const char *what, str name)
{
	session_refuse(
		s, 404, str_of(arena_printf(&s->arena, "no %s " STR_FMT, what, STR_ARG(name))));
}

static void on_status(struct session *s, const struct query *q)
{
	s->is_for_all = q->is_for_all;
	report_status(s);
}

static void on_tenant_request(struct session *s, const struct query *q)
{
	(void)q;
	report_tenant(s);
}

static void on_logs(struct session *s, const struct query *q)
{
	logs_answer(s, q->lines, q->follows);
}

static bool has_user(struct session *s, str user)
{
	struct control *c = s->control;
	struct control_global g = {0};

	c->ops->global(c->arg, &g);
	for (size_t i = 0; i < g.conf->ntenants; i++)
		if (str_eq(g.conf->tenants[i].user, user))
			return true;
	return false;
}

static void on_events(struct session *s, const struct query *q)
{
	str tenant = arena_dup(&s->arena, uri_decode(&s->arena, q->tenant));
	str user = arena_dup(&s->arena, uri_decode(&s->arena, q->user));

	if (tenant.n && user.n)
		session_refuse(s, 400, STR("tenant or user, not both"));
	else if (tenant.n && !has_tenant(s, tenant))
		refuse_unknown(s, "tenant", tenant);
	else if (user.n && !has_user(s, user))
		refuse_unknown(s, "user", user);
	else
		events_answer(s, tenant, user);
}

static void on_start(struct session *s, const struct query *q)
{
	action_start(s, s->control->ops->start, q->waits);
}

static void on_stop(struct session *s, const struct query *q)
{
	action_start(s, s->control->ops->stop, q->waits);
}

static void on_restart(struct session *s, const struct query *q)
{
	action_start(s, s->control->ops->restart, q->waits);
}

static void on_restart_all(struct session *s, const struct query *q)
{
	action_restart_all(s, &q->roll, q->waits);
}

static void on_busy(struct session *s, const struct query *q)
{
	if (q->has_length)
		action_busy(s, q->hold, q->length);
	else
		session_refuse(s, 400, STR("for how long is it busy? ?for=5m"));
}

static void on_hold(struct session *s, const struct query *q)
{
	if (q->has_length)
		action_hold(s, q->hold, q->length);
	else
		session_refuse(s, 400, STR("for how long is the machine busy? ?for=5m"));
}

static void on_reload(struct session *s, const struct query *q)
{
	(void)q;
	action_reload(s);
}

static void on_users(struct session *s, const struct query *q)
{
	(void)q;
	rosters_show_users(s);
}

static void on_roster_changed(struct session *s, const struct query *q)
{
	rosters_take_news(s, q->version);
}

static void on_history(struct session *s, const struct query *q)
{
	rosters_show_history(s, q->version, q->lines);
}

static void write_roster(
	struct session *s, const struct query *q, struct control_roster_request *request)
{
	request->by = uri_decode(&s->arena, q->by);
	request->is_dry = q->is_dry;
	rosters_write(s, request);
}

static void on_revert(struct session *s, const struct query *q)
{
	struct control_roster_request request = {.version = q->version, .only_that = q->only_that};

	if (q->has_version)
		write_roster(s, q, &request);
	else
		session_refuse(s, 400, STR("to which version? ?version=12"));
}

static void on_roster_entry(struct session *s, const struct query *q)
{
	struct control_roster_request request = {.settings = s->body};

	if (rosters_read_path(s, s->entry, &request))
		write_roster(s, q, &request);
	else
		session_refuse(s, 404,
			STR("no such resource; there are users/, tenants/ and machines/ with a "
			    "name, and then /add, /change or /remove"));
}

static void on_cache(struct session *s, const struct query *q)
{
	(void)q;
	cached_report(s);
}

static void on_purge(struct session *s, const struct query *q)
{
	str path = uri_decode(&s->arena, q->path);

	if (path.n && (path.p[0] != '/' || path.n > CHANNEL_TEXT_MAX))
		session_refuse(s, 400, STR("a path begins with '/', and is not longer than 4096"));
	else
		action_purge(s, path);
}

static void on_config(struct session *s, const struct query *q)
{
	(void)q;
	report_config(s);
}

static void on_version(struct session *s, const struct query *q)
{
	struct buf body = {0};
	struct json j = {.out = &body};

	(void)q;
	json_open_object(&j, NULL);
	json_str(&j, "version", STR(FLY_ATC_VERSION));
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, 200, JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

static void on_machines(struct session *s, const struct query *q)
{
	(void)q;
	machines_list(s);
}

static void order_machine(struct session *s, const struct query *q, enum control_machine_what what)
{
	struct control_machine_order order = q->machine;

	order.what = what;
	order.name = arena_dup(&s->arena, uri_decode(&s->arena, order.name));
	machines_order(s, &order);
}

static void on_machine_create(struct session *s, const struct query *q)
{
	order_machine(s, q, CONTROL_MACHINE_CREATE);
}

static void on_machine_wake(struct session *s, const struct query *q)
{
	order_machine(s, q, CONTROL_MACHINE_WAKE);
}

static void on_machine_sleep(struct session *s, const struct query *q)
{
	order_machine(s, q, q->machine.what);
}

static void on_machine_destroy(struct session *s, const struct query *q)
{
	order_machine(s, q, CONTROL_MACHINE_DESTROY);
}

struct control_route {
	str path;
	enum method method;
	answer_fn *answer;
};

static const struct control_route routes[] = {
	{STR_INIT("/v1/status"), METHOD_GET, on_status},
	{STR_INIT("/v1/events"), METHOD_GET, on_events},
	{STR_INIT("/v1/cache"), METHOD_GET, on_cache},
	{STR_INIT("/v1/restart"), METHOD_POST, on_restart_all},
	{STR_INIT("/v1/busy"), METHOD_POST, on_hold},
	{STR_INIT("/v1/machines"), METHOD_GET, on_machines},
	{STR_INIT("/v1/machines"), METHOD_POST, on_machine_create},
	{STR_INIT("/v1/reload"), METHOD_POST, on_reload},
	{STR_INIT("/v1/users"), METHOD_GET, on_users},
	{STR_INIT("/v1/roster/changed"), METHOD_POST, on_roster_changed},
	{STR_INIT("/v1/roster/history"), METHOD_GET, on_history},
	{STR_INIT("/v1/roster/revert"), METHOD_POST, on_revert},
	{STR_INIT("/v1/config"), METHOD_GET, on_config},
	{STR_INIT("/v1/version"), METHOD_GET, on_version},
};
/* Whatever follows /v1/roster/ otherwise: the only one with a body. */
static const struct control_route roster_entry = {STR_INIT(""), METHOD_POST, on_roster_entry};
/* What may follow a tenant's id; the last one is the tenant itself. */
static const struct control_route tenant_routes[] = {
	{STR_INIT("/logs"), METHOD_GET, on_logs},
	{STR_INIT("/start"), METHOD_POST, on_start},
	{STR_INIT("/stop"), METHOD_POST, on_stop},
	{STR_INIT("/restart"), METHOD_POST, on_restart},
	{STR_INIT("/busy"), METHOD_POST, on_busy},
	{STR_INIT("/purge"), METHOD_POST, on_purge},
	{STR_INIT(""), METHOD_GET, on_tenant_request},
};
/* What may follow a machine's name. */
static const struct control_route machine_routes[] = {
	{STR_INIT("/wake"), METHOD_POST, on_machine_wake},
	{STR_INIT("/sleep"), METHOD_POST, on_machine_sleep},
	{STR_INIT("/destroy"), METHOD_POST, on_machine_destroy},
};

static bool read_flag(str value, bool *ret)
{
	bool is_on = !value.n || str_eq(value, STR("1")) || str_eq(value, STR("true"));

	if (!is_on && !str_eq(value, STR("0")) && !str_eq(value, STR("false")))
		return false;
	*ret = is_on;
	return true;
}

static bool read_way_to_sleep(str value, enum control_machine_what *ret)
{
	if (!str_eq(value, STR("suspend")) && !str_eq(value, STR("stop")))
		return false;
	*ret = str_eq(value, STR("stop")) ? CONTROL_MACHINE_STOP : CONTROL_MACHINE_SUSPEND;
	return true;
}

/* Of those about machines. */
static bool read_machine_parameter(
	str name, str value, struct control_machine_order *order, bool *ret_is_known)
{
	*ret_is_known = true;
	if (str_eq(name, STR("how")))
		return read_way_to_sleep(value, &order->what);
	if (str_eq(name, STR("force")))
		return read_flag(value, &order->is_forced);
	if (str_eq(name, STR("name")))
		order->name = value;
	else if (str_eq(name, STR("region")))
		order->region = value;
	else if (str_eq(name, STR("key")))
		order->key = value;
	else
		*ret_is_known = false;
	return true;
}

static bool read_hold(str value, str *ret)
{
	for (size_t i = 0; i < value.n; i++) {
		char c = char_lower(value.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	*ret = value;
	return value.n <= HOLD_NAME_MAX;
}

static bool read_parameter(str name, str value, struct query *q)
{
	uint64_t lines;
	bool is_known, is_valid = read_machine_parameter(name, value, &q->machine, &is_known);

	if (is_known)
		return is_valid;
	if (str_eq(name, STR("all")))
		return read_flag(value, &q->is_for_all);
	if (str_eq(name, STR("follow")))
		return read_flag(value, &q->follows);
	if (str_eq(name, STR("wait")))
		return read_flag(value, &q->waits);
	if (str_eq(name, STR("keep_going")))
		return read_flag(value, &q->roll.keeps_going);
	if (str_eq(name, STR("now")))
		return read_flag(value, &q->roll.is_hurried);
	if (str_eq(name, STR("timeout")))
		return number_parse_duration(value, &q->roll.timeout) == 0;
	if (str_eq(name, STR("path"))) {
		q->path = value;
		return true;
	}
	if (str_eq(name, STR("tenant"))) {
		q->tenant = value;
		return true;
	}
	if (str_eq(name, STR("user"))) {
		q->user = value;
		return true;
	}
	if (str_eq(name, STR("version"))) {
		q->has_version = true;
		return number_parse(value, UINT64_MAX, &q->version) == 0;
	}
	if (str_eq(name, STR("only")))
		return read_flag(value, &q->only_that);
	if (str_eq(name, STR("dry_run")))
		return read_flag(value, &q->is_dry);
	if (str_eq(name, STR("by"))) {
		q->by = value;
		return value.n <= BY_MAX;
	}
	if (str_eq(name, STR("hold")))
		return read_hold(value, &q->hold);
	if (str_eq(name, STR("for"))) {
		q->has_length = true;
		return number_parse_duration(value, &q->length) == 0;
	}
	if (!str_eq(name, STR("n")) || number_parse(value, MAX_LINES, &lines) < 0)
		return false;
	q->lines = (size_t)lines;
	return true;
}

/* False if it contains anything that we do not know. */
static bool read_query(str text, struct query *ret)
{
	str parameter;

	while (str_split(&text, '&', &parameter)) {
		str name;

		if (str_split(&parameter, '=', &name) && !read_parameter(name, parameter, ret))
			return false;
	}
	return true;
}

static const struct control_route *find_tenant_route(struct session *s, str path)
{
	for (size_t i = 0; i < NITEMS(tenant_routes); i++) {
		const struct control_route *r = &tenant_routes[i];

		if (!str_ends(path, r->path))
			continue;
		s->tenant = arena_dup(
			&s->arena, uri_decode(&s->arena, str_slice(path, 0, path.n - r->path.n)));
		return s->tenant.n ? r : NULL;
	}
	return NULL;
}

static const struct control_route *find_machine_route(str path, str *ret_name)
{
	for (size_t i = 0; i < NITEMS(machine_routes); i++) {
		const struct control_route *r = &machine_routes[i];

		if (!str_ends(path, r->path) || path.n == r->path.n)
			continue;
		*ret_name = str_slice(path, 0, path.n - r->path.n);
		return r;
	}
	return NULL;
}

/* By the path; if there are several, by the method. */
static const struct control_route *find_route(
	struct session *s, const struct request_head *h, str *ret_machine)
{
	const struct control_route *found = NULL;
	str path = h->path;

	if (str_starts(path, TENANTS))
		return find_tenant_route(s, str_slice(path, TENANTS.n, path.n));
	if (str_starts(path, MACHINES))
		return find_machine_route(str_slice(path, MACHINES.n, path.n), ret_machine);
	for (size_t i = 0; i < NITEMS(routes); i++)
		if (str_eq(path, routes[i].path) && (!found || h->method == routes[i].method))
			found = &routes[i];
	if (!found && str_starts(path, ROSTER)) {
		s->entry = arena_dup(&s->arena, str_slice(path, ROSTER.n, path.n));
		return &roster_entry;
	}
	return found;
}

/* The name in the path is the one that counts. */
static void answer_route(
	struct session *s, const struct control_route *r, struct query *q, str machine)
{
	if (machine.n)
		q->machine.name = machine;
	r->answer(s, q);
}

void control_route(struct session *s, const struct request_head *h)
{
	struct query query = {.waits = true,
		.lines = DEFAULT_LINES,
		.path = STR_EMPTY,
		.hold = STR_EMPTY,
		.tenant = STR_EMPTY,
		.user = STR_EMPTY,
		.by = STR_EMPTY,
		.machine = {.what = CONTROL_MACHINE_SUSPEND,
			.name = STR_EMPTY,
			.region = STR_EMPTY,
			.key = STR_EMPTY}};
	str machine = STR_EMPTY;
	const struct control_route *r = find_route(s, h, &machine);

	MAGIC_CHECK(s, SESSION_MAGIC);
	if (!r)
		session_refuse(s, 404, STR("no such resource; see fly-atc(1), CONTROL SOCKET"));
	else if (h->method != r->method)
		session_refuse(s, 405,
			r->method == METHOD_POST ? STR("only POST does this")
						 : STR("only GET reads this"));
	else if (s->body.n && r != &roster_entry)
		session_refuse(s, 413, STR("this control request has no body"));
	else if (!read_query(h->query, &query))
		session_refuse(s, 400,
			STR("unknown parameter or value; there are all, follow, wait, now, "
			    "keep_going (0 or 1), n (0 to 1000), timeout (5m), path, tenant, "
			    "user, version (a number), only, dry_run (0 or 1), by, for (5m), "
			    "hold (letters, digits, - and _), and of machines "
			    "how (suspend or stop), force, name, region, key"));
	else if (s->tenant.n && !has_tenant(s, s->tenant))
		refuse_unknown(s, "tenant", s->tenant);
	else
		answer_route(s, r, &query, machine);
}
