/* rig.c - real parts for the tests of backup/: temporary directories, an S3 server, SQLite, the
 * loop. */
/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/program.h"
#include "base/alloc.h"
#include "base/file.h"

static const struct backup_timing quick = {
	.linger = 400,
	.watch_period = 300,
	.stall_limit = 600,
	.first_retry = 200,
	.longest_retry = 800,
	.keep_left = 0,
	.max_released = 1000,
};

char *rig_program(const char *name)
{
	char *path = NULL, *reason = NULL;

	if (program_find(str_of(name), &path, &reason) < 0)
		fail_msg("%s (script/setup builds it)", reason);
	return path;
}

/* The gateway takes no socket from us, so its port is found, and kept from other tests by a name
 * that lives as long as the descriptor. */
static int reserve_port(uint16_t port)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "fly-atc-test-port-%u", port);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close_fd(&fd);
	return -1;
}

static bool is_free(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* Below those that the kernel gives to others. */
static void find_port(struct rig *r)
{
	for (uint16_t port = 20000; port < 30000; port++) {
		r->port_fd = reserve_port(port);
		if (r->port_fd >= 0 && is_free(port)) {
			r->port = port;
			return;
		}
		close_fd(&r->port_fd);
	}
	fail_msg("no free port");
}

static bool is_open(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static NORETURN void run_gateway(const char *program, const char *listen, const char *root)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null_fd, STDOUT_FILENO);
	dup2(null_fd, STDERR_FILENO);
	setenv("ROOT_ACCESS_KEY", "testkey", 1);
	setenv("ROOT_SECRET_KEY", "testsecret", 1);
	execl(program, program, "--port", listen, "--region", "auto", "--quiet", "posix", root,
		NULL);
	_exit(127);
}

void rig_store_up(struct rig *r)
{
	CLEAN_FREE char *program = NULL, *listen = NULL;

	if (!r->port) {
		CLEAN_FREE char *away = xasprintf("%s.away", r->store_dir);

		rig_shell("rm -r %s && mv %s %s", r->store_dir, away, r->store_dir);
		return;
	}
	program = rig_program("versitygw");
	listen = xasprintf("127.0.0.1:%u", r->port);
	r->gateway = fork();
	if (r->gateway == 0)
		run_gateway(program, listen, r->store_dir);
	for (int i = 0; i < 6000 && !is_open(r->port); i++)
		usleep(10000);
	assert_true(is_open(r->port));
}

/* A directory that is a file cannot be written to, not even by root. */
void rig_store_down(struct rig *r)
{
	if (!r->port) {
		CLEAN_FREE char *away = xasprintf("%s.away", r->store_dir);

		rig_shell("mv %s %s && : > %s", r->store_dir, away, r->store_dir);
		return;
	}
	kill(r->gateway, SIGKILL);
	waitpid(r->gateway, NULL, 0);
	r->gateway = 0;
}

void rig_open(struct rig *r)
{
	char *reason = NULL;

	r->backup = backup_new_timed(r->loop, &r->conf, str_of(r->run_dir), &quick, &reason);
	if (!r->backup)
		fail_msg("%s", reason);
}

static void on_done(void *arg, const struct backup_result *result)
{
	struct rig *r = arg;

	r->result = *result;
	r->is_done = true;
	loop_stop(r->loop);
}

static void on_limit(struct timer *t)
{
	loop_stop(t->loop);
}

void rig_turn_for(struct rig *r, msec length)
{
	struct timer limit = {0};

	timer_set(&limit, r->loop, clock_now() + length, on_limit);
	loop_run(r->loop);
	timer_cancel(&limit);
}

static struct backup_result wait_done(struct rig *r)
{
	for (msec end = clock_now() + RIG_LIMIT; !r->is_done && clock_now() < end;)
		rig_turn_for(r, 1000);
	if (!r->is_done)
		fail_msg("no answer within %u ms", RIG_LIMIT);
	r->is_done = false;
	return r->result;
}

