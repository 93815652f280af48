/* check.c - can the configured backup work? For the command line and for the start. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup.h"
#include "backup/location.h"
#include "backup/program.h"
#include "base/alloc.h"

#define VERSION_LIMIT 5000u /* msec */

int backup_check(const struct config *c, struct buf *ret_text)
{
	struct location location = {0};
	CLEAN_FREE char *reason = NULL, *path = NULL, *version = NULL;
	int faults = 0;

	if (!c->backup.url.n)
		return 0;
	if (location_parse(&c->backup, &location, &reason) < 0) {
		buf_printf(ret_text, "%s\n", reason);
		faults++;
	}
	location_done(&location);
	free(reason);
	reason = NULL;
	if (program_find(c->backup.program, &path, &reason) < 0 ||
		program_check(path, VERSION_LIMIT, &version, &reason) < 0) {
		buf_printf(ret_text, "%s\n", reason);
		faults++;
	}
	return faults ? -EINVAL : 0;
}
