/* output.h - what a tenant writes goes into our log; the last lines are kept for the operator. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"
#include "process/process.h"

#define OUTPUT_AWAKE_LINES 500u /* kept while it is awake, */
#define OUTPUT_AWAKE_BYTES (256u << 10)
#define OUTPUT_LAST_LINES  50u /* and after a failure */
#define OUTPUT_LAST_BYTES  (64u << 10)

struct output_line {
	uint64_t time; /* wall clock, milliseconds since 1970 */
	uint32_t size;
	bool is_stderr, is_cut;
	char *text;
};

/* A ring of lines.  Zero is an empty one. */
struct output {
	struct output_line *lines; /* NULL or OUTPUT_AWAKE_LINES places */
	uint32_t first, count;
	size_t bytes;
};

/* Keeps a line, and drops the oldest beyond the limits. */
void output_add(struct output *o, enum process_stream stream, str line, bool is_cut);
/* The i-th line, 0 is the oldest. */
struct control_line output_at(const struct output *o, uint32_t i);
/* Drops all but the last ones. */
void output_shrink(struct output *o);
void output_done(struct output *o);

/* Writes a line of a tenant into the log: as a message, or, if it is a JSON object, as JSON. */
void output_log(str tenant, enum process_stream stream, str line, bool is_cut);
