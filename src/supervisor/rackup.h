/* rackup.h - how an application of Rack learns the path that it is served below.
 *
 * RAILS_RELATIVE_URL_ROOT alone does not mount it.  A rackup file of ours, outside the
 * application's tree, does: it mounts the application's own config.ru there, whatever that is. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Writes the file.  0 or -errno. */
int rackup_write(const char *path) MUST_USE;
/* Whether the tenant's server has to be told of it. */
bool rackup_is_needed(const struct tenant_conf *t);
/* The words to add to this command (at most RACKUP_WORDS, borrowed from `path` or static): of
 * `rails server`, `puma` and `rackup`, wherever they stand in it.  0 if the command is none of
 * these, or names a rackup file itself. */
#define RACKUP_WORDS 3
size_t rackup_words(char *const *argv, const char *path, const char *ret[RACKUP_WORDS]);
/* The word that makes puma use the inherited socket (rails server finds it by PORT and BINDING), or
 * NULL. */
const char *rackup_listen_word(char *const *argv);
