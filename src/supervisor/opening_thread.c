/* opening_thread.c - the thread, its links to the proxy's threads, and the bell that wakes it. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/opening_thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/magic.h"
#include "link/opening.h"
#include "link/packet.h"
#include "supervisor/confine.h"

enum { OPENING_THREAD_MAGIC = MAGIC('o', 'p', 't', 'h') };

struct opening_thread {
	uint32_t magic;
	pthread_t thread;
	pthread_mutex_t lock;
	int bell; /* rung when one of these has changed; they belong to the lock: */
	struct config *conf;
	int *new_links; /* NULL: no change */
	size_t nnew;
	bool is_stopping;
	/* the thread's own */
	struct pollfd *polled; /* the bell, and the links */
	size_t npolled;
};

static void ring(struct opening_thread *t)
{
	uint64_t one = 1;

	if (write(t->bell, &one, sizeof(one)) < 0)
		log_error("the opener of files does not hear us: %s", strerror(errno));
}

/* --- in the thread --- */

static void close_links(struct opening_thread *t)
{
	for (size_t i = 1; i < t->npolled; i++)
		close_fd(&t->polled[i].fd);
	t->npolled = 1;
}

/* False: it is over. */
static bool hear_bell(struct opening_thread *t)
{
	uint64_t count;
	bool is_stopping;

	if (read(t->bell, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return false;
	pthread_mutex_lock(&t->lock);
	is_stopping = t->is_stopping;
	if (t->new_links) {
		close_links(t);
		t->polled = xrealloc(t->polled, (t->nnew + 1) * sizeof(*t->polled));
		for (size_t i = 0; i < t->nnew; i++)
			t->polled[t->npolled++] = (struct pollfd){t->new_links[i], POLLIN, 0};
		free(t->new_links);
		t->new_links = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	return !is_stopping;
}

static struct config *conf_now(struct opening_thread *t)
{
	struct config *conf;

	pthread_mutex_lock(&t->lock);
	conf = config_ref(t->conf);
	pthread_mutex_unlock(&t->lock);
	return conf;
}

/* 0, or -errno: the link is no longer of use. */
static int serve_link(struct opening_thread *t, int link)
{
	struct opening_request request;
	int r = opening_receive(link, &request), fd = -1;
	enum opening_result result = OPENING_REFUSED;
	const char *why = "there is no such tenant any more";
	const struct tenant_conf *tenant;
	struct config *conf;

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	conf = conf_now(t);
	tenant = config_find_tenant(conf, request.tenant);
	if (tenant)
		result = confine_open(
			conf, tenant, request.path, (enum opening_form)request.form, &fd, &why);
	r = opening_answer(link, request.number, result, fd < 0 ? str_of(why) : STR_EMPTY, fd);
	close_fd(&fd);
	config_unref(conf);
	return r;
}

static void *run_opening(void *arg)
{
	struct opening_thread *t = arg;

	MAGIC_CHECK(t, OPENING_THREAD_MAGIC);
	prctl(PR_SET_NAME, "fly-atc-opener");
	while (poll(t->polled, t->npolled, -1) >= 0 || errno == EINTR) {
		if (t->polled[0].revents && !hear_bell(t))
			break;
		for (size_t i = 1; i < t->npolled; i++)
			if (t->polled[i].revents && serve_link(t, t->polled[i].fd) < 0)
				close_fd(&t->polled[i].fd); /* poll passes over it */
	}
	close_links(t);
	return NULL;
}

/* --- the supervisor's side --- */

static int start_thread(struct opening_thread *t)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&t->thread, NULL, run_opening, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void opening_thread_free(struct opening_thread *t)
{
	close_fd(&t->bell);
	pthread_mutex_destroy(&t->lock);
	config_unref(t->conf);
	free(t->polled);
	MAGIC_END(t, OPENING_THREAD_MAGIC);
	free(t);
}

int opening_thread_start(struct config *conf, struct opening_thread **ret)
{
	struct opening_thread *t = xcalloc(1, sizeof(*t));
	int r = 0;

	MAGIC_BEGIN(t, OPENING_THREAD_MAGIC);
	t->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->bell < 0)
		r = -errno;
	pthread_mutex_init(&t->lock, NULL);
	t->conf = config_ref(conf);
	t->polled = xmalloc(sizeof(*t->polled));
	t->polled[t->npolled++] = (struct pollfd){t->bell, POLLIN, 0};
	if (r == 0)
		r = start_thread(t);
	if (r < 0)
		opening_thread_free(t);
	else
		*ret = t;
	return r;
}

void opening_thread_configure(struct opening_thread *t, struct config *conf)
{
	struct config *before;

	MAGIC_CHECK(t, OPENING_THREAD_MAGIC);
	pthread_mutex_lock(&t->lock);
	before = t->conf;
	t->conf = config_ref(conf);
	pthread_mutex_unlock(&t->lock);
	config_unref(before);
}

/* With the lock held: those that the thread has not taken yet. */
static void drop_new_links(struct opening_thread *t)
{
	for (size_t i = 0; t->new_links && i < t->nnew; i++)
		close_fd(&t->new_links[i]);
	free(t->new_links);
	t->new_links = NULL;
}

int opening_thread_connect(struct opening_thread *t, size_t n, int *ret_fds)
{
	int *ours = xcalloc(n, sizeof(*ours)), r = 0;
	size_t made = 0;

	MAGIC_CHECK(t, OPENING_THREAD_MAGIC);
	for (; made < n && r == 0; made++) {
		int pair[2];

		r = packet_pair(pair);
		if (r < 0)
			break;
		ours[made] = pair[0];
		ret_fds[made] = pair[1];
	}
	if (r < 0) {
		while (made--) {
			close_fd(&ours[made]);
			close_fd(&ret_fds[made]);
		}
		free(ours);
		return r;
	}
	pthread_mutex_lock(&t->lock);
	drop_new_links(t);
	t->new_links = ours;
	t->nnew = n;
	pthread_mutex_unlock(&t->lock);
	ring(t);
	return 0;
}

void opening_thread_stop(struct opening_thread *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	pthread_mutex_unlock(&t->lock);
	ring(t);
	pthread_join(t->thread, NULL);
	drop_new_links(t);
	opening_thread_free(t);
}
