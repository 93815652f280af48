/* fleet.c - finds a machine that requests wait for. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/fleet.h"

#include "supervisor/proxy_child.h"
#include "supervisor/supervisor_int.h"

void fleet_reach(struct supervisor *s, str machine, uint32_t generation)
{
	proxy_child_tell_machine(s->proxy, machine, MACHINE_FAILED, generation,
		STR("no machine of this name is known"));
}
