/* roster.h - the commands that show and change who lives where: user, tenant, roster. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"

int roster_entries_run(const struct options *o); /* user, tenant */
int roster_history_run(const struct options *o); /* roster */
