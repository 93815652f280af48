/* world.c - a control server on a real socket, and what a test asks of it. */
/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "control/client.h"

struct world w;

static void op_global(void *arg, struct control_global *ret)
{
	struct world *world = arg;

	*ret = (struct control_global){.address = STR("*:8080"),
		.threads = 2,
		.proxy_restarts = 3,
		.conf = &world->conf,
		.is_proxy_configured = true,
		.started_at = loop_now(world->loop)};
}

static void show_winter(control_tenant_fn *each, void *each_arg)
{
	struct control_tenant t = {.id = STR(WINTER),
		.state = TENANT_FAILED,
		.has_woken = true,
		.home.is_here = true,
		.pid = getpid(),
		.in_flight = 1,
		.requests = 42,
		.wake = {1, 20, 300, 4000},
		.since_began = {.starts = 2, .restarts = 1},
		.cache = {1000, 2, 30, 10},
		.failure.reason = STR("exit 1"),
		.isolation = STR("private directories")};

	each(each_arg, &t);
}

static void show_sleeper(size_t i, control_tenant_fn *each, void *each_arg)
{
	char id[32];
	struct control_tenant t = {.home.is_here = true};

	snprintf(id, sizeof(id), "sleeper/%zu", i);
	t.id = str_of(id);
	each(each_arg, &t);
}

static void op_tenants(void *arg, bool all, control_tenant_fn *each, void *each_arg)
{
	struct world *world = arg;

	show_winter(each, each_arg);
	for (size_t i = 1; all && i < world->ntenants; i++)
		show_sleeper(i, each, each_arg);
}

static bool op_tenant(void *arg, str id, control_tenant_fn *each, void *each_arg)
{
	(void)arg;
	if (str_eq(id, STR(WINTER)))
		show_winter(each, each_arg);
	else if (str_starts(id, STR("sleeper/")))
		show_sleeper(1, each, each_arg);
	else
		return false;
	return true;
}

static void take(const char *verb, str id, control_done_fn *done, void *done_arg)
{
	size_t n = w.npending;

	assert(n < MAX_PENDING);
	snprintf(w.asked, sizeof(w.asked), "%s " STR_FMT, verb, STR_ARG(id));
	w.pending[n] = (struct pending){done, done_arg};
	w.npending = n + 1;
}

static void op_start(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("start", id, done, done_arg);
}

static void op_stop(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("stop", id, done, done_arg);
}

static void op_restart(void *arg, str id, control_done_fn *done, void *done_arg)
{
	(void)arg;
	take("restart", id, done, done_arg);
}

static void op_busy(void *arg, str id, str hold, msec length, control_done_fn *done, void *done_arg)
{
	char *verb =
		xasprintf("busy %llu \"" STR_FMT "\"", (unsigned long long)length, STR_ARG(hold));

	(void)arg;
	take(verb, id, done, done_arg);
	free(verb);
}

static void op_tail(void *arg, str id, size_t n, control_line_fn *each, void *each_arg)
{
	struct control_line line = {
		.time = 1735689600042, .is_stderr = true, .text = STR("old \"line\"")};

	(void)arg;
	if (str_eq(id, STR(WINTER)))
		for (size_t i = 0; i < MIN(n, (size_t)3); i++)
			each(each_arg, &line);
}

struct reload_call {
	control_reload_fn *done;
	void *arg;
};

static void finish_reload(void *arg)
{
	struct reload_call *call = arg;
	struct control_reload r = {.faults = &w.faults,
		.is_in_use = !w.is_proxy_late,
		.why_not = "the proxy is late",
		.added = 1,
		.removed = 2,
		.changed = 3,
		.needs_restart = STR("http_port threads")};

	call->done(call->arg, &r);
	free(call);
}

static void op_reload(void *arg, control_reload_fn *done, void *done_arg)
{
	struct reload_call *call = xcalloc(1, sizeof(*call));

	(void)arg;
	*call = (struct reload_call){done, done_arg};
	loop_defer(w.loop, finish_reload, call);
}

static void op_backup(void *arg, struct buf *json)
{
	(void)arg;
	buf_add(json, STR("{\"url\":\"file:///b\"}"));
}

struct purge_call {
	control_purged_fn *done;
	void *arg;
};

static void finish_purge(void *arg)
{
	struct purge_call *call = arg;

	call->done(call->arg, 0, 3);
	free(call);
}

static void op_purge(void *arg, str id, str path, control_purged_fn *done, void *done_arg)
{
	struct purge_call *call = xcalloc(1, sizeof(*call));

	(void)arg;
	snprintf(
		w.asked, sizeof(w.asked), "purge " STR_FMT " " STR_FMT, STR_ARG(id), STR_ARG(path));
	*call = (struct purge_call){done, done_arg};
	loop_defer(w.loop, finish_purge, call);
}

struct roll_call {
	control_rolled_fn *each;
	void *arg;
};

static void finish_roll(void *arg)
{
	struct roll_call *call = arg;
	struct control_rolled_tenant waits =
					     {
						     .what = ROLLED_WAITS,
						     .id = STR(WINTER),
						     .reason = STR("1 open tunnel"),
					     },
				     replaced =
					     {
						     .what = ROLLED_REPLACED,
						     .id = STR(WINTER),
						     .reason = STR_EMPTY,
						     .wake = {1, 20, 300, 4000},
					     },
				     over = {
					     .what = ROLLED_OVER,
					     .id = STR_EMPTY,
					     .reason = STR_EMPTY,
					     .counts = {.replaced = w.nrolled},
				     };

	call->each(call->arg, &waits);
	for (size_t i = 0; i < w.nrolled; i++)
		call->each(call->arg, &replaced);
	call->each(call->arg, &over);
	free(call);
}

