/* channel.h - messages between supervisor and proxy: a SEQPACKET socket pair (packet_pair), one
 * message a packet, in order.
 *
 * The receiver trusts nothing: an unknown type or a short packet is an error of the link (the proxy
 * exits and is started again; the supervisor ends the proxy). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

enum channel_type {
	/* proxy to supervisor */
	CHANNEL_WAKE = 1,    /* slot: a request waits for this tenant */
	CHANNEL_LISTENING,   /* the proxy serves */
	CHANNEL_CONFIGURED,  /* value: of the CONFIG that every thread uses now */
	CHANNEL_MISSED,	     /* value: of a CONFIG for whose descriptor there was no place */
	CHANNEL_PURGED,	     /* value: of the PURGE; slot: the number of entries */
	CHANNEL_STUCK,	     /* slot: its last `max_timeouts` requests were not answered in time */
	CHANNEL_BUSY,	     /* a request has come: a reason to ask whether all else goes on */
	CHANNEL_ALIVE,	     /* value: of the ASK; every event loop turns */
	CHANNEL_STORE_ASKED, /* a health check wants to know whether the backup's store answers */
	CHANNEL_DRAINED,     /* after DRAIN: no request is left */
	/* supervisor to proxy */
	CHANNEL_STATE =
		64,	/* slot, value = enum tenant_state; text = reason in FAILED, else empty */
	CHANNEL_CONFIG, /* fd: a sealed memfd with the snapshot; value: the number of this message
			 */
	CHANNEL_PURGE,	/* slot, value = a number for the answer; text = a path, empty: all */
	CHANNEL_PUBLIC, /* fd, text: a directory of the next CONFIG's `public`, opened */
	CHANNEL_STORE, /* slot = enum store_state: what the last look at the backup's store found */
	CHANNEL_ASK,   /* whether every event loop turns; value: a number for the answer */
	CHANNEL_DRAIN, /* stop accepting, finish, close idle connections; value: msec at most */
};

enum store_state { STORE_UNKNOWN, STORE_ANSWERS, STORE_SILENT };

#define CHANNEL_TEXT_MAX 4096

struct channel_message {
	uint32_t type; /* enum channel_type */
	uint32_t slot;
	uint64_t value;
	uint32_t text_size;
	char text[CHANNEL_TEXT_MAX];
};

struct channel;
/* fd is -1, or a descriptor that now belongs to the callee, or -EMFILE: one came, and there was no
 * place for it. */
typedef void channel_fn(void *arg, const struct channel_message *m, int fd);
/* The other side is gone or broke the rules; called once. */
typedef void channel_closed_fn(void *arg);

/* Takes fd.  NULL if it cannot be watched. */
struct channel *channel_new(
	struct loop *l, int fd, channel_fn *on_message, channel_closed_fn *on_closed, void *arg);
void channel_free(struct channel *c);
/* Queues when the socket is full, so that nothing is lost.  Only the thread of the loop may use
 * these two.  text may be empty. */
void channel_send(
	struct channel *c, enum channel_type type, uint32_t slot, uint64_t value, str text);
void channel_send_fd(
	struct channel *c, enum channel_type type, uint64_t value, str text, int take_fd);
/* Any thread, on a duplicate of the descriptor: 0, or -EAGAIN when the socket is full, or another
 * -errno. */
int channel_try_send(int fd, enum channel_type type, uint32_t slot) MUST_USE;
