/* confine.h - which files may be sent in an application's name (X-Sendfile, X-Accel-Redirect), and
 * how they are opened.
 *
 * The name comes through the proxy, so it may be anybody's.  Whatever it is, what is opened is a
 * regular file in the tenant's own directory (also by the names that private_directories give it
 * inside the tenant) or in the application's public one; no link leads out of these, and none leads
 * to what is never sent:
 *
 * - the tenant's databases and what SQLite keeps beside them, and *.sqlite3*;
 * - names that begin with a dot; *.key, *.pem, *.pid;
 * - the directories of other tenants, and config/ of a single application. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "link/opening.h"

/* Opens for reading.  OPENED: *ret_fd.  Otherwise *ret_why is a literal, for the log. */
enum opening_result confine_open(const struct config *conf, const struct tenant_conf *t, str path,
	enum opening_form form, int *ret_fd, const char **ret_why) MUST_USE;
