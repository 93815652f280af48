/* trial.c - a database, a Litestream, a restore; row by row. */
/* SPDX-License-Identifier: MIT */
#include "backup/trial.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/identity.h"
#include "backup/replica.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/magic.h"
#include "process/process.h"

#define ROUNDS	     8
#define SOME_ROWS    150  /* some frames of a WAL, of a thousand that SQLite lets it have */
#define MANY_ROWS    1400 /* more frames than before */
#define ANEW_ROWS    10	  /* fewer than what was confirmed of the previous WAL */
#define LOOK_AT_SALT 5
#define LIMIT	     30000u /* msec for all of it */
#define MAX_DEATHS   3u
#define HASH_TEXT    DIGEST_HEX_SIZE(DIGEST_SHA256)
#define PASSED	     "This Litestream keeps what is committed.\n"

enum { TRIAL_MAGIC = MAGIC('t', 'r', 'i', 'a') };

struct trial {
	uint32_t magic;
	struct loop *loop;
	const char *program;
	char *dir, *path, *url, *copy;
	char **env;
	struct location location;
	struct daemon *daemon;
	struct registry registry;
	struct replica replica;
	struct process *restore;
	struct timer limit;
	sqlite3 *db;
	sqlite3_stmt *insert;
	int round, rows, result;
	unsigned deaths;
	struct why why;
};

/* --- the database --- */

static int trial_fail(struct trial *t, const char *what)
{
	why_set(&t->why, "cannot %s: %s", what, t->db ? sqlite3_errmsg(t->db) : strerror(errno));
	return -EIO;
}

static int open_database(struct trial *t)
{
	if (sqlite3_open(t->path, &t->db) != SQLITE_OK ||
		sqlite3_exec(t->db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000; "
			"CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT); "
			"CREATE INDEX bodies ON rows (body)",
			NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(t->db,
			"INSERT INTO rows VALUES (?1, 'body ' || (?1 * 7919 % 10007))", -1,
			&t->insert, NULL) != SQLITE_OK)
		return trial_fail(t, "make a database to try with");
	return 0;
}

/* Each row is a commit of its own. */
static int write_rows(struct trial *t, int n)
{
	for (int i = 0; i < n; i++) {
		bool is_done;

		sqlite3_bind_int(t->insert, 1, ++t->rows);
		is_done = sqlite3_step(t->insert) == SQLITE_DONE;
		sqlite3_reset(t->insert);
		if (!is_done)
			return trial_fail(t, "write to the database to try with");
	}
	return 0;
}

/* Until SQLite has restarted its WAL, once, and not up to where it was confirmed before: a
 * Litestream that does not prevent it finds its last frame replaced, and goes on at the new
 * beginning. */
static int write_until_anew(struct trial *t)
{
	struct identity before = {0}, now = {0};
	int r = identity_look_at_wal(t->path, &before);

	for (int i = 0; i < MANY_ROWS && r == 0; i += LOOK_AT_SALT) {
		r = write_rows(t, LOOK_AT_SALT);
		if (r == 0)
			r = identity_look_at_wal(t->path, &now);
		if (r == 0 && memcmp(now.wal_salt, before.wal_salt, sizeof(now.wal_salt)) != 0)
			return write_rows(t, ANEW_ROWS);
	}
	return r;
}

static int write_round(struct trial *t)
{
	return t->round % 2 ? write_rows(t, SOME_ROWS) : write_until_anew(t);
}

/* The rows that are there as they were written. */
static int count_good(sqlite3 *db)
{
	sqlite3_stmt *query = NULL;
	int good = -1;

	if (sqlite3_prepare_v2(db,
		    "SELECT count(*) FROM rows WHERE body = 'body ' || (id * 7919 % 10007) AND id IN "
		    "(SELECT id FROM rows INDEXED BY bodies WHERE body LIKE 'body %')",
		    -1, &query, NULL) == SQLITE_OK &&
		sqlite3_step(query) == SQLITE_ROW)
		good = sqlite3_column_int(query, 0);
	sqlite3_finalize(query);
	return good;
}

static void compare_copy(struct trial *t)
{
	sqlite3 *db = NULL;
	int good = -1;

	if (sqlite3_open_v2(t->copy, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
		good = count_good(db);
	t->result = good == t->rows ? 0 : -EUCLEAN;
	if (good < 0)
		why_set(&t->why, "what it restores is damaged: %s", sqlite3_errmsg(db));
	else if (good != t->rows)
		why_set(&t->why, "of %d rows that were committed and confirmed %d came back",
			t->rows, good);
	sqlite3_close(db);
}

/* --- the steps --- */

static void end_trial(struct trial *t, int result)
{
	t->result = result;
	loop_stop(t->loop);
}

static void on_trial_limit(struct timer *timer)
{
	struct trial *t = container_of(timer, struct trial, limit);

	MAGIC_CHECK(t, TRIAL_MAGIC);
	why_set(&t->why, "not done within %u s (%s)", LIMIT / 1000,
		*daemon_why(t->daemon) ? daemon_why(t->daemon) : "it is ready");
	end_trial(t, -EIO);
}

static void on_trial_output(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	(void)is_cut;
	if (stream == PROCESS_STDERR && line.n)
		why_set(&t->why, "its restore says: " STR_FMT, STR_ARG(line));
}

static void on_copy_restored(void *arg, int status)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	t->restore = NULL;
	if (status == 0)
		compare_copy(t);
	end_trial(t, status == 0 ? t->result : -EUCLEAN);
}

static void start_restore(struct trial *t)
{
	char restore[] = "restore", output[] = "-o";
	char *argv[] = {(char *)(uintptr_t)t->program, restore, output, t->copy, t->url, NULL};
	struct process_spec spec = {.name = "litestream restore",
		.program = t->program,
		.argv = argv,
		.env = t->env,
		.on_line = on_trial_output,
		.on_exit = on_copy_restored,
		.arg = t};
	const char *step = NULL;
	int r = process_start(t->loop, &spec, &t->restore, &step);

	if (r == 0)
		return;
	why_set(&t->why, "cannot start %s: %s: %s", t->program, step, strerror(-r));
	end_trial(t, -EIO);
}

static void on_trial_synced(void *arg, struct replica *replica, enum task_result result);

static void confirm_rows(struct trial *t)
{
	task_start(&t->registry, &t->replica, TASK_SYNC, loop_now(t->loop) + LIMIT, false,
		on_trial_synced, t);
}

static void on_trial_synced(void *arg, struct replica *replica, enum task_result result)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	if (result != TASK_DONE) {
		why_set(&t->why, "it does not confirm: %s", replica->why.text);
		end_trial(t, -EIO);
	} else if (t->round++ == ROUNDS) {
		start_restore(t);
	} else if (write_round(t) < 0) {
		end_trial(t, -EIO);
	} else {
		confirm_rows(t);
	}
}

static void on_ready(void *arg)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	registry_ready(&t->registry);
}

