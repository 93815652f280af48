/* migrations.h - whether a prepare command has anything to do, without booting the application.
 *
 * After a successful run we remember a fingerprint of what it depends on: the files of the
 * migrations (or of the schemas, where there are no migrations), the command, and what the
 * databases themselves say was applied (their schema, the rows of the tables in which frameworks
 * keep their migrations). While it is the same there is nothing to do.  It is kept in the tenant's
 * directory, and in the store with its databases (backup_set_prepared), so that a restore brings it
 * along. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* What decides that for a tenant. */
struct migrations {
	str root;	    /* the application's directory */
	str dir;	    /* the tenant's */
	str environment;    /* "production" */
	const str *command; /* the words of the prepare command */
	size_t nwords;
	struct migrations_database {
		str name, path; /* the path within dir */
	} * databases;		/* the application certainly has the first one */
	size_t ndatabases;
};

/* Nothing has changed since the last success: the fingerprint is the one remembered here, or
 * `known` (0: none). */
bool migrations_are_done(const struct migrations *m, uint64_t known);
/* The prepare command has just succeeded.  The fingerprint, or 0 where nothing is known. */
uint64_t migrations_remember(const struct migrations *m);
