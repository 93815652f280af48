/* handover.h - tenants that another fly-atc with the same storage wants: ended here, and given. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

struct tenant;
struct tenants;

/* Another one wants it; said again as long as it has not got it. */
void handover_wanted(struct tenants *all, str id);
/* It is wanted, so it is not to start here before it was given away and came back. */
bool handover_is_due(const struct tenant *t);
/* After each step of a tenant: perhaps it can be given now. */
void handover_check(struct tenant *t);
/* Forgets all wishes. */
void handover_done(struct tenants *all);
