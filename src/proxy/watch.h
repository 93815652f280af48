/* watch.h - the events of a waiting page: how far its tenant is, until it runs or has failed. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

void watch_enter(struct exchange *x);
void watch_leave(struct exchange *x);
