/* machine.h - the machines of the fleet, for people. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"

int machine_run(const struct options *o);