static const char *op_restart_all(
	void *arg, const struct control_roll *how, control_rolled_fn *each, void *each_arg)
{
	struct roll_call *call;

	(void)arg;
	snprintf(w.asked, sizeof(w.asked), "roll %d %d %llu", how->keeps_going, how->is_hurried,
		(unsigned long long)how->timeout);
	if (!w.nrolled)
		return "fly-atc is about to end";
	call = xcalloc(1, sizeof(*call));
	*call = (struct roll_call){each, each_arg};
	loop_defer(w.loop, finish_roll, call);
	return NULL;
}

static int op_hold(void *arg, str hold, msec length)
{
	(void)arg;
	snprintf(w.asked, sizeof(w.asked), "hold " STR_FMT " %llu", STR_ARG(hold),
		(unsigned long long)length);
	return str_eq(hold, STR("too-many")) ? -EBUSY : 0;
}

static void op_sleep(void *arg, struct control_sleep *ret)
{
	(void)arg;
	*ret = (struct control_sleep){
		.step = STR("awake"), .how = STR("suspend"), .fault = STR_EMPTY, .holds = 1};
}

/* Machines and the roster are shown and changed by the real program only. */
const struct control_ops ops = {
	.global = op_global,
	.tenants = op_tenants,
	.tenant = op_tenant,
	.start = op_start,
	.stop = op_stop,
	.restart = op_restart,
	.busy = op_busy,
	.hold = op_hold,
	.sleep = op_sleep,
	.tail = op_tail,
	.reload = op_reload,
	.backup = op_backup,
	.purge = op_purge,
	.restart_all = op_restart_all,
};

static void *run(void *unused)
{
	(void)unused;
	loop_run(w.loop);
	return NULL;
}

int set_up(void **state)
{
	char *reason = NULL;

	(void)state;
	w = (struct world){.ntenants = 3};
	snprintf(w.directory, sizeof(w.directory), "/tmp/control-XXXXXX");
	assert_non_null(mkdtemp(w.directory));
	snprintf(w.path, sizeof(w.path), "%s/run/control.sock", w.directory);
	w.conf.ntenants = w.ntenants;
	w.conf.version = 7;
	w.conf.file = STR("config/atc.yml");
	w.conf.target = TARGET_NONE;
	w.conf.our_machine = w.conf.our_region = STR_EMPTY;
	w.loop = loop_new();
	w.control = control_new(w.loop, str_of(w.path), &ops, &w, &reason);
	assert_non_null(w.control);
	return pthread_create(&w.thread, NULL, run, NULL);
}

struct call {
	loop_fn *fn;
	sem_t done;
};

static void on_call(void *arg)
{
	struct call *call = arg;

	call->fn(NULL);
	sem_post(&call->done);
}

void in_server(loop_fn *fn)
{
	struct call call = {.fn = fn};

	sem_init(&call.done, 0, 0);
	loop_post(w.loop, on_call, &call);
	sem_wait(&call.done);
	sem_destroy(&call.done);
}

void free_control(void *unused)
{
	(void)unused;
	control_free(w.control);
	w.control = NULL;
}

static void stop_loop(void *unused)
{
	(void)unused;
	loop_stop(w.loop);
}

int tear_down(void **state)
{
	char run_dir[48];

	(void)state;
	in_server(free_control);
	in_server(stop_loop);
	pthread_join(w.thread, NULL);
	loop_free(w.loop);
	assert_int_equal(access(w.path, F_OK), -1);
	snprintf(run_dir, sizeof(run_dir), "%s/run", w.directory);
	rmdir(run_dir);
	return rmdir(w.directory);
}

void on_data(void *arg, unsigned status, str piece)
{
	(void)status;
	buf_add(arg, piece);
}

char *ask_text(const char *method, const char *target, unsigned expected)
{
	struct buf body = {0};
	unsigned status = 0;
	char *text;

	assert_int_equal(
		client_ask(w.path, method, str_of(target), STR_EMPTY, on_data, &body, &status), 0);
	assert_int_equal(status, expected);
	text = str_dup(buf_str(&body));
	buf_done(&body);
	return text;
}

json_t *ask(const char *method, const char *target, unsigned expected)
{
	char *text = ask_text(method, target, expected);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(j);
	free(text);
	return j;
}

int connect_raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 10};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", w.path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

char *read_raw(int fd, const char *until)
{
	struct buf in = {0};
	char *text;

	for (;;) {
		char *room = buf_room(&in, 4097);
		ssize_t n = read(fd, room, 4096);

		if (n <= 0)
			break;
		buf_added(&in, (size_t)n);
		*buf_room(&in, 1) = 0;
		if (until && strstr(buf_str(&in).p, until))
			break;
	}
	text = str_dup(buf_str(&in));
	buf_done(&in);
	return text;
}

void send_raw(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

void assert_raw(const char *request, const char *expected)
{
	int fd = connect_raw();
	char *text;

	send_raw(fd, request);
	shutdown(fd, SHUT_WR);
	text = read_raw(fd, NULL);
	if (!strstr(text, expected))
		fail_msg("%s is not in: %s", expected, text);
	free(text);
	close(fd);
}

size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

long long number_at(json_t *j, const char *key)
{
	assert_true(json_is_integer(json_object_get(j, key)));
	return json_integer_value(json_object_get(j, key));
}

const char *text_at(json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "(none)";
}
