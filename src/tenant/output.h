/* output.h - a tenant's output goes into our log; the last lines are kept for the operator. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "control/control.h"
#include "process/process.h"

#define OUTPUT_AWAKE_LINES 500u /* kept while it is awake, */
#define OUTPUT_AWAKE_BYTES (256u << 10)
#define OUTPUT_LAST_LINES  50u /* and after a failure */
#define OUTPUT_LAST_BYTES  (64u << 10)
#define OUTPUT_ERROR_LINES 100u /* of stderr since the start, whatever stdout writes meanwhile */
#define OUTPUT_ERROR_BYTES (16u << 10)
#define OUTPUT_ERROR_WIDTH 500u /* of a line that output_add_error adds */

struct output_line {
	uint64_t time; /* wall clock, milliseconds since 1970 */
	uint32_t size;
	bool is_stderr, is_cut;
	char *text;
};

struct output_ring {
	struct output_line *lines; /* NULL or as many places as it may have */
	uint32_t first, count;
	size_t bytes;
};

/* The last lines, and how much has been logged recently.  Zero is an empty one. */
struct output {
	struct output_ring last;   /* OUTPUT_AWAKE_LINES */
	struct output_ring errors; /* OUTPUT_ERROR_LINES */
	uint32_t fresh;		   /* of the last lines: since output_begin */
	/* For the log only: */
	uint64_t spent; /* bytes of the current burst; shrinks by the rate over time */
	msec spent_at;
	struct log_losses untold, dropped; /* dropped: since fly-atc began */
};
#define OUTPUT_BURST 4u /* seconds' worth of log_rate may come at once */

/* A program is started: the lines that are there already are not its own. */
void output_begin(struct output *o);
/* Keeps a line, and drops the oldest ones beyond the limits. */
void output_add(struct output *o, enum process_stream stream, str line, bool is_cut);
/* The i-th line, 0 is the oldest. */
struct control_line output_at(const struct output *o, uint32_t i);
/* Drops all but the last ones. */
void output_shrink(struct output *o);
/* Drops all of them.  What was dropped from the log stays counted. */
void output_done(struct output *o);
/* Adds the lines since output_begin that say what went wrong (reason.h), a line feed between two;
 * stderr is asked before stdout.  Nothing if no line looks like that. */
void output_add_error(const struct output *o, struct buf *text);

/* Writes a line of a tenant into the log: as a message, or, if it is a JSON object, as JSON.  What
 * exceeds `rate` bytes a second (0: no limit) is dropped and counted.  True if output_tell has
 * something to report. */
bool output_log(struct output *o, str tenant, enum process_stream stream, str line, bool is_cut,
	uint64_t rate, msec now);
/* One line about what was dropped, if anything. */
void output_tell(struct output *o, str tenant);
