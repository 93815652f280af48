/* tenants.c - all tenants: made, reported to the proxy, ended, freed. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "loop/work.h"
#include "tenant/handover.h"
#include "tenant/tenant_int.h"

#define LOOK_THREADS 2

struct tenants *tenants_new(const struct tenants_setup *setup)
{
	struct tenants *all = xcalloc(1, sizeof(*all));

	*all = (struct tenants){
		.magic = TENANTS_MAGIC,
		.loop = setup->loop,
		.board = setup->board,
		.backup = setup->backup,
		.environ = setup->environ,
		.secret = setup->secret,
		.proxy = setup->proxy,
		.own_port = setup->own_port,
		.host = setup->host,
		.host_arg = setup->host_arg,
		.effects = &tenant_effects,
		.looking = work_new(setup->loop, LOOK_THREADS),
	};
	list_init(&all->awake);
	list_init(&all->untold);
	admission_init(&all->admission, setup->custody);
	new_files_watcher_init(&all->new_files);
	replacing_init(&all->replacing, roll_on_waiting);
	rolling_init(&all->rolling);
	tenants_configure(all, setup->conf);
	return all;
}

void tenants_free(struct tenants *all)
{
	if (!all)
		return;
	roll_give_up(all);
	for (uint32_t slot = 0; slot < all->nslots; slot++)
		tenant_free(all->items[slot]);
	handover_done(all);
	work_free(all->looking);
	replacing_done(&all->replacing);
	admission_done(&all->admission);
	new_files_watcher_done(&all->new_files);
	free(all->index_of_slot);
	free(all->items);
	MAGIC_END(all, TENANTS_MAGIC);
	free(all);
}

/* --- the proxy --- */

void tenants_suspect(struct tenants *all, uint32_t slot)
{
	struct tenant *t = all->is_ending ? NULL : tenant_at(all, slot);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (t)
		health_suspect(t);
}

/* The one thing it cannot see on the scoreboard is why a tenant has failed. */
void tenants_announce(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	for (uint32_t slot = 0; slot < all->nslots; slot++)
		if (all->items[slot] && !state_is_asleep(all->items[slot]->life.state))
			announce_state(all->items[slot]);
}

void tenants_tell(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	while (!list_is_empty(&all->untold))
		announce_state(list_first(&all->untold, struct tenant, in_untold));
}

/* --- other fly-atc --- */

void tenants_wanted_elsewhere(struct tenants *all, str id)
{
	handover_wanted(all, id);
}

/* --- the end --- */

void tenants_end(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	all->is_ending = true;
	roll_give_up(all);
	for (uint32_t slot = 0; slot < all->nslots; slot++)
		if (all->items[slot]) {
			timer_cancel(&all->items[slot]->retry_timer);
			tenant_event(all->items[slot], EVENT_STOP);
		}
}

void tenants_kill(struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	all->is_impatient = true;
	list_foreach (t, &all->awake, struct tenant, in_awake)
		if (t->run->process)
			process_signal(t->run->process, SIGKILL);
}

bool tenants_are_at_rest(const struct tenants *all)
{
	MAGIC_CHECK(all, TENANTS_MAGIC);
	return list_is_empty(&all->awake);
}

/* --- a single application --- */

bool tenants_relay(struct tenants *all, int signo)
{
	struct tenant *t = tenant_at(all, all->conf->tenants[0].slot);

	MAGIC_CHECK(all, TENANTS_MAGIC);
	if (!t->run || !t->run->process)
		return false;
	log_info("relaying signal %s to the application", sigabbrev_np(signo));
	process_signal(t->run->process, signo);
	t->run->is_told_to_end |= signo == SIGTERM || signo == SIGINT;
	return all->is_ending || !state_is_ending(t->life.state);
}
