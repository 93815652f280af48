/* health.h - whether an application that leaves requests unanswered still lives. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"

struct probe;
struct tenant;
struct tenant_run;

/* Of a run. */
struct health {
	struct probe *probe; /* is asked because requests are not answered, or NULL */
	struct timer limit;  /* for its answer */
};

/* Its last max_timeouts requests were not answered in time: asks its health check.  If that is
 * answered it is slow, and left alone; if not it is EVENT_HUNG, or EVENT_HUNG_OUT once too often.
 */
void health_suspect(struct tenant *t);
/* It does not run any more, or not for long: nothing comes of it. */
void health_forget(struct tenant_run *run);
