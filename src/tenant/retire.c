/* retire.c - forgets a removed tenant. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "tenant/tenant_int.h"
#include "tenant/waiters.h"

static void on_gone(void *arg)
{
	struct tenant *t = arg;

	MAGIC_END(t, TENANT_MAGIC);
	free(t);
}

void tenant_free(struct tenant *t)
{
	if (!t)
		return;
	assert(!t->run);
	waiters_cancel(t, "it was removed from the configuration");
	roll_forget(t);
	replace_forget(t);
	custody_forget(&t->waits.claim);
	list_remove(&t->waits.in_queue);
	list_remove(&t->in_untold);
	timer_cancel(&t->retry_timer);
	timer_cancel(&t->output_timer);
	output_done(&t->output);
	tally_done(&t->tally);
	free(t->faults.reason);
	free(t->faults.error);
	free(t->faults.last_crash);
	free(t->faults.public_reason);
	free(t->faults.warning);
	t->all->items[t->slot] = NULL;
	loop_defer(t->all->loop, on_gone, t);
}

void tenant_retire(struct tenant *t)
{
	MAGIC_CHECK(t, TENANT_MAGIC);
	t->life = (struct lifecycle){0};
	atomic_store(&tenant_slot(t)->since, loop_now(t->all->loop));
	atomic_store(&tenant_slot(t)->state, TENANT_ABSENT);
	tenant_free(t);
}