static void on_lost(void *arg)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	registry_lost(&t->registry);
	if (++t->deaths == MAX_DEATHS) {
		why_set(&t->why, "%s", daemon_why(t->daemon));
		end_trial(t, -EIO);
	}
}

static void on_stopped(void *arg)
{
	struct trial *t = arg;

	MAGIC_CHECK(t, TRIAL_MAGIC);
	loop_stop(t->loop);
}

/* --- the place --- */

static int make_directory(struct trial *t, const char *place)
{
	const char *tmp = getenv("TMPDIR");
	int r;

	t->dir = place ? xstrdup(place)
		       : xasprintf("%s/fly-atc-trial-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	r = place ? file_make_new_dir(FILE_GIVEN, t->dir, 0700) : mkdtemp(t->dir) ? 0 : -errno;
	if (r == 0)
		return 0;
	free(t->dir);
	t->dir = NULL;
	errno = -r;
	return trial_fail(t, "make a directory for a trial");
}

static int make_place(struct trial *t, const char *place)
{
	int r = make_directory(t, place);

	if (r < 0)
		return r;
	t->path = xasprintf("%s/db", t->dir);
	t->copy = xasprintf("%s/copy", t->dir);
	t->url = xasprintf("file://%s/store", t->dir);
	t->location.kind = LOCATION_FILE;
	return open_database(t);
}

static int make_daemon(struct trial *t)
{
	CLEAN_FREE char *reason = NULL;
	struct daemon_spec spec = {.program = t->program,
		.keys_fd = -1, /* its store is a directory */
		.run_dir = str_of(t->dir),
		.on_ready = on_ready,
		.on_lost = on_lost,
		.arg = t};

	t->loop = loop_new();
	t->env = program_env(&t->location);
	spec.loop = t->loop;
	spec.env = t->env;
	t->daemon = daemon_new(&spec, &reason);
	if (!t->daemon) {
		why_set(&t->why, "%s", reason);
		return -EIO;
	}
	registry_init(&t->registry, t->loop);
	t->registry.daemon = t->daemon;
	t->replica = (struct replica){.path = t->path, .url = t->url};
	return 0;
}

static void clear(struct trial *t)
{
	sqlite3_finalize(t->insert);
	sqlite3_close(t->db);
	if (t->dir && file_remove_tree(FILE_GIVEN, t->dir) < 0)
		t->dir[0] = '\0'; /* others can find it in the directory for temporary files */
	program_env_free(t->env);
	free(t->dir);
	free(t->path);
	free(t->copy);
	free(t->url);
}

static int try_out(struct trial *t, const char *place)
{
	int r = make_place(t, place);

	if (r == 0)
		r = make_daemon(t);
	if (r < 0)
		return r;
	timer_set(&t->limit, t->loop, clock_now() + LIMIT, on_trial_limit);
	daemon_hold(t->daemon);
	confirm_rows(t);
	loop_run(t->loop);
	r = t->result;
	timer_cancel(&t->limit);
	if (t->restore)
		process_signal(t->restore, SIGKILL);
	daemon_drop(t->daemon);
	daemon_replace(t->daemon, true, "the trial is over");
	daemon_stop(t->daemon, on_stopped, t);
	loop_run(t->loop);
	return r;
}

/* --- what was tried before --- */

static int hash_file(const char *path, char ret[HASH_TEXT])
{
	CLEAN_FD int fd = -1;
	unsigned char digest[DIGEST_SHA256];

	if (file_open_given(path, &fd) < 0 || digest_file_sha256(fd, digest) < 0)
		return -EIO;
	digest_write_hex(digest, sizeof(digest), ret);
	return 0;
}

/* Where it is remembered: two directories, of which each may be missing. */
struct memories {
	char *dirs[2];
};

static void memories_of(const char *memory, struct memories *ret)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	ret->dirs[0] = memory ? xstrdup(memory) : NULL;
	ret->dirs[1] = cache && *cache ? xasprintf("%s/fly-atc/trials", cache)
		       : home && *home ? xasprintf("%s/.cache/fly-atc/trials", home)
				       : NULL;
}

