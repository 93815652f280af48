/* store_watch.c - asks the backup's store on behalf of health checks. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/store_watch.h"

#include "base/log.h"
#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

/* msec */
#define PAUSE_WELL   15000
#define PAUSE_SILENT 5000

static void on_store_answer(void *arg, const struct backup_result *r)
{
	struct supervisor *s = arg;
	enum store_state before = s->store.state;

	s->store.is_asking = false;
	if (s->end.is_ending)
		return;
	s->store.state = r->is_ok ? STORE_ANSWERS : STORE_SILENT;
	if (!r->is_ok && before != STORE_SILENT)
		log_warn("the backup's store cannot be reached, health checks fail: %s", r->reason);
	else if (r->is_ok && before == STORE_SILENT)
		log_info("the backup's store can be reached again");
	if (s->store.state != before)
		proxy_child_tell_store(s->proxy);
}

void store_watch_asked(struct supervisor *s)
{
	struct store_watch *w = &s->store;
	msec now = loop_now(s->loop), pause = w->state == STORE_ANSWERS ? PAUSE_WELL : PAUSE_SILENT;

	if (!s->conf->server.health_store || s->end.is_ending || w->is_asking ||
		(w->state != STORE_UNKNOWN && now < w->asked_at + pause))
		return;
	w->asked_at = now;
	w->is_asking = backup_reach(s->backup, on_store_answer, s);
	if (!w->is_asking &&
		w->state == STORE_UNKNOWN) { /* what does not exist cannot be out of reach */
		w->state = STORE_ANSWERS;
		proxy_child_tell_store(s->proxy);
	}
}
