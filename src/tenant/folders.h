/* folders.h - the directories of a tenant, and which of the application's they stand for. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "process/process.h"

/* What must be mounted for a tenant; the strings are the struct's own. */
struct tenant_mounts {
	struct process_mount *items;
	size_t count;
};

/* In the tenant's directory: what it sees of the storage beside itself, nothing. */
#define TENANT_OTHERS ".others"

/* Makes the tenant's directories, those of its databases, and the mount points of its private
 * directories.  Where it has such, it does not see the configuration, the sockets of the operator
 * and of Litestream, other tenants' directories and a store that is a directory.  0, or -errno with
 * the path that could not be made (malloc'd). */
int tenant_folders_make(const struct config *c, const struct tenant_conf *t,
	struct tenant_mounts *ret, char **ret_path) MUST_USE;
void tenant_mounts_done(struct tenant_mounts *m);
/* Removes what a copy that was killed has left: pid files of processes that are gone, and the
 * socket. */
void tenant_folders_clean(const struct tenant_conf *t, const char *socket_path);
