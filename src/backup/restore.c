/* restore.c - a tenant's databases are made present: plan, children that restore, arrival. */
/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "backup/backup_int.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/number.h"
#include "process/process.h"

#define OUTPUT_MAX    8192u
#define RELEASE_LIMIT 10000u /* msec */
/* Between two looks whether another machine has given a tenant up, and for how long if nothing
 * limits a restore (msec). */
#define HANDOVER_PAUSE 300u
#define HANDOVER_LIMIT 30000u

struct restore;

enum { FETCH_MAGIC = MAGIC('f', 'e', 't', 'c') };

/* `litestream restore` of one database. */
struct fetch {
	uint32_t magic;
	struct list node; /* on backup.restores while it waits */
	struct restore *restore;
	struct plan_database *db;
	struct process *process;
	struct buf out;
	msec started_at;
};

enum { RESTORE_MAGIC = MAGIC('r', 'e', 's', 't') };

struct restore {
	struct op op; /* the first, which is freed */
	uint32_t magic;
	struct plan plan;
	struct fetch *children;
	size_t nchildren, left;
	struct tasks tasks;
	struct timer limit;
	bool is_overdue;
	struct {
		struct timer timer;
		msec until; /* 0: nobody was waited for yet */
	} handover;
};

static struct restore *restore_of(struct op *op)
{
	return container_of(op, struct restore, op);
}

static void tell_notes(struct restore *r)
{
	str rest = buf_str(&r->plan.notes), line;

	while (str_split(&rest, '\n', &line)) {
		struct buf *out = log_line_open(LOG_WARN, "backup");

		log_field_str(out, "tenant", entry_id(r->op.entry));
		log_field_str(out, "note", line);
		log_line_close(out);
	}
	buf_clear(&r->plan.notes);
}

/* --- the end --- */

static void fail_restore(struct restore *r, const char *why)
{
	struct entry *e = r->op.entry;

	if (!e->is_attached)
		head_done(&e->head);
	op_fail(&r->op, why);
}

static void take_plan(struct restore *r)
{
	struct entry *e = r->op.entry;
	bool is_same = e->is_attached && e->head.epoch == r->plan.head.epoch;

	head_done(&e->head);
	e->head = r->plan.head;
	r->plan.head = (struct head){0};
	e->etag = r->plan.etag;
	e->is_offline = r->plan.is_offline;
	if (!e->is_offline)
		files_known(e, r->plan.nfiles);
	e->is_proven = !r->plan.is_changed;
	e->prepared = e->head.prepared;
	if (is_same)
		return;
	entry_set_epoch_urls(e);
	for (size_t i = 0; i < e->ndbs; i++)
		entry_begin_epoch(&e->dbs[i], r->plan.is_changed);
}

static void succeed_restore(struct restore *r)
{
	struct backup_result result = {.is_ok = true, .is_new = r->plan.is_new};

	if (r->plan.store)
		take_plan(r);
	if (r->plan.is_offline)
		snprintf(result.reason, sizeof(result.reason), "%s", r->plan.why.text);
	op_finish(&r->op, &result);
}

static void on_arrived(void *arg)
{
	struct plan *plan = arg;
	struct restore *r = container_of(plan, struct restore, plan);

	MAGIC_CHECK(r, RESTORE_MAGIC);
	tell_notes(r);
	if (r->plan.result < 0)
		fail_restore(r, r->plan.why.text);
	else
		succeed_restore(r);
}

/* --- the children --- */

static void on_children_ended(struct restore *r)
{
	struct backup *b = r->op.entry->b;

	timer_cancel(&r->limit);
	if (r->op.is_cancelled)
		fail_restore(r, OP_GAVE_WAY);
	else if (r->plan.is_changed)
		work_run(b->work, plan_finish, on_arrived, &r->plan);
	else
		succeed_restore(r);
}

static void on_restore_output(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct fetch *c = arg;

	MAGIC_CHECK(c, FETCH_MAGIC);
	(void)is_cut;
	if (stream == PROCESS_STDERR)
		why_set(&c->db->why, STR_FMT, STR_ARG(line)); /* the last one to end reports */
	else if (buf_len(&c->out) + line.n < OUTPUT_MAX)
		buf_add(&c->out, line);
}

/* {"txid":"0000000000000003", …} */
bool restore_read_txid(str out, uint64_t *ret)
{
	json_t *json = json_loadb(out.p, out.n, 0, NULL);
	const char *text = json_string_value(json_object_get(json, "txid"));
	bool has = text && number_parse_hex(str_of(text), INT64_MAX, ret) == 0;

	json_decref(json);
	return has;
}

