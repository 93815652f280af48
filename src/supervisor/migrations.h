/* migrations.h - whether a prepare command has anything to do, without booting the application.
 *
 * After a successful run we remember a fingerprint of what decides it: the files of the migrations
 * and schemas, the command, and what the databases themselves say was applied (schema_version of
 * SQLite, the rows of the tables in which frameworks keep their migrations).  While it is the same
 * there is nothing to do. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Nothing changed since the last success. */
bool migrations_are_done(const struct tenant_conf *t);
/* The prepare command has just succeeded. */
void migrations_remember(const struct tenant_conf *t);
