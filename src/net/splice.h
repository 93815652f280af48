/* splice.h - bytes moved from socket to socket inside the kernel, through a pipe (splice(2)). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "net/flow.h"
#include "net/inbox.h"
#include "net/outbox.h"

/* Zero is closed. */
struct splice_pipe {
	int read_fd, write_fd;
	bool is_open;
	size_t held; /* bytes in the pipe */
};

int splice_open(struct splice_pipe *p) MUST_USE;
void splice_close(struct splice_pipe *p);

enum spliced {
	SPLICED,	     /* something moved, and nothing is held any more */
	SPLICE_WAITS,	     /* for the source, or for the sink (then out->is_blocked) */
	SPLICE_SOURCE_ENDED, /* at its end, or broken */
	SPLICE_SINK_FAILED,
};
/* What the pipe holds, or else the next bytes of a body, from socket to socket.  The flow's raw
 * bytes are counted when they enter the pipe.  There must be some, in the pipe or to come, and out
 * must be empty. */
enum spliced splice_pass(struct splice_pipe *p, struct flow *f, struct inbox *in, int from,
	struct outbox *out, int to) MUST_USE;
