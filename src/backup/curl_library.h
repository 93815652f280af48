/* curl_library.h - libcurl, loaded when the store is a bucket or Fly's API is asked.
 *
 * With all that Debian's build of it needs (Kerberos, LDAP, GnuTLS, ssh) it would take megabytes in
 * each process of a machine that has no bucket, and in the proxy, which never asks one
 * (docs/decisions/0018). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <curl/curl.h>

#include "base/base.h"

#define CURL_LIBRARY_FUNCTIONS(X)                                                                  \
	X(global_init)                                                                             \
	X(global_cleanup)                                                                          \
	X(easy_init)                                                                               \
	X(easy_cleanup)                                                                            \
	X(easy_reset)                                                                              \
	X(easy_setopt)                                                                             \
	X(easy_perform)                                                                            \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(slist_append)                                                                            \
	X(slist_free_all)

/* curl_easy_init is easy_init, and so on. */
struct curl_library {
#define X(name) __typeof__(curl_##name) *name;
	CURL_LIBRARY_FUNCTIONS(X)
#undef X
};

/* For `what` ("a bucket"); it stays loaded.  0, or -ENOENT and a new text that says what to do. */
int curl_library_load(const char *what, struct curl_library *ret, char **ret_reason) MUST_USE;
