/* own_url.h - does a URL lead to the host that a request was for? */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* True for an absolute http or https URL whose authority is `host` (name or name:port, as in a Host
 * field): names in any case, a port that is not named is the scheme's.  *ret_rest is what follows
 * the authority, from the first
 * '/', '?' or '#' on, or empty.  User information ("host@elsewhere") is part of the authority, so
 * it is never ours. */
bool own_url(str url, str host, str *ret_rest);
