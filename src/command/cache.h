/* cache.h - what is cached, for people; and forgetting it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/command_int.h"

int cache_run(const struct options *o);
