/* replay_state.h - what our replays carry in `state`: how often a request was sent on. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define REPLAY_STATE STR("atc.") /* and the number of hops */
