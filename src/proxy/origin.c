/* origin.c - the seldom used half of an origin; the rest is in upstream.c. */
/* SPDX-License-Identifier: MIT */
#include "proxy/origin.h"

#include "proxy/upstream.h"

void origin_init(struct origin *o, struct worker *w, const struct origin_limits *limits,
	_Atomic uint32_t *connections)
{
	*o = (struct origin){
		.magic = ORIGIN_MAGIC, .worker = w, .limits = limits, .connections = connections};
	list_init(&o->idle);
}

void origin_close_idle(struct origin *o)
{
	list_foreach_safe (u, &o->idle, struct upstream, link)
		upstream_close(u);
}

void origin_close(struct origin *o)
{
	MAGIC_CHECK(o, ORIGIN_MAGIC);
	o->is_closed = true;
	origin_close_idle(o);
}

void origin_done(struct origin *o)
{
	assert(o->is_closed && list_is_empty(&o->idle));
	MAGIC_END(o, ORIGIN_MAGIC);
}
