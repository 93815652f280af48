/* log.h - JSON lines on standard output, written by a thread of their own so that a slow reader
 * never blocks a loop.
 *
 * A line is built in memory by log_line_open, log_field_*, log_line_close, or by the
 * log_error/warn/info/debug one-liners.  Each thread collects lines in a buffer of its own;
 * log_publish hands them to the writer (the event loop does so at the end of a turn).  When the
 * reader is too slow, lines beyond LOG_QUEUE_MAX bytes are dropped and counted; the count is
 * written as a line of its own once there is room.  Lines of guests (what tenants wrote and we only
 * pass on) may fill half of it, so that ours find room beside the loudest of them. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_QUEUE_MAX  (8u << 20)
#define LOG_GUESTS_MAX (LOG_QUEUE_MAX / 2)

/* Lines above `level` are not written.  `name` (a literal) names the process: "supervisor" or
 * "proxy". */
void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* Until the end of the block the lines of this thread have their own level: that of the tenant that
 * they are about. */
#define LOG_LEVEL_HERE(level)                                                                      \
	__attribute__((cleanup(log_level_back), unused)) int level_before =                        \
		log_level_own((int)(level))
#define LOG_LEVEL_SHARED (-1)
/* Returns the former level, for log_level_back. */
int log_level_own(int level);
void log_level_back(const int *before);
/* Returns when everything written so far is out, or `limit` has passed.  Call it before exit. */
void log_flush(msec limit);
/* For tests: after fork, in a child that goes on running our code without the parent's writer
 * thread. */
void log_after_fork(const char *name);

/* One-line events: {"time":…,"level":…,"process":…,"msg":…}. */
void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);

/* A line with fields.  log_line_open is NULL when the level is off; the others accept NULL.  Until
 * log_line_close this thread logs nothing else. */
struct buf *log_line_open(enum log_level level, const char *msg);
void log_field_str(struct buf *line, const char *key, str value);
void log_field_number(struct buf *line, const char *key, int64_t value);
/* A value that is JSON already (no newline in it). */
void log_field_json(struct buf *line, const char *key, str value);
void log_line_close(struct buf *line);

/* A line that is JSON already (no newline in it) is written as it is. */
void log_raw(str line);
/* log_line_open for a line of a guest. */
struct buf *log_guest_line_open(enum log_level level, const char *msg);
/* Lines dropped since the start. */
struct log_losses {
	uint64_t lines, bytes;
};
struct log_losses log_losses(void);
/* Hands this thread's lines to the writer. */
void log_publish(void);
