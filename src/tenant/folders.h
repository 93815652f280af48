/* folders.h - the directories of a tenant, and which of the application's directories they
 * replace. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "process/process.h"

/* What must be mounted for a tenant; the struct owns the strings. */
struct tenant_mounts {
	struct process_mount *items;
	size_t count;
};

/* In the tenant's directory: empty, and what it sees in place of the rest of the storage. */
#define TENANT_OTHERS ".others"

/* Makes the tenant's directories, those of its databases, and the mount points of its private
 * directories.  With those, it does not see the configuration, the sockets of the operator and of
 * Litestream, other tenants' directories and a store that is a directory.  0, or -errno with the
 * path that could not be made (malloc'd). */
int tenant_folders_make(const struct config *c, const struct tenant_conf *t,
	struct tenant_mounts *ret, char **ret_path) MUST_USE;
void tenant_mounts_done(struct tenant_mounts *m);
/* Removes what a killed copy has left: pid files of processes that are gone, and the socket. */
void tenant_folders_clean(const struct tenant_conf *t, const char *socket_path);
