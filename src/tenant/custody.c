/* custody.c - the locks on a storage, and claims on tenants that another fly-atc still has. */
/* SPDX-License-Identifier: MIT */
#include "tenant/custody.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/number.h"
#include "tenant/neighbours.h"

/* The kernel does not tell when a lock is free. */
#define CLAIM_PAUSE 20
#define ALONE_PAUSE 250
/* A neighbour that was busy hears it again. */
#define ASK_AGAIN 1000
/* Who has asked for a tenant finds it free within CLAIM_PAUSE, unless it is very busy. */
#define GRACE 1000
/* How long the guards of a killed one may need. */
#define GUARD_LIMIT 3000
#define GUARD_PAUSE 10

enum { CUSTODY_MAGIC = MAGIC('c', 'u', 's', 't') };

/* A tenant that was given to another one, a moment ago. */
struct gift {
	struct list node;
	off_t at;
	msec until;
};

struct custody {
	uint32_t magic;
	struct loop *loop;
	bool shares;
	bool is_admitted; /* nobody has the storage who does not share it */
	bool is_alone;
	int family_fd, lock_fd, dir_fd;
	struct neighbours neighbours;
	struct list waiting; /* claims */
	struct list gifts;
	struct timer timer;
	msec alone_at; /* when to try again to have all */
	const struct custody_events *events;
	void *arg;
};

/* --- locks --- */

/* The same in each process, for ever.  Two tenants of which the numbers are equal would only have
 * to be given together. */
static off_t byte_of(str id)
{
	return (off_t)(hash_keyed(id, 0x666c792d617463, 0x637573746f6479) >> 2);
}

/* 0, -EWOULDBLOCK, or another -errno.  Of what we have already it is 0. */
static int lock_bytes(const struct custody *c, short type, off_t from, off_t count)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = count};

	if (fcntl(c->lock_fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EWOULDBLOCK : -errno;
}

static int lock_all(const struct custody *c)
{
	return lock_bytes(c, F_WRLCK, 0, 0);
}

static int lock_family(const struct custody *c)
{
	int how = (c->shares ? LOCK_SH : LOCK_EX) | LOCK_NB;

	return flock(c->family_fd, how) == 0 ? 0 : -errno;
}

static void read_pid(const struct custody *c, char pid[16])
{
	ssize_t n = pread(c->family_fd, pid, 15, 0);

	pid[MAX(n, 0)] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
}

/* Only for people, and for those who wait for our guards. */
static void write_pid(const struct custody *c)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(c->family_fd, 0) == 0 && pwrite(c->family_fd, text, (size_t)n, 0) < 0)
		log_debug("cannot write our pid into the lock: %s", strerror(errno));
}

static bool is_dead(const char *pid)
{
	uint64_t number;

	return number_parse(str_of(pid), INT32_MAX, &number) == 0 && number &&
	       kill((pid_t)number, 0) < 0 && errno == ESRCH;
}

/* Before anything else is begun, so that there is no loop to be held up. */
static int enter(struct custody *c, char ret_pid[16])
{
	msec until = clock_now() + GUARD_LIMIT;
	int r = lock_family(c);

	while (r == -EWOULDBLOCK && !c->shares && clock_now() < until) {
		read_pid(c, ret_pid);
		if (!is_dead(ret_pid))
			break;
		(void)!poll(NULL, 0, GUARD_PAUSE);
		r = lock_family(c);
	}
	return r;
}

/* --- opening --- */

static int open_files(struct custody *c, const char *storage)
{
	CLEAN_FREE char *family = xasprintf("%s/.lock", storage);
	CLEAN_FREE char *dir = xasprintf("%s/.custody", storage);
	int r = file_open_lock(FILE_GIVEN, family, &c->family_fd);

	if (r == 0 && c->shares)
		r = file_open_dir(FILE_GIVEN, dir, 0700, &c->dir_fd);
	if (r == 0 && c->shares)
		r = file_open_lock(c->dir_fd, "lock", &c->lock_fd);
	if (r == 0 && c->shares)
		r = neighbours_open(&c->neighbours, c->dir_fd);
	return r;
}

/* With others it is no failure not to get them. */
static int take_locks(struct custody *c, char ret_pid[16])
{
	int r = enter(c, ret_pid);

	if (r == -EWOULDBLOCK && c->shares) {
		read_pid(c, ret_pid);
		return 0;
	}
	if (r < 0)
		return r;
	c->is_admitted = true;
	read_pid(c, ret_pid);
	write_pid(c);
	r = c->shares ? lock_all(c) : 0;
	c->is_alone = r == 0;
	return r == -EWOULDBLOCK ? 0 : r;
}

int custody_open(
	struct loop *l, const char *storage, bool shares, struct custody **ret, char ret_pid[16])
{
	struct custody *c = xcalloc(1, sizeof(*c));
	int r;

	MAGIC_BEGIN(c, CUSTODY_MAGIC);
	c->loop = l;
	c->shares = shares;
	c->family_fd = c->lock_fd = c->dir_fd = c->neighbours.fd = -1;
	list_init(&c->waiting);
	list_init(&c->gifts);
	r = open_files(c, storage);
	if (r == 0)
		r = take_locks(c, ret_pid);
	if (r < 0)
		custody_close(c);
	else
		*ret = c;
	return r;
}

void custody_close(struct custody *c)
{
	if (!c)
		return;
	assert(list_is_empty(&c->waiting));
	timer_cancel(&c->timer);
	neighbours_close(&c->neighbours);
	list_foreach_safe (gift, &c->gifts, struct gift, node) {
		list_remove(&gift->node);
		free(gift);
	}
	close_fd(&c->lock_fd);
	close_fd(&c->family_fd);
	close_fd(&c->dir_fd);
	MAGIC_END(c, CUSTODY_MAGIC);
	free(c);
}

