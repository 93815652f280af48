/* stopping.c - the end of backups: once nothing is under way, Litestream is ended. */
/* SPDX-License-Identifier: MIT */
#include "backup/backup_int.h"

static void on_all_stopped(void *arg)
{
	struct backup *b = arg;

	b->stop.on_stopped(b->stop.arg, &(struct backup_result){.is_ok = true});
}

void backup_stop_advance(struct backup *b)
{
	if (!b->stop.is_stopping || b->stop.is_sent || b->nops || work_pending(b->work) ||
		b->is_trying)
		return;
	b->stop.is_sent = true;
	if (b->daemon)
		daemon_stop(b->daemon, on_all_stopped, b);
	else
		loop_defer(b->loop, on_all_stopped, b);
}