static void memories_done(struct memories *m)
{
	for (size_t i = 0; i < NITEMS(m->dirs); i++)
		free(m->dirs[i]);
}

static bool is_in(const char *dir, const char *name)
{
	CLEAN_FREE char *path = dir ? xasprintf("%s/%s", dir, name) : NULL;

	return path && access(path, F_OK) == 0;
}

static bool is_remembered(const struct memories *m, const char *name)
{
	bool is = false;

	for (size_t i = 0; i < NITEMS(m->dirs); i++)
		is |= is_in(m->dirs[i], name);
	return is;
}

static void remember_trial(const char *dir, const char *name)
{
	CLEAN_FREE char *path = dir && name ? xasprintf("%s/%s", dir, name) : NULL;

	if (path && file_make_parents(FILE_GIVEN, path, 0700) == 0 &&
		file_write(FILE_GIVEN, path, STR(PASSED), 0600) < 0)
		return; /* then it is tried again; that is all */
}

/* NULL where the file cannot be looked at. */
static char *name_of_inode(const char *program)
{
	struct stat st;

	if (stat(program, &st) < 0)
		return NULL;
	return xasprintf(FLY_ATC_VERSION "-%llx-%llx-%llx-%lld.%09ld-%lld.%09ld",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		(unsigned long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		(long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static char *name_of_content(const char *program)
{
	char hash[HASH_TEXT];

	return hash_file(program, hash) < 0 ? NULL : xasprintf(FLY_ATC_VERSION "-%s", hash);
}

bool trial_has_passed(const char *program, const char *memory)
{
	CLEAN_FREE char *name = name_of_inode(program);
	struct memories m;
	bool has;

	memories_of(memory, &m);
	has = name && is_remembered(&m, name);
	memories_done(&m);
	return has;
}

static int run_trial(const char *program, const char *place, struct why *ret_why)
{
	struct trial t = {.magic = TRIAL_MAGIC, .program = program};
	int r = try_out(&t, place);

	daemon_free(t.daemon);
	registry_done(&t.registry);
	loop_free(t.loop);
	clear(&t);
	MAGIC_END(&t, TRIAL_MAGIC);
	*ret_why = t.why;
	return r;
}

int trial_run(const char *program, const char *place, const char *memory, struct why *ret_why)
{
	/* Both before it is tried: it may be replaced meanwhile. */
	CLEAN_FREE char *inode = name_of_inode(program), *content = name_of_content(program);
	struct memories m;
	bool is_known;
	int r = 0;

	memories_of(memory, &m);
	is_known = content && is_remembered(&m, content);
	if (!is_known)
		r = run_trial(program, place, ret_why);
	for (size_t i = 0; i < NITEMS(m.dirs) && r == 0; i++) {
		if (is_known && !is_in(m.dirs[i], content))
			continue; /* one memory does not vouch for the other */
		remember_trial(m.dirs[i], content);
		remember_trial(m.dirs[i], inode);
	}
	memories_done(&m);
	return r;
}

void trial_explain(const char *program, const char *version, int result, const struct why *why,
	struct buf *out)
{
	if (result == -EUCLEAN)
		buf_printf(out,
			"%s (Litestream %s) loses commits, whatever its version: in a trial on this machine "
			"%s. " PROGRAM_INSTALL,
			program, version, why->text);
	else
		buf_printf(out, "%s (Litestream %s) could not be tried: %s", program, version,
			why->text);
}

int trial_main(char **argv)
{
	struct why why = {""};
	int r = trial_run(argv[2], *argv[3] ? argv[3] : NULL, *argv[4] ? argv[4] : NULL, &why);

	if (r < 0)
		puts(why.text);
	return r == 0 ? TRIAL_PASSED : r == -EUCLEAN ? TRIAL_LOSES : EXIT_FAILURE;
}
