/* none.c - no platform: what is known of machines stands in the configuration. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "target/target_int.h"

/* Whoever starts us again (a socket of systemd's, somebody) is not known here; who says `exit` in
 * the configuration knows. */
static void exit_only(struct target_call *call)
{
	if (call->how != TARGET_EXIT)
		target_call_set(call, -ENOTSUP,
			"there is no platform here that could put this machine to sleep");
	target_call_end(call);
}

static const struct target_ops ops = {
	.name = "none",
	.list = target_configured_list,
	.sleep = exit_only,
	.addresses = target_configured_addresses,
};

int target_none_new(const struct target_setup *setup, struct target **ret, char **ret_reason)
{
	(void)setup;
	(void)ret_reason;
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->ops = &ops;
	return 0;
}
