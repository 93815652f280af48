/* test_compressible.c - which media types are worth compressing. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "content/compressible.h"

static void texts_and_raw_data_are(void **state)
{
	static const char *const types[] = {"", "text/html", "text/html; charset=utf-8", "TEXT/CSS",
		"text/plain", "text/event-stream", "text/javascript", "text/zip-like",
		"application/json", "application/vnd.api+json", "application/javascript",
		"application/manifest+json", "application/xml", "application/wasm",
		"application/vnd.library", "application/x-ndjson", "application/x-tar",
		"application/vnd.sqlite3", "image/svg+xml", "image/bmp", "image/tiff",
		"image/x-icon", "image/vnd.microsoft.icon", "font/ttf", "font/otf",
		"application/vnd.ms-fontobject", "application/json; name=\"a.zip\"", "nonsense"};

	(void)state;
	for (size_t i = 0; i < NITEMS(types); i++)
		assert_true(type_is_compressible(str_of(types[i])));
}

static void what_is_compressed_already_is_not(void **state)
{
	static const char *const types[] = {/* Thruster's, with its tests' spellings. */
		"image/jpg", "image/jpeg", "image/png", "image/apng", "image/webp", "image/gif",
		"image/avif", "image/heic", "image/heif", "image/heic-sequence",
		"image/heif-sequence", "image/avif-sequence", "image/jxl", "IMAGE/PNG",
		"image/png; charset=binary", "video/mp4", "audio/mpeg", "application/zip",
		"application/gzip", "application/x-gzip", "application/x-bzip2",
		"application/x-compress", "application/x-lzma", "application/x-xz",
		"application/zstd", "application/x-brotli", "application/x-snappy-framed",
		"application/x-stuffit", "image/svg+xml-compressed",
		/* And what it forgot. */
		"font/woff", "font/woff2", "application/font-woff2", "application/pdf",
		"application/x-7z-compressed", "application/vnd.rar", "application/epub+zip",
		"application/java-archive", "application/octet-stream",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"application/vnd.oasis.opendocument.text",
		"application/vnd.android.package-archive", "application/grpc+proto",
		" application/PDF ; x=y"};
	char endless[1000] = "application/";

	(void)state;
	for (size_t i = 0; i < NITEMS(types); i++)
		assert_false(type_is_compressible(str_of(types[i])));
	memset(endless + 12, 'x', sizeof(endless) - 12);
	assert_false(type_is_compressible((str){endless, sizeof(endless)}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_raw_data_are),
		cmocka_unit_test(what_is_compressed_already_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
