/* trip.h - what an exchange has of others while it is under way, and gives back. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct exchange;

/* Lets go of the upstream connection: it is used again if that is safe. */
void trip_drop_upstream(struct exchange *x, bool can_reuse);
/* It is not counted among the tenant's requests any more. */
void trip_leave_tenant(struct exchange *x);
/* Both: nothing more comes from the tenant, and its connection is not used again. */
void trip_end(struct exchange *x);
/* The head of its answer has been written: what may go on for days needs no configuration. */
void trip_forget_view(struct exchange *x);
