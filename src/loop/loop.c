/* loop.c - epoll, the turn of a loop, deferred and posted work. */
/* SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "loop/loop_int.h"

#define EVENTS_PER_TURN 256
/* A timer later than this: we did not run, or did something else for long. */
#define LATE		20
#define LOOKS_WHEN_LATE 64

struct later_work {
	loop_fn *fn;
	void *arg;
};

struct work_list {
	struct later_work *items;
	size_t count, cap;
};

enum { LOOP_MAGIC = MAGIC('l', 'o', 'o', 'p') };

struct loop {
	uint32_t magic;
	int epoll_fd;
	bool is_running;
	msec now;
	uint64_t usec; /* the same */
	struct timer_heap timers;
	struct work_list deferred;
	struct later_work on_turn;
	const char *thread; /* `this_thread` of the one that runs it; NULL: it does not run */
	pthread_mutex_t post_lock; /* guards posted */
	struct work_list posted;
	struct watch post_watch;
	int event_count, event_at;
	struct epoll_event events[EVENTS_PER_TURN];
};

static void work_add(struct work_list *list, loop_fn *fn, void *arg)
{
	if (list->count >= list->cap) {
		assert(list->count == list->cap);
		list->cap = list->cap ? list->cap * 2 : 16;
		list->items = xrealloc(list->items, list->cap * sizeof(*list->items));
	}
	list->items[list->count++] = (struct later_work){fn, arg};
}

msec clock_now(void)
{
	return clock_usec() / 1000;
}

uint64_t clock_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Its address is another one in each thread; pthread_self() would be a call each time. */
static _Thread_local char this_thread;

bool loop_is_own(const struct loop *l)
{
	return !l->thread || l->thread == &this_thread;
}

static void set_moment(struct loop *l)
{
	l->usec = clock_usec();
	l->now = l->usec / 1000;
}

msec loop_now(const struct loop *l)
{
	return l->now;
}

uint64_t loop_usec(const struct loop *l)
{
	return l->usec;
}

struct timer_heap *loop_timers(struct loop *l)
{
	return &l->timers;
}

