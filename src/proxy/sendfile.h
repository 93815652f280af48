/* sendfile.h - a file that the tenant names is sent in place of its answer's body (X-Sendfile,
 * X-Accel-Redirect).
 *
 * - 200 (also 206, whose part is that of a body that nobody will see): preconditions and ranges of
 * a GET or HEAD are ours.  Another status stays, with the whole file.
 * - A file that may not be sent is 404; only the log says why.  One that lies elsewhere (a
 * gem's, say) is asked for again, without X-Sendfile-Type, if that is safe: frameworks then send it
 * themselves. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/exchange.h"

/* In the head that is in worker.response. */
bool sendfile_is_asked(const struct exchange *x, const struct response_head *h);
/* Lets go of the tenant and asks the supervisor for the file, unless it is open already: STEP_OPEN,
 * or the step that follows at once.  Status and fields are the tenant's, its body is thrown
 * away. */
enum step sendfile_begin(struct exchange *x, const struct response_head *h);
/* It no longer waits for the supervisor. */
void sendfile_enter(struct exchange *x);
void sendfile_leave(struct exchange *x);
