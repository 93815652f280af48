/* channel.h - messages between supervisor and proxy: a SEQPACKET socket pair (packet_pair), one
 * message a packet, in order.
 *
 * channel.def has the messages and what each may bring.  The receiver trusts nothing: what is not
 * in that table ends the link (the proxy exits and is started again; the supervisor ends the
 * proxy).
 * */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

enum channel_to_supervisor {
#define TO_SUPERVISOR(NAME, ...) CHANNEL_##NAME,
#include "link/channel.def"
};

enum channel_to_proxy {
#define TO_PROXY(NAME, ...) CHANNEL_##NAME,
#include "link/channel.def"
};

enum store_state { STORE_UNKNOWN, STORE_ANSWERS, STORE_SILENT };

/* Of another machine of the fleet.
 *
 * COMING: it is being found or woken; THERE or FAILED follows.
 * THERE:  its fly-atc is at this address; another generation is another run of it, or another
 *         address, and connections to the former one are not used again.
 * FAILED: it cannot be reached, for this reason.  It is asked for again when a request comes. */
enum machine_state { MACHINE_COMING, MACHINE_THERE, MACHINE_FAILED };
#define MACHINE_NSTATES (MACHINE_FAILED + 1)

#define CHANNEL_TEXT_MAX 4096

/* The receiving side. */
enum channel_side { CHANNEL_SUPERVISOR = 1, CHANNEL_PROXY };

struct channel_message {
	uint16_t side; /* enum channel_side */
	uint16_t type; /* enum channel_to_supervisor or channel_to_proxy */
	uint32_t slot;
	uint64_t value;
	uint32_t text_size;
	char text[CHANNEL_TEXT_MAX];
};

struct channel;
/* One that its side may be sent, with all that comes with it.  fd is -1, or a descriptor that now
 * belongs to the callee, or -EMFILE: one came, but this process had no room for it. */
typedef void channel_fn(void *arg, const struct channel_message *m, int fd);
/* The other side is gone; or `fault` says what it sent that is not allowed.  Called once. */
typedef void channel_closed_fn(void *arg, const char *fault);

/* Takes fd, the end of `side`.  NULL if it cannot be watched. */
struct channel *channel_new(struct loop *l, int fd, enum channel_side side, channel_fn *on_message,
	channel_closed_fn *on_closed, void *arg);
void channel_free(struct channel *c);

/* These queue when the socket is full, so that nothing is lost.  Only the thread of the loop may
 * use them.  text may be empty. */
void channel_tell_proxy(
	struct channel *c, enum channel_to_proxy type, uint32_t slot, uint64_t value, str text);
void channel_give_proxy(
	struct channel *c, enum channel_to_proxy type, uint64_t value, str text, int take_fd);
void channel_tell_supervisor(struct channel *c, enum channel_to_supervisor type, uint32_t slot,
	uint64_t value, str text);
/* From any thread, on a duplicate of the proxy's descriptor: 0, or -EAGAIN when the socket is full,
 * or another -errno. */
int channel_try_supervisor(int fd, enum channel_to_supervisor type, uint32_t slot) MUST_USE;
