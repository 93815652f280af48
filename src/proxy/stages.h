/* stages.h - what an answer passes on its way to the client: each stage sees its head, and its body
 * as well if it has joined. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/exchange.h"
#include "proxy/lines.h"
#include "proxy/worker.h"

enum passing {
	PASS_MORE,  /* more will follow soon */
	PASS_FLUSH, /* nothing more is here now: a stage must let go of what it holds back */
	PASS_END,   /* that was all */
};

struct stage;
struct stage_ops {
	/* Works on the pieces in the worker's payload: reads them, or replaces them by others,
	 * which must stay valid until the next call.  There may be none.  PASS_END comes once,
	 * last.  0 or -errno: the answer is cut. */
	int (*pass)(struct stage *s, struct exchange *x, enum passing how);
	/* False: not now.  The payload stays where it is, and the exchange goes on after others
	 * (worker_go_on_later); then it is asked again.  Not for the first pieces, which come with
	 * the head.  NULL: always. */
	bool (*is_ready)(const struct stage *s, const struct exchange *x);
	/* Nothing more comes; once.  is_whole: PASS_END has passed all stages. */
	void (*over)(struct stage *s, struct exchange *x, bool is_whole);
};
/* Embed it; it lives in the exchange's arena. */
struct stage {
	const struct stage_ops *ops;
	struct stage *next;
};

/* --- for stages, while the head is with them --- */

/* Joins the stages that the body passes, after those that have joined before.  is_resized: the
 * length of its output is not known. */
static inline void stages_put(struct exchange *x, struct stage *s, bool is_resized)
{
	struct stage **end = &x->reply.stages;

	while (*end)
		end = &(*end)->next;
	*end = s;
	x->reply.is_resized |= is_resized;
}

/* The length changes although no body passes: the head of an answer to HEAD. */
static inline void stages_resized(struct exchange *x)
{
	x->reply.is_resized = true;
}

/* Adds a line after the source's own; `name` includes the colon and the blank. */
static inline void stages_add(struct exchange *x, str name, str value)
{
	add_line(&x->worker->scratch.added, name, value);
}

/* Removes a field, however often it occurs. */
static inline void stages_drop(struct response_head *h, enum header_id id)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (h->headers[i].id == id)
			h->headers[i].is_hop = true;
}

/* --- for what runs the stages --- */

static inline bool stages_are_ready(const struct exchange *x)
{
	for (const struct stage *s = x->reply.stages; s; s = s->next)
		if (s->ops->is_ready && !s->ops->is_ready(s, x))
			return false;
	return true;
}

/* The worker's payload passes all of them.  0 or -errno. */
static inline MUST_USE int stages_pass(struct exchange *x, enum passing how)
{
	for (struct stage *s = x->reply.stages; s; s = s->next) {
		int r = s->ops->pass(s, x, how);

		if (r < 0) {
			gather_forget(&x->worker->scratch.payload);
			return r;
		}
	}
	x->reply.is_unflushed = how == PASS_MORE;
	x->reply.is_whole = how == PASS_END;
	return 0;
}

static inline void stages_done(struct exchange *x)
{
	for (struct stage *s = x->reply.stages; s; s = s->next)
		s->ops->over(s, x, x->reply.is_whole);
	x->reply.stages = NULL;
}