static void on_posted(struct watch *w, unsigned events)
{
	struct loop *l = w->loop;
	struct work_list todo;
	uint64_t count;

	(void)events;
	MAGIC_CHECK(l, LOOP_MAGIC);
	if (read(w->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	pthread_mutex_lock(&l->post_lock);
	todo = l->posted;
	l->posted = (struct work_list){0};
	pthread_mutex_unlock(&l->post_lock);
	for (size_t i = 0; i < todo.count; i++)
		todo.items[i].fn(todo.items[i].arg);
	free(todo.items);
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	MAGIC_BEGIN(l, LOOP_MAGIC);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	set_moment(l);
	pthread_mutex_init(&l->post_lock, NULL);
	if (l->epoll_fd < 0 || event_fd < 0 ||
		watch_open_read(&l->post_watch, l, event_fd, on_posted) < 0) {
		int error = errno;

		if (event_fd >= 0)
			close(event_fd);
		if (l->epoll_fd >= 0)
			close(l->epoll_fd);
		pthread_mutex_destroy(&l->post_lock);
		free(l);
		errno = error;
		return NULL;
	}
	return l;
}

/* Deferred work may defer more; it all runs before the loop sleeps. */
static void run_deferred(struct loop *l)
{
	for (size_t i = 0; i < l->deferred.count; i++) {
		struct later_work todo = l->deferred.items[i];

		todo.fn(todo.arg);
	}
	l->deferred.count = 0;
}

void loop_free(struct loop *l)
{
	int event_fd;

	if (!l)
		return;
	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(!l->is_running && !l->thread);
	run_deferred(l);
	event_fd = l->post_watch.fd;
	watch_close(&l->post_watch);
	close(event_fd);
	close(l->epoll_fd);
	timer_heap_done(&l->timers);
	free(l->deferred.items);
	free(l->posted.items);
	pthread_mutex_destroy(&l->post_lock);
	MAGIC_END(l, LOOP_MAGIC);
	free(l);
}

static int watch_add(struct watch *w, struct loop *l, int fd, watch_fn *on_event, uint32_t mask)
{
	struct epoll_event event = {.events = mask, .data.ptr = w};

	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(loop_is_own(l) && on_event);
	assert(w->magic != WATCH_MAGIC || w->fd < 0); /* not twice */
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	*w = (struct watch){.magic = WATCH_MAGIC, .loop = l, .on_event = on_event, .fd = fd};
	return 0;
}

int watch_open(struct watch *w, struct loop *l, int fd, watch_fn *on_event)
{
	return watch_add(w, l, fd, on_event, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

int watch_open_read(struct watch *w, struct loop *l, int fd, watch_fn *on_event)
{
	return watch_add(w, l, fd, on_event, EPOLLIN);
}

/* Nothing more of this turn is delivered to it. */
static void watch_forget(struct watch *w)
{
	struct loop *l = w->loop;

	MAGIC_CHECK(w, WATCH_MAGIC);
	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(loop_is_own(l));
	w->fd = -1;
	for (int i = l->event_at + 1; i < l->event_count; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

void watch_close(struct watch *w)
{
	if (!w->loop || w->fd < 0)
		return;
	MAGIC_CHECK(w, WATCH_MAGIC);
	epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	watch_forget(w);
}

void watch_close_fd(struct watch *w)
{
	if (!w->loop || w->fd < 0)
		return;
	MAGIC_CHECK(w, WATCH_MAGIC);
	close(w->fd);
	watch_forget(w);
}

void loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
	assert(loop_is_own(l));
	work_add(&l->deferred, fn, arg);
}

void loop_defer_free(struct loop *l, void *ptr)
{
	assert(ptr);
	loop_defer(l, free, ptr);
}

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	uint64_t one = 1;

	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(fn);
	pthread_mutex_lock(&l->post_lock);
	work_add(&l->posted, fn, arg);
	pthread_mutex_unlock(&l->post_lock);
	if (write(l->post_watch.fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

void loop_on_turn(struct loop *l, loop_fn *fn, void *arg)
{
	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(loop_is_own(l) && (!l->on_turn.fn || !fn)); /* one */
	l->on_turn = (struct later_work){fn, arg};
}

static int wait_limit(struct loop *l)
{
	msec next = timer_heap_next(&l->timers), now;

	if (next == MSEC_NEVER)
		return -1;
	now = clock_now(); /* the turn took some */
	return next > now ? (int)MIN(next - now, (msec)INT32_MAX) : 0;
}

static unsigned events_of(uint32_t mask)
{
	unsigned events = 0;

	if (mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= LOOP_READ;
	if (mask & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= LOOP_WRITE;
	if (mask & (EPOLLHUP | EPOLLERR))
		events |= LOOP_HUP;
	if (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= LOOP_EOF;
	return events;
}

/* Waits for events and serves them.  Returns how many there were; -1: a signal came first. */
static int serve_events(struct loop *l, int limit)
{
	int n = epoll_wait(l->epoll_fd, l->events, EVENTS_PER_TURN, limit);

	set_moment(l);
	l->event_count = MAX(n, 0);
	for (l->event_at = 0; l->event_at < l->event_count; l->event_at++) {
		struct epoll_event *event = &l->events[l->event_at];
		struct watch *w = event->data.ptr;

		if (!w)
			continue;
		MAGIC_CHECK(w, WATCH_MAGIC);
		w->on_event(w, events_of(event->events));
	}
	l->event_count = 0;
	return n;
}

/* After a pause of the whole process or machine, timers are due although what they wait for may
 * have arrived in time: events are served first, with all that follows from them. */
static void fire_timers(struct loop *l, msec first, int n)
{
	if (l->now > first + LATE) {
		for (int i = 0; i < LOOKS_WHEN_LATE && (n < 0 || n == EVENTS_PER_TURN || !i); i++)
			n = serve_events(l, 0);
		run_deferred(l);
	}
	timer_heap_fire(&l->timers, l->now);
}

static void turn(struct loop *l)
{
	int n = serve_events(l, wait_limit(l));
	msec first = timer_heap_next(&l->timers);

	if (first <= l->now)
		fire_timers(l, first, n);
	run_deferred(l);
	assert(!l->deferred.count);
	if (l->on_turn.fn)
		l->on_turn.fn(l->on_turn.arg);
	run_deferred(l);
}

void loop_run(struct loop *l)
{
	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(!l->is_running && !l->thread);
	l->is_running = true;
	l->thread = &this_thread;
	set_moment(l);
	run_deferred(l);
	while (l->is_running)
		turn(l);
	l->thread = NULL;
}

void loop_stop(struct loop *l)
{
	MAGIC_CHECK(l, LOOP_MAGIC);
	assert(loop_is_own(l));
	l->is_running = false;
}
