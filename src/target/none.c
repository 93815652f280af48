/* none.c - no platform: what is known of machines stands in the configuration. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "target/target_int.h"

static void list_nobody(struct target *t, target_machine_fn *each, target_done_fn *done, void *arg)
{
	(void)each;
	target_answer(t, done, arg, 0, "%s", "");
}

/* Whoever starts us again (a socket of systemd's, somebody) is not known here; who says `exit` in
 * the configuration knows. */
static void fall_asleep(struct target *t, enum target_sleep how, target_done_fn *done, void *arg)
{
	if (how == TARGET_EXIT)
		target_answer(t, done, arg, 0, "%s", "");
	else
		target_answer(t, done, arg, -ENOTSUP,
			"there is no platform here that could put this machine to sleep");
}

static const struct target_ops ops = {
	.list = list_nobody,
	.sleep = fall_asleep,
};

struct target *target_none_new(const struct target_setup *setup, char **ret_reason)
{
	struct target *t = xcalloc(1, sizeof(*t));

	(void)setup;
	(void)ret_reason;
	t->ops = &ops;
	return t;
}
