/* health.h - whether an application that leaves requests unanswered is still alive. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct probe;
struct tenant;
struct tenant_run;

/* Of a run. */
struct health {
	struct probe *probe; /* asked because requests are not answered, or NULL */
	struct timer limit;  /* for its answer */
};

/* Its last max_timeouts requests were not answered in time: asks its health check.  If that is
 * answered it is slow, and left alone; if not: EVENT_HUNG, or EVENT_HUNG_OUT once that has happened
 * too often. */
void health_suspect(struct tenant *t);
/* It no longer runs, or not for long: nothing comes of it. */
void health_forget(struct tenant_run *run);
