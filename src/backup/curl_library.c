/* curl_library.c - dlopen of libcurl, and its functions by name. */
/* SPDX-License-Identifier: MIT */
#include "backup/curl_library.h"

#include <dlfcn.h>
#include <string.h>

#include "base/alloc.h"

#define FILE_NAME "libcurl.so.4"

int curl_library_load(const char *what, struct curl_library *ret, char **ret_reason)
{
	static const char *const names[] = {
#define X(name) "curl_" #name,
		CURL_LIBRARY_FUNCTIONS(X)
#undef X
	};
	void *library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL), *functions[NITEMS(names)];
	bool is_whole = library;

	static_assert(sizeof(functions) == sizeof(*ret), "functions are pointers of one size");
	for (size_t i = 0; i < NITEMS(names) && is_whole; i++) {
		functions[i] = dlsym(library, names[i]);
		is_whole = functions[i];
	}
	if (!is_whole) {
		*ret_reason = xasprintf("%s needs %s (%s): on Debian, apt-get install libcurl4",
			what, FILE_NAME, dlerror());
		return -ENOENT;
	}
	memcpy(ret, functions, sizeof(functions));
	return 0;
}
