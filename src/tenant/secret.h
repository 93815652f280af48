/* secret.h - a SECRET_KEY_BASE for each tenant, all derived from one master secret. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* 64 bytes in hexadecimal, and NUL. */
#define SECRET_TEXT_SIZE 129

/* The operator's own SECRET_KEY_BASE if `environment_value` is not empty; otherwise that of the
 * file `path`, which is made (mode 0600, on disk before it is used) if it does not exist.  A new
 * string; free() it.  0 or -errno. */
int secret_master(const char *environment_value, const char *path, char **ret) MUST_USE;
/* HMAC-SHA512 of the tenant's id: it stays the same as long as the master does, and reveals nothing
 * about the master or another tenant's. */
void secret_of_tenant(const char *master, str id, char out[SECRET_TEXT_SIZE]);
