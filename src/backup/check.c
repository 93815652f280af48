/* check.c - can the configured backup work? For the command line and for the start. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "backup/backup_int.h"
#include "backup/beside.h"
#include "backup/location.h"
#include "backup/program.h"
#include "backup/trial.h"
#include "base/alloc.h"

#define VERSION_LIMIT 5000u /* msec */

static int check_program(const struct config *c, struct buf *ret_text)
{
	CLEAN_FREE char *reason = NULL, *path = NULL, *version = NULL;
	struct why why = {""};
	int r = program_find(c->backup.program, &path, &reason);

	if (r == 0)
		r = program_check(path, VERSION_LIMIT, &version, &reason);
	if (r < 0) {
		buf_printf(ret_text, "%s\n", reason);
		return r;
	}
	r = trial_run(path, NULL, NULL, &why);
	if (r < 0) {
		trial_explain(path, version, r, &why, ret_text);
		buf_add_char(ret_text, '\n');
	}
	return r;
}

int backup_check(const struct config *c, struct buf *ret_text)
{
	struct location location = {0};
	CLEAN_FREE char *reason = NULL;
	int faults = 0;

	if (!c->backup.url.n)
		return 0;
	if (location_parse(&c->backup, &location, &reason) < 0) {
		buf_printf(ret_text, "%s\n", reason);
		faults++;
	}
	location_done(&location);
	if (check_program(c, ret_text) < 0)
		faults++;
	return faults ? -EINVAL : 0;
}

void gap_add(const struct tenant_conf *t, uint64_t nfiles, struct buf *out)
{
	bool has_database = false;

	for (size_t i = 0; i < t->app->ndatabases; i++)
		has_database |= t->app->databases[i].has_backup;
	if (!has_database)
		buf_add(out, STR("no database"));
	if (!nfiles || t->app->files == FILES_NONE)
		return;
	buf_printf(out, "%s%llu%s file%s", has_database ? "" : ", ", (unsigned long long)nfiles,
		nfiles >= BESIDE_ENOUGH ? " or more" : "", nfiles == 1 ? "" : "s");
}

void backup_find_gap(const struct config *c, const struct tenant_conf *t, struct buf *out)
{
	size_t n = t->app->ndatabases;
	char **paths = xcalloc(n + 1, sizeof(*paths));

	for (size_t i = 0; i < n; i++)
		paths[i] = entry_database_path(t, &t->app->databases[i]);
	if (c->backup.url.n)
		gap_add(t,
			beside_count(&(struct beside){t->dir.p, (const char *const *)paths, n},
				BESIDE_ENOUGH),
			out);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
}
