/* machines.h - what operators see of the fleet and do to it: the target, for the control socket. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

/* As control_ops says; the argument is the supervisor. */
void machines_fleet(void *arg, struct control_fleet *ret);
void machines_show(void *arg, control_machine_fn *each, control_done_fn *done, void *done_arg);
void machines_act(void *arg, const struct control_machine_order *order, control_done_fn *done,
	void *done_arg);
