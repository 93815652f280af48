/* roster_owner.c - changes who we are, and back. */
/* SPDX-License-Identifier: MIT */
#include "command/roster_owner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* Of the directory, or of the nearest one above it that there is. */
static bool find_owner(const char *directory, struct stat *ret)
{
	CLEAN_FREE char *path = xstrdup(directory);

	while (stat(path, ret) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || slash == path)
			return false;
		if (!slash)
			return stat(".", ret) == 0;
		*slash = '\0';
	}
	return true;
}

void roster_owner_return(struct roster_owner *o)
{
	/* Nobody who was root a moment ago is refused this. */
	if (o->is_other && (seteuid(0) < 0 || setegid(getgid()) < 0))
		abort();
	o->is_other = false;
}

void roster_owner_become(struct roster_owner *o, const char *directory, const char *file)
{
	struct stat st;

	o->is_other = false;
	if (geteuid() != 0 || !directory || !find_owner(directory, &st) || st.st_uid == 0)
		return;
	if (setegid(st.st_gid) < 0)
		return;
	o->is_other = true;
	if (seteuid(st.st_uid) < 0 || (file && faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) < 0))
		roster_owner_return(o);
}
