/* fleet_secret.h - the secret by which the machines of a fleet know each other, where nobody has
 * given them one: the first of them makes it in the store of the backups (_fleet/secret), once, by
 * a conditional create; the others find it there.  A copy on the disk serves while the store is
 * silent. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/why.h"
#include "config/config.h"
#include "loop/work.h"

/* There is a fleet, and nobody says its secret, but there is a place for one. */
bool fleet_secret_is_missing(const struct config *c);
/* That of the store, or one that is there from now on; also kept on the disk.  A new text, which
 * nobody else may see.  -EIO: the store does not answer.  Blocks. */
int fleet_secret_find(const struct config *c, const struct work *work, msec until, char **ret,
	struct why *ret_why) MUST_USE;
/* The one that was kept here; NULL: there is none.  Blocks. */
char *fleet_secret_recall(const struct config *c) MUST_USE;
