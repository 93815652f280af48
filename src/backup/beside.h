/* beside.h - files that a tenant keeps beside its databases, and that are not backed up. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

struct beside {
	const char *dir;	      /* the tenant's */
	const char *const *databases; /* their absolute paths, copied or not */
	size_t ndatabases;
};

struct tenant_conf;

/* "no database, 12 files": what a backup leaves out. */
void gap_add(const struct tenant_conf *t, uint64_t nfiles, struct buf *out);
/* The regular files in it that are no databases, not ours, and not in tmp, log or cache; it stops
 * counting at `enough`.  Another tenant's directory inside it is not entered.  Blocks for as long
 * as reading the directories takes. */
uint64_t beside_count(const struct beside *b, uint64_t enough);
/* The limit at which a count says "so many or more". */
#define BESIDE_ENOUGH 10000u
