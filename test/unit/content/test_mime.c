/* test_mime.c - media types by extension. */
/* SPDX-License-Identifier: MIT */
#include "content/mime.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void extensions_have_types(void **state)
{
	static const struct {
		const char *path, *type;
	} cases[] = {
		{"a.css", "text/css; charset=utf-8"},
		{"/a/b.c/a.HTML", "text/html; charset=utf-8"},
		{"a.min.js", "text/javascript; charset=utf-8"},
		{"a.7z", "application/x-7z-compressed"},
		{"a.zst", "application/zstd"},
		{"a.webmanifest", "application/manifest+json"},
		{".png", "image/png"},
		{"a.tar.gz", "application/gzip"},
		{"a", ""},
		{"", ""},
		{"a.", ""},
		{"a.css/b", ""},
		{"a.nothing", ""},
		{"a.extension-longer-than-any", ""},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		if (!str_eq(mime_of(str_of(cases[i].path)), str_of(cases[i].type)))
			fail_msg("%s is not %s", cases[i].path, cases[i].type);
}

/* They are looked up by halves. */
static void the_table_is_sorted(void **state)
{
	static const str extensions[] = {
#define MIME(extension, type) STR_INIT(extension),
#include "content/mime.def"
	};

	(void)state;
	for (size_t i = 1; i < NITEMS(extensions); i++)
		assert_true(str_cmp(extensions[i - 1], extensions[i]) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extensions_have_types),
		cmocka_unit_test(the_table_is_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
