/* files.h - answers whose body is a file: of the public directory, without asking the tenant, or
 * one that the tenant names (X-Sendfile, X-Accel-Redirect). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/head.h"
#include "proxy/exchange.h"

/* A request for a tenant: true if its public directory has the answer.  Then the exchange may be
 * gone. */
bool files_answer(struct exchange *x, const struct request_head *head);

/* True if the tenant wants us to send a file in place of its body. */
bool files_are_asked(const struct exchange *x, const struct response_head *h);
/* Lets go of the tenant and answers with the file as soon as the supervisor has opened it.  Status
 * and fields are the tenant's, its body is thrown away.
 *
 * - 200 (also 206, whose part is that of a body that nobody will see): preconditions and ranges of
 * a GET or HEAD are ours.  Another status stays, with the whole file.
 * - A file that may not be sent is 404; why is told to the log only.  One that lies elsewhere (a
 * gem's, say) is asked for again, without X-Sendfile-Type, if that is safe: frameworks then send it
 * themselves. */
void files_open(struct exchange *x, const struct response_head *h);
/* The exchange does not wait any more. */
void files_done(struct exchange *x);
