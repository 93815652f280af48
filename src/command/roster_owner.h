/* roster_owner.h - root writes into a directory of somebody else's as that user. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

struct roster_owner {
	bool is_other; /* since roster_owner_become */
};

/* Versions in a directory are read by the fly-atc whose directory it is; what root makes there it
 * could not read.  Only where we are root, and where `file` (or NULL) can be read all the same.
 * `directory` may be NULL, or not exist yet: then who owns the one above it is meant. */
void roster_owner_become(struct roster_owner *o, const char *directory, const char *file);
void roster_owner_return(struct roster_owner *o);
