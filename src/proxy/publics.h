/* publics.h - the directories whose files are served without the application, opened for us by the
 * supervisor. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/map.h"

/* Zero has none. */
struct publics {
	struct map by_path;
};

void publics_add(struct publics *p, str path, int take_fd);
/* A descriptor for openat2(2), or -1. */
int publics_find(const struct publics *p, str path);
void publics_done(struct publics *p);