void rig_until(struct rig *r, bool (*check)(struct rig *r))
{
	for (msec end = clock_now() + RIG_LIMIT; clock_now() < end; rig_turn_for(r, 20))
		if (check(r))
			return;
	fail_msg("not within %u ms", RIG_LIMIT);
}

void rig_close(struct rig *r)
{
	backup_stop(r->backup, on_done, r);
	wait_done(r);
	backup_free(r->backup);
	r->backup = NULL;
	rig_turn_for(r, 1); /* deferred frees */
}

static void set_store(struct rig *r, enum rig_store kind)
{
	struct backup_conf *conf = &r->conf.backup;

	*conf = (struct backup_conf){.program = STR("litestream"),
		.region = STR("auto"),
		.access_key_id = STR("testkey"),
		.secret_access_key = STR("testsecret"),
		.restore_timeout = 8000,
		.sync_timeout = 2000,
		.max_restores = 4};
	switch (kind) {
	case RIG_NONE:
		return;
	case RIG_FILE:
		r->url = xasprintf("file://%s", r->store_dir);
		rig_shell("mkdir -p %s", r->store_dir);
		break;
	case RIG_S3:
		r->url = xstrdup("s3://atc/some/prefix");
		rig_shell("mkdir -p %s/atc", r->store_dir);
		find_port(r);
		r->endpoint = xasprintf("http://127.0.0.1:%u", r->port);
		conf->endpoint = str_of(r->endpoint);
		rig_store_up(r);
		break;
	}
	conf->url = str_of(r->url);
}

static void publish(void *arg)
{
	(void)arg;
	log_publish();
}

struct rig *rig_new(enum rig_store kind)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	r->port_fd = -1;
	r->dir = xstrdup("/tmp/fly-atc-backup-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->run_dir = xasprintf("%s/run", r->dir);
	r->store_dir = xasprintf("%s/store", r->dir);
	assert_int_equal(mkdir(r->run_dir, 0700), 0);
	set_store(r, kind);
	r->dbs[0] = (struct database_conf){.name = STR("primary"),
		.path = STR("storage/production.sqlite3"),
		.has_backup = true};
	r->dbs[1] = (struct database_conf){.name = STR("queue"),
		.path = STR("storage/production_queue.sqlite3"),
		.has_backup = true};
	r->app.files = FILES_NONE; /* tests leave scratch files beside their databases */
	r->app.databases = r->dbs;
	r->app.ndatabases = 1;
	r->tenant = (struct tenant_conf){.id = STR("bellevue/2025/winter"), .app = &r->app};
	r->tenant.dir = str_of(xasprintf("%s/tenants/bellevue/2025/winter", r->dir));
	r->loop = loop_new();
	loop_on_turn(r->loop, publish, NULL);
	rig_open(r);
	return r;
}

void rig_add_queue(struct rig *r)
{
	r->app.ndatabases = 2;
}

void rig_free(struct rig *r)
{
	if (r->backup)
		rig_close(r);
	if (r->gateway) {
		kill(r->gateway, SIGKILL);
		waitpid(r->gateway, NULL, 0);
	}
	close_fd(&r->port_fd);
	loop_free(r->loop);
	rig_shell("rm -rf %s", r->dir);
	free((char *)(uintptr_t)r->tenant.dir.p);
	free(r->dir);
	free(r->run_dir);
	free(r->store_dir);
	free(r->url);
	free(r->endpoint);
	free(r);
}

struct backup_result rig_restore(struct rig *r)
{
	backup_restore(r->backup, &r->tenant, on_done, r);
	return wait_done(r);
}

struct backup_result rig_attach(struct rig *r)
{
	backup_attach(r->backup, &r->tenant, on_done, r);
	return wait_done(r);
}

struct backup_result rig_detach(struct rig *r)
{
	backup_detach(r->backup, &r->tenant, on_done, r);
	return wait_done(r);
}

