/* stages.c - what an answer passes on its way to the client. */
/* SPDX-License-Identifier: MIT */
#include "proxy/stages.h"

#include "proxy/lines.h"
#include "proxy/worker.h"

void stages_put(struct exchange *x, struct stage *s, bool is_resized)
{
	struct stage **end = &x->reply.stages;

	while (*end)
		end = &(*end)->next;
	*end = s;
	x->reply.is_resized |= is_resized;
}

void stages_resized(struct exchange *x)
{
	x->reply.is_resized = true;
}

void stages_add(struct exchange *x, str name, str value)
{
	add_line(&x->worker->added, name, value);
}

void stages_drop(struct response_head *h, enum header_id id)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (h->headers[i].id == id)
			h->headers[i].is_hop = true;
}

int stages_pass(struct exchange *x, enum passing how)
{
	for (struct stage *s = x->reply.stages; s; s = s->next) {
		int r = s->ops->pass(s, x, how);

		if (r < 0) {
			gather_forget(&x->worker->payload);
			return r;
		}
	}
	x->reply.is_unflushed = how == PASS_MORE;
	x->reply.is_whole = how == PASS_END;
	return 0;
}

void stages_done(struct exchange *x)
{
	for (struct stage *s = x->reply.stages; s; s = s->next)
		s->ops->done(s, x, x->reply.is_whole);
	x->reply.stages = NULL;
}