bool custody_is_alone(const struct custody *c)
{
	return !c || c->is_alone;
}

void custody_fds(const struct custody *c, int ret[CUSTODY_FDS])
{
	ret[0] = c ? c->family_fd : -1;
	ret[1] = c ? c->lock_fd : -1;
}

/* --- what was given --- */

static bool is_given(struct custody *c, off_t at)
{
	bool is = false;

	list_foreach_safe (gift, &c->gifts, struct gift, node) {
		if (loop_now(c->loop) >= gift->until) {
			list_remove(&gift->node);
			free(gift);
		} else {
			is = is || gift->at == at;
		}
	}
	return is;
}

/* --- what we wait for --- */

static bool try_one(struct custody *c, str id)
{
	off_t at = byte_of(id);

	return c->is_admitted && !is_given(c, at) && lock_bytes(c, F_WRLCK, at, 1) == 0;
}

static void ask(const struct custody *c, struct custody_claim *claim)
{
	msec now = loop_now(c->loop);

	if (!claim->asked_at || now >= claim->asked_at + ASK_AGAIN)
		claim->asked_at = neighbours_ask(&c->neighbours, str_of(claim->id)) ? now : 0;
}

static void try_claims(struct custody *c)
{
	struct list todo;

	list_take_all(&todo, &c->waiting);
	while (!list_is_empty(&todo)) {
		struct custody_claim *claim =
			container_of(list_pop(&todo), struct custody_claim, node);
		custody_fn *on_ours = claim->on_ours;
		void *arg = claim->arg;

		if (try_one(c, str_of(claim->id))) {
			custody_forget(claim);
			on_ours(arg);
		} else {
			list_append(&c->waiting, &claim->node);
			ask(c, claim);
		}
	}
}

static void try_family(struct custody *c)
{
	if (lock_family(c) < 0)
		return;
	c->is_admitted = true;
	write_pid(c);
}

/* What was given a moment ago is not taken along. */
static void try_all(struct custody *c)
{
	msec now = loop_now(c->loop);

	(void)is_given(c, -1);
	if (now < c->alone_at || !list_is_empty(&c->gifts))
		return;
	c->alone_at = now + ALONE_PAUSE;
	if (lock_all(c) < 0)
		return;
	c->is_alone = true;
	log_info("this fly-atc has all of the storage now");
	c->events->on_alone(c->arg);
}

static void on_pause(struct timer *timer);

static void look_again(struct custody *c)
{
	bool has_claims = !list_is_empty(&c->waiting);

	if (has_claims || !c->is_alone)
		timer_set(&c->timer, c->loop,
			loop_now(c->loop) + (has_claims ? CLAIM_PAUSE : ALONE_PAUSE), on_pause);
}

static void on_pause(struct timer *timer)
{
	struct custody *c = container_of(timer, struct custody, timer);

	MAGIC_CHECK(c, CUSTODY_MAGIC);
	if (!c->is_admitted)
		try_family(c);
	if (c->is_admitted && !c->is_alone)
		try_all(c);
	try_claims(c);
	look_again(c);
}

/* It may be ours: another one has not locked it, and we do not wait for it ourselves. */
static bool may_be_ours(const struct custody *c, str id)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(id), .l_len = 1};

	list_foreach (claim, &c->waiting, struct custody_claim, node)
		if (str_eq(str_of(claim->id), id))
			return false;
	return fcntl(c->lock_fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK;
}

/* All hear it, and one has it. */
static void on_wanted(void *arg, str id)
{
	struct custody *c = arg;

	MAGIC_CHECK(c, CUSTODY_MAGIC);
	if (may_be_ours(c, id))
		c->events->on_wanted(c->arg, id);
}

int custody_listen(struct custody *c, const struct custody_events *events, void *arg)
{
	MAGIC_CHECK(c, CUSTODY_MAGIC);
	c->events = events;
	c->arg = arg;
	look_again(c);
	return c->shares ? neighbours_listen(&c->neighbours, c->loop, on_wanted, c) : 0;
}

bool custody_take(
	struct custody *c, struct custody_claim *claim, str id, custody_fn *on_ours, void *arg)
{
	if (!c || !c->shares)
		return true;
	MAGIC_CHECK(c, CUSTODY_MAGIC);
	assert(!claim->id);
	if (try_one(c, id))
		return true;
	*claim = (struct custody_claim){.id = str_dup(id), .on_ours = on_ours, .arg = arg};
	list_append(&c->waiting, &claim->node);
	log_info("tenant " STR_FMT ": another fly-atc has its databases, and is asked for them",
		STR_ARG(id));
	ask(c, claim);
	timer_cancel(&c->timer);
	look_again(c);
	return false;
}

void custody_forget(struct custody_claim *claim)
{
	if (!claim->id)
		return;
	list_remove(&claim->node);
	free(claim->id);
	*claim = (struct custody_claim){0};
}

void custody_give(struct custody *c, str id)
{
	struct gift *gift = xcalloc(1, sizeof(*gift));

	MAGIC_CHECK(c, CUSTODY_MAGIC);
	gift->at = byte_of(id);
	gift->until = loop_now(c->loop) + GRACE;
	list_init(&gift->node);
	list_append(&c->gifts, &gift->node);
	c->is_alone = false;
	c->alone_at = 0;
	if (lock_bytes(c, F_UNLCK, gift->at, 1) < 0)
		log_error("tenant " STR_FMT ": cannot give its databases away: %s", STR_ARG(id),
			strerror(errno));
	look_again(c);
}