static void must_be_ok(struct backup_result result)
{
	if (!result.is_ok)
		fail_msg("%s", result.reason);
}

void rig_wake(struct rig *r)
{
	must_be_ok(rig_restore(r));
	must_be_ok(rig_attach(r));
}

void rig_sleep(struct rig *r)
{
	must_be_ok(rig_detach(r));
}

char *rig_path(struct rig *r, const char *name)
{
	for (size_t i = 0; i < NITEMS(r->dbs); i++)
		if (str_eq(r->dbs[i].name, str_of(name)))
			return xasprintf(STR_FMT "/" STR_FMT, STR_ARG(r->tenant.dir),
				STR_ARG(r->dbs[i].path));
	fail_msg("no database %s", name);
	return NULL;
}

static int on_row(void *arg, int n, char **values, char **names)
{
	(void)names;
	*(int *)arg = n > 0 && values[0] ? atoi(values[0]) : 0;
	return 0;
}

static int query(struct rig *r, const char *name, const char *sql)
{
	CLEAN_FREE char *path = rig_path(r, name);
	sqlite3 *db = NULL;
	char *error = NULL;
	int value = -1;

	assert_int_equal(file_make_parents(FILE_GIVEN, path, 0755), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, sql, on_row, &value, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
	return value;
}

void rig_sql(struct rig *r, const char *name, const char *sql)
{
	query(r, name, sql);
}

int rig_count(struct rig *r, const char *name)
{
	return query(r, name, "SELECT count(*) FROM t");
}

void rig_make_rows(struct rig *r, const char *name, int n)
{
	CLEAN_FREE char *sql = xasprintf(
		"PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS t(x);"
		"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)"
		"INSERT INTO t SELECT hex(randomblob(20)) FROM c",
		n);

	rig_sql(r, name, sql);
}

void rig_wipe(struct rig *r)
{
	rig_shell("rm -rf " STR_FMT, STR_ARG(r->tenant.dir));
}

void rig_shell(const char *fmt, ...)
{
	char *command;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
	free(command);
}

bool rig_exists(const char *fmt, ...)
{
	char *path;
	va_list ap;
	bool is_there;

	va_start(ap, fmt);
	assert_true(vasprintf(&path, fmt, ap) > 0);
	va_end(ap);
	is_there = access(path, F_OK) == 0;
	free(path);
	return is_there;
}

char *rig_object(struct rig *r, const char *key)
{
	struct buf body = {0};
	struct etag etag;
	struct why why;
	char *text = NULL;
	int result = store_get(r->backup->store, key, clock_now() + 5000, &body, &etag, &why);

	if (result == 0)
		text = str_dup(buf_str(&body));
	else if (result != -ENOENT)
		fail_msg("%s", why.text);
	buf_done(&body);
	return text;
}

void rig_put_object(struct rig *r, const char *key, const char *text)
{
	struct buf body = {0};
	struct etag etag;
	struct why why;
	int result = store_get(r->backup->store, key, clock_now() + 5000, &body, &etag, &why);

	buf_done(&body);
	result = store_put(r->backup->store, key, str_of(text), result == 0 ? &etag : NULL,
		clock_now() + 5000, &etag, &why);
	if (result < 0)
		fail_msg("%s", why.text);
}

void rig_remove_object(struct rig *r, const char *prefix)
{
	struct why why;

	if (store_remove(r->backup->store, prefix, 1000, clock_now() + 5000, &why) <= 0)
		fail_msg("nothing removed below %s", prefix);
}

pid_t rig_daemon_pid(struct rig *r)
{
	struct buf text = {0};
	json_t *json;
	pid_t pid;

	backup_status_json(r->backup, &text);
	json = json_loadb(text.p + text.start, buf_len(&text), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	pid = (pid_t)json_integer_value(json_object_get(json_object_get(json, "daemon"), "pid"));
	json_decref(json);
	buf_done(&text);
	return pid;
}
