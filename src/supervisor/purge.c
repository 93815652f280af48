/* purge.c - operators wait while the proxy empties its cache of a tenant. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/purge.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

struct purge {
	struct list link; /* purging.waiting */
	uint64_t serial;
	control_purged_fn *done;
	void *arg;
	int err;
	uint32_t entries;
};

static void tell_purged(void *arg)
{
	struct purge *p = arg;

	p->done(p->arg, p->err, p->entries);
	free(p);
}

static void end_purge(struct supervisor *s, struct purge *p, int err, uint32_t entries)
{
	list_remove(&p->link);
	p->err = err;
	p->entries = entries;
	loop_defer(s->loop, tell_purged, p);
}

void purge_start(void *supervisor, str id, str path, control_purged_fn *done, void *done_arg)
{
	struct supervisor *s = supervisor;
	const struct tenant_conf *conf = config_find_tenant(s->conf, id);
	struct purge *p = xcalloc(1, sizeof(*p));

	*p = (struct purge){.serial = ++s->purging.serial, .done = done, .arg = done_arg};
	list_init(&p->link);
	if (!conf)
		end_purge(s, p, -ENOENT, 0);
	else if (!proxy_child_purge(s->proxy, conf->slot, p->serial, path))
		end_purge(s, p, 0, 0); /* the next one starts from scratch */
	else
		list_append(&s->purging.waiting, &p->link);
}

void purge_on_answer(struct supervisor *s, uint64_t serial, uint32_t entries)
{
	list_foreach (p, &s->purging.waiting, struct purge, link) {
		if (p->serial != serial)
			continue;
		end_purge(s, p, 0, entries);
		return;
	}
}

void purge_on_proxy_gone(struct supervisor *s)
{
	list_foreach_safe (p, &s->purging.waiting, struct purge, link)
		end_purge(s, p, 0, 0);
}
