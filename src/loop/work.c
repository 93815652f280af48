/* work.c - a queue of jobs, and threads that live as long as it has any. */
/* SPDX-License-Identifier: MIT */
#include "loop/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/alloc.h"

enum { JOB_MAGIC = MAGIC('j', 'o', 'b', ' '), WORK_MAGIC = MAGIC('w', 'o', 'r', 'k') };

struct job {
	uint32_t magic;
	struct list node;
	struct work *work;
	loop_fn *run, *done;
	void *arg;
};

struct work {
	uint32_t magic;
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct list queue;	     /* these four with the lock held */
	unsigned takers, max_takers; /* threads that will look at the queue again */
	unsigned threads;	     /* those, and the ones that are about to be gone */
	size_t pending;		     /* for the loop's thread only */
	atomic_bool is_stopping;
};

struct work *work_new(struct loop *l, unsigned max_threads)
{
	struct work *w = xcalloc(1, sizeof(*w));

	assert(l && max_threads);
	MAGIC_BEGIN(w, WORK_MAGIC);
	w->loop = l;
	w->max_takers = max_threads;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->ended, NULL);
	list_init(&w->queue);
	return w;
}

static void tell_done(void *arg)
{
	struct job *job = arg;
	loop_fn *done = job->done;
	void *owner = job->arg;

	MAGIC_CHECK(job->work, WORK_MAGIC);
	assert(job->work->pending > 0);
	assert(list_is_empty(&job->node));
	job->work->pending--;
	MAGIC_END(job, JOB_MAGIC);
	free(job);
	done(owner);
}

/* With the lock held.  Without a job this thread stops being a taker, in the same critical
 * section. */
static struct job *take_job(struct work *w)
{
	struct job *job;

	assert(w->takers > 0 && w->takers <= w->threads);
	if (list_is_empty(&w->queue)) {
		w->takers--;
		return NULL;
	}
	job = list_first(&w->queue, struct job, node);
	MAGIC_CHECK(job, JOB_MAGIC);
	assert(job->work == w);
	list_remove(&job->node);
	return job;
}

static void *take_jobs(void *arg)
{
	struct work *w = arg;
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while ((job = take_job(w)) != NULL) {
		pthread_mutex_unlock(&w->lock);
		job->run(job->arg);
		loop_post(w->loop, tell_done, job);
		pthread_mutex_lock(&w->lock);
	}
	w->threads--;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void *run_taker(void *arg)
{
	prctl(PR_SET_NAME, "fly-atc-job");
	return take_jobs(arg);
}

/* Signals are for the loops. */
static int start_thread(struct work *w)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, run_taker, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_detach(thread);
	return -r;
}

void work_run(struct work *w, loop_fn *run, loop_fn *done, void *arg)
{
	struct job *job = xmalloc(sizeof(*job));
	bool starts_one, is_alone;

	MAGIC_CHECK(w, WORK_MAGIC);
	assert(run && done);
	*job = (struct job){.magic = JOB_MAGIC, .work = w, .run = run, .done = done, .arg = arg};
	w->pending++;
	pthread_mutex_lock(&w->lock);
	list_append(&w->queue, &job->node);
	starts_one = w->takers < w->max_takers;
	assert(w->takers <= w->max_takers);
	is_alone = w->takers == 0;
	w->takers += starts_one;
	w->threads += starts_one;
	pthread_mutex_unlock(&w->lock);
	if (!starts_one || start_thread(w) == 0)
		return;
	/* No thread could be made: the threads at work will get to the job; if there are none, it
	 * is done here, late but done. */
	if (is_alone) {
		take_jobs(w);
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->takers--;
	w->threads--;
	pthread_mutex_unlock(&w->lock);
}

size_t work_pending(const struct work *w)
{
	MAGIC_CHECK(w, WORK_MAGIC);
	return w->pending;
}

void work_stop(struct work *w)
{
	MAGIC_CHECK(w, WORK_MAGIC);
	atomic_store(&w->is_stopping, true);
}

bool work_is_stopping(const struct work *w)
{
	MAGIC_CHECK(w, WORK_MAGIC);
	return atomic_load(&w->is_stopping);
}

void work_free(struct work *w)
{
	if (!w)
		return;
	MAGIC_CHECK(w, WORK_MAGIC);
	assert(w->pending == 0);
	pthread_mutex_lock(&w->lock);
	assert(list_is_empty(&w->queue));
	while (w->threads)
		pthread_cond_wait(&w->ended, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->ended);
	pthread_mutex_destroy(&w->lock);
	MAGIC_END(w, WORK_MAGIC);
	free(w);
}
