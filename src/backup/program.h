/* program.h - the Litestream program: where it is, which version it is, what environment it
 * gets. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/location.h"

/* The oldest Litestream that keeps all commits.  Up to 0.5.17 its read lock on the WAL ends with
 * the request that made the first sync, so SQLite may restart the WAL between two looks of
 * Litestream, which then continues at the new beginning: what was in between is in no replica. */
#define PROGRAM_OLDEST	    "0.5.18"
#define PROGRAM_RECOMMENDED "0.5.18"
#define PROGRAM_INSTALL                                                                                 \
	"Install it: go install github.com/benbjohnson/litestream/cmd/litestream@v" PROGRAM_RECOMMENDED \
	" (script/setup of fly-atc does that), or set backup.program to its path"

/* The file: `name` as it is when it has a slash in it; else in PATH, beside our own program, or
 * where script/setup puts it (~/.cache/fly-atc/bin).  0 and a new path, or -ENOENT and a new text
 * that says what to do. */
int program_find(str name, char **ret_path, char **ret_reason) MUST_USE;
/* Runs `path version` and judges the answer; blocks for some 20 ms, at most for `limit`.  0, or
 * -errno and a text. */
int program_check(const char *path, msec limit, char **ret_version, char **ret_reason) MUST_USE;
/* "v0.5.18" or "0.5.18" is not older than PROGRAM_OLDEST.  Anything that is not a version is not
 * recent. */
bool program_is_recent(str version);
/* The complete environment for Litestream, NULL-ended: that of l, and little else.  Free with
 * program_env_free. */
char **program_env(const struct location *l) MUST_USE;
void program_env_free(char **env);
/* The keys of an S3 location, which are not in that environment, where any process of our user
 * could read them.  The environment names descriptor PROGRAM_KEYS as the file that holds them; give
 * this one to Litestream under that number.  -1 without keys. */
#define PROGRAM_KEYS 3
int program_keys_open(const struct location *l, int *ret_fd) MUST_USE;