static void judge_exit(struct fetch *c, int status)
{
	struct plan_database *db = c->db;

	if (c->restore->is_overdue)
		why_set(&db->why, "not done in time, killed");
	else if (WIFSIGNALED(status))
		why_set(&db->why, "ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0 && !restore_read_txid(buf_str(&c->out), &db->came_txid))
		why_set(&db->why, "Litestream did not say which transaction it restored");
	else
		db->has_come = WEXITSTATUS(status) == 0;
}

static void end_child(struct fetch *c)
{
	struct restore *r = c->restore;

	buf_done(&c->out);
	if (--r->left == 0)
		on_children_ended(r);
}

static void on_child_exit(void *arg, int status)
{
	struct fetch *c = arg;
	struct backup *b = c->restore->op.entry->b;

	MAGIC_CHECK(c, FETCH_MAGIC);
	c->process = NULL;
	b->restoring.count--;
	judge_exit(c, status);
	if (c->db->has_come)
		log_info("tenant %s: %s restored to transaction %llu in %llu ms",
			c->restore->op.entry->id, c->db->name, (unsigned long long)c->db->came_txid,
			(unsigned long long)(clock_now() - c->started_at));
	restore_run_waiting(b);
	end_child(c);
}

int restore_child(struct backup *b, const char *url, const char *to, struct process_spec spec,
	struct process **ret, const char **ret_step)
{
	CLEAN_FREE char *from = xstrdup(url), *into = xstrdup(to);
	char restore[] = "restore", json[] = "-json", output[] = "-o";
	char *argv[] = {b->program, restore, json, output, into, from, NULL};

	MAGIC_CHECK(b, BACKUP_MAGIC);
	spec.name = "litestream restore";
	spec.program = b->program;
	spec.argv = argv;
	spec.env = b->env;
	spec.fds = &b->keys_fd;
	spec.nfds = b->keys_fd >= 0;
	return process_start(b->loop, &spec, ret, ret_step);
}

static int start_child(struct fetch *c)
{
	struct entry *e = c->restore->op.entry;
	struct backup *b = e->b;
	CLEAN_FREE char *key = location_replica_key(entry_id(e), c->db->epoch, str_of(c->db->name));
	CLEAN_FREE char *url = location_replica_url(&b->location, key);
	CLEAN_FREE char *to = xasprintf("%s" PLAN_SUFFIX, c->db->path);
	struct process_spec spec = {
		.on_line = on_restore_output, .on_exit = on_child_exit, .arg = c};
	const char *step = NULL;
	int r = restore_child(b, url, to, spec, &c->process, &step);

	if (r < 0)
		why_set(&c->db->why, "cannot start %s: %s: %s", b->program, step, strerror(-r));
	return r;
}

void restore_run_waiting(struct backup *b)
{
	MAGIC_CHECK(b, BACKUP_MAGIC);
	while (!b->probation && b->restoring.count < b->limits.max_restores &&
		!list_is_empty(&b->restoring.waiting)) {
		struct fetch *c = list_first(&b->restoring.waiting, struct fetch, node);

		list_remove(&c->node);
		c->started_at = clock_now();
		if (start_child(c) == 0)
			b->restoring.count++;
		else
			end_child(c);
	}
}

static void end_children(struct restore *r)
{
	for (size_t i = 0; i < r->nchildren; i++) {
		struct fetch *c = &r->children[i];

		if (c->process) {
			process_signal(c->process, SIGKILL);
		} else if (!list_is_empty(&c->node)) {
			list_remove(&c->node);
			why_set(&c->db->why, "its turn did not come in time");
			end_child(c);
		}
	}
}

static void on_restore_limit(struct timer *t)
{
	struct restore *r = container_of(t, struct restore, limit);

	MAGIC_CHECK(r, RESTORE_MAGIC);
	r->is_overdue = true;
	end_children(r);
}

static void start_children(struct restore *r)
{
	struct backup *b = r->op.entry->b;

	r->children = xcalloc(r->plan.ndbs + 1, sizeof(*r->children));
	for (size_t i = 0; i < r->plan.ndbs; i++) {
		struct fetch *c = &r->children[r->nchildren];

		if (!r->plan.dbs[i].is_restored)
			continue;
		r->nchildren++;
		*c = (struct fetch){.magic = FETCH_MAGIC, .restore = r, .db = &r->plan.dbs[i]};
		list_init(&c->node);
		list_append(&b->restoring.waiting, &c->node);
	}
	r->left = r->nchildren;
	if (!r->left) {
		on_children_ended(r);
		return;
	}
	timer_set(&r->limit, b->loop, r->plan.until, on_restore_limit);
	restore_run_waiting(b);
}

/* --- the plan --- */

static void make_plan(struct restore *r);

static void on_restore_released(void *arg, bool is_ok)
{
	struct restore *r = arg;

	MAGIC_CHECK(r, RESTORE_MAGIC);
	if (!is_ok || r->op.is_cancelled) {
		op_fail(&r->op, is_ok ? OP_GAVE_WAY : r->tasks.why.text);
		return;
	}
	entry_unattach(r->op.entry);
	if (r->op.entry->is_pending)
		await_end(r->op.entry, "it was woken again before that");
	r->op.entry->is_pending = false;
	make_plan(r);
}

static void on_handover(struct timer *t)
{
	struct restore *r = container_of(t, struct restore, handover.timer);

	MAGIC_CHECK(r, RESTORE_MAGIC);
	if (r->op.is_cancelled) {
		fail_restore(r, OP_GAVE_WAY);
		return;
	}
	if (loop_now(t->loop) >= r->handover.until)
		log_warn("tenant %s: machine %s has not given it up; it is taken from the store as "
			 "it is there",
			r->op.entry->id, head_holder(&r->plan.head));
	make_plan(r);
}

/* The owner before us may still serve it; when it has brought everything to the store it says so.
 * One that is dead never does. */
static void await_handover(struct restore *r)
{
	struct entry *e = r->op.entry;
	struct backup *b = e->b;
	msec now = loop_now(b->loop), limit = b->limits.restore_timeout / 2;

	if (!r->handover.until) {
		r->handover.until = now + (limit ? limit : HANDOVER_LIMIT);
		log_info("tenant %s: waits until machine %s has given it up", e->id,
			head_holder(&r->plan.head));
	}
	timer_set(&r->handover.timer, b->loop, now + HANDOVER_PAUSE, on_handover);
}

static void on_planned(void *arg)
{
	struct plan *plan = arg;
	struct restore *r = container_of(plan, struct restore, plan);

	MAGIC_CHECK(r, RESTORE_MAGIC);
	tell_notes(r);
	if (r->op.is_cancelled)
		fail_restore(r, OP_GAVE_WAY);
	else if (plan->result < 0)
		fail_restore(r, plan->why.text);
	else if (plan->must_wait && !r->op.is_background)
		await_handover(r);
	else if ((plan->needs_change || plan->must_wait) && r->op.is_background)
		fail_restore(r, "its files are not the latest: left for the next wake");
	else if (plan->needs_change)
		tasks_start(&r->tasks, r->op.entry, TASK_RELEASE,
			loop_now(r->op.entry->b->loop) + RELEASE_LIMIT, false, on_restore_released,
			r);
	else
		start_children(r);
}

static void make_plan(struct restore *r)
{
	struct entry *e = r->op.entry;
	struct backup *b = e->b;

	plan_done(&r->plan);
	r->plan = (struct plan){.store = b->store,
		.store_url = b->location.url,
		.tenant = entry_id(e),
		.dir = e->dir,
		.base = e->base,
		.files_matter = e->files_matter,
		.until = msec_limit(loop_now(b->loop), b->limits.restore_timeout),
		.may_change = !e->is_attached && !r->op.is_background,
		.has_waited = r->handover.until && loop_now(b->loop) >= r->handover.until,
		.ndbs = e->ndbs};
	r->plan.dbs = xcalloc(e->ndbs + 1, sizeof(*r->plan.dbs));
	for (size_t i = 0; i < e->ndbs; i++)
		r->plan.dbs[i] = (struct plan_database){.name = e->dbs[i].name,
			.path = e->dbs[i].path,
			.has_backup = e->dbs[i].has_backup};
	if (b->store) {
		work_run(b->work, plan_make, on_planned, &r->plan);
		return;
	}
	/* Looking at a few files here takes less time than making a thread. */
	plan_make(&r->plan);
	on_planned(&r->plan);
}

static void restore_start(struct op *op)
{
	struct restore *r = restore_of(op);
	struct backup *b = op->entry->b;

	if (entry_has_backup(op->entry))
		daemon_warm(b->daemon);
	make_plan(r);
}

static void restore_cancel(struct op *op)
{
	struct restore *r = restore_of(op);

	if (timer_is_set(&r->handover.timer))
		timer_set(&r->handover.timer, op->entry->b->loop, loop_now(op->entry->b->loop),
			on_handover);
	end_children(r);
	tasks_cancel(&restore_of(op)->tasks, OP_GAVE_WAY);
}

static void restore_free(struct op *op)
{
	struct restore *r = restore_of(op);

	timer_cancel(&r->limit);
	timer_cancel(&r->handover.timer);
	plan_done(&r->plan);
	tasks_done(&r->tasks);
	for (size_t i = 0; i < r->nchildren; i++)
		MAGIC_END(&r->children[i], FETCH_MAGIC);
	free(r->children);
	MAGIC_END(r, RESTORE_MAGIC);
}

struct op *restore_op(bool is_background)
{
	struct restore *r = xcalloc(1, sizeof(*r));

	MAGIC_BEGIN(r, RESTORE_MAGIC);
	r->op = (struct op){.magic = OP_MAGIC,
		.start = restore_start,
		.cancel = restore_cancel,
		.free = restore_free,
		.is_background = is_background};
	return &r->op;
}
