/* strays.h - databases that a tenant's processes have open for writing outside its own directory.
 *
 * An application that does not read the variable which names its database opens one of its own
 * choosing, the same for all tenants.  Nothing else would show that. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Folders that are the tenant's own: by identity, since a process may see them at another place. */
struct own_folders {
	struct own_folder {
		uint64_t device, inode;
	} * items;
	size_t count;
};

/* The tenant's directory, and those of its private directories. */
void own_folders_find(const struct tenant_conf *t, struct own_folders *ret);
void own_folders_done(struct own_folders *f);

/* Blocks for some milliseconds.  The first such database of the process or of its descendants, as
 * they see its path, or NULL; free it.  What may not be looked at, is open for reading only, or has
 * no name any more does not count. */
char *stray_find(pid_t leader, const struct own_folders *own) MUST_USE;
