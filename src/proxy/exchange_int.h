/* exchange_int.h - what the files of the exchange share: exchange.c (its life), hold.c (waiting for
 * the tenant), relay*.c (moving bytes), respond.c (the answer's way to the client). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "proxy/exchange.h"

/* A client that closes its side may have gone, or only have said all.  While its request is relayed
 * it is served as long as bytes move (if it has gone, they are answered by a reset), and for so
 * long when none do. */
#define CLIENT_GONE_AFTER 2000

/* GO: something moved, come again.  WAIT: an event must come first.  GONE: the exchange has ended
 * or waits elsewhere; nothing of it may be touched. */
enum step { GO, WAIT, GONE };

/* hold.c: finds the tenant awake and relays, or holds the exchange until it is. */
void hold_want_tenant(struct exchange *x);
/* The tenant's port refused: it may be about to end, or not there yet.  Nothing was sent. */
void hold_refused(struct exchange *x);
void hold_on_time(struct exchange *x);
void hold_leave(struct exchange *x);
/* Serves the events of a waiting page. */
void hold_watch(struct exchange *x);
void hold_watch_on_time(struct exchange *x);

/* relay.c: x has an upstream connection; its request goes out, bodies move, until the exchange
 * ends. */
void relay_start(struct exchange *x);
void relay_run(struct exchange *x);
void relay_client_timeout(struct exchange *x);
/* What an exchange took for a large body; a spare one is used again. */
void relay_give_pipe(struct worker *w, struct splice_pipe *p);

/* Of the exchange's tenant, as the supervisor sees it now. */
struct slot *exchange_slot(const struct exchange *x);
enum tenant_state exchange_tenant_state(const struct exchange *x);

/* exchange.c.  After these the exchange is gone. */
/* Answers with an error page if nothing of an answer was sent yet, otherwise cuts the connection.
 * detail is for the log and may be NULL. */
void exchange_fail(struct exchange *x, enum error error, str reason);
/* The whole answer is in worker->head_out. */
void exchange_answer(struct exchange *x, unsigned status, bool keep_alive);
/* All of an answer of our own has been sent or waits in the outbox: ends the exchange when it is
 * out. */
void exchange_finish_answer(struct exchange *x);
/* All of the answer has been sent: tells the client so, once. */
void exchange_tell_end(struct exchange *x);
/* The answer has been handed over whole. */
void exchange_end(struct exchange *x, bool keep_alive);
/* Ends both connections now. */
void exchange_abort(struct exchange *x, enum error error);
/* The same; GONE. */
enum step exchange_cut(struct exchange *x, enum error error);
/* Sets the deadline of a client that must take something first. */
void exchange_await_client(struct exchange *x);

/* Lets go of the upstream connection: reused if that is safe. */
void exchange_drop_upstream(struct exchange *x, bool can_reuse);
void exchange_leave_tenant(struct exchange *x);
/* Of the configuration under which it began, or of the present one (exchange_forget_view). */
const struct server_conf *exchange_settings(const struct exchange *x);
/* The head of its answer has been written. */
void exchange_forget_view(struct exchange *x);
/* Its path in normal form below the tenant's prefix; one that came by referer is not below it. */
static inline str exchange_path_below(const struct exchange *x)
{
	str path = x->record.path, prefix = x->conf->prefix;

	if (prefix.n && path.n > prefix.n && str_starts(path, prefix) && path.p[prefix.n] == '/')
		return str_slice(path, prefix.n, path.n);
	return path;
}
str exchange_date(void);
/* Milliseconds since 1970, as of the last tick of the kernel: for dates and ages. */
uint64_t exchange_wall(void);
