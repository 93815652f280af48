/* proxy_user.h - the user that the proxy runs as when we are root. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "process/process.h"

/* The user that the configuration names.  If it names none: fly-atc, if there is such a user, or an
 * unused number: other processes of a shared user could end the proxy, and read what is open to
 * that user.  Ourselves if we are not root.  0, or -errno with *ret_reason (malloc'd). */
int proxy_user_find(str name, struct process_user *ret, char **ret_reason) MUST_USE;
