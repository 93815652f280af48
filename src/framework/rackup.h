/* rackup.h - tells a Rack application where it is served.
 *
 * RAILS_RELATIVE_URL_ROOT alone does not mount it below its path.  A rackup file of ours, outside
 * the application's tree, does: it mounts the application's own config.ru there, whatever that
 * is. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "framework/framework.h"

/* Writes the file into run_dir.  0 or -errno. */
int rackup_write(const char *run_dir) MUST_USE;
/* The words to add to this command (argv ends in NULL), and how many; free() each.
 *
 * If it is served below a path: the rackup file, for `rails server`, `puma` and `rackup`, wherever
 * they are in the command, unless the command names a rackup file itself.  If a socket is
 * inherited: what makes puma use that one (rails server finds it by PORT and BINDING). */
size_t rackup_words(
	char *const *argv, const struct framework_start *start, char *ret[FRAMEWORK_WORDS]);
