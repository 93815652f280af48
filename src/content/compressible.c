/* compressible.c - a media type by its prefix, and by what it contains. */
/* SPDX-License-Identifier: MIT */
#include "content/compressible.h"

/* Prefixes of a type; the first group is Thruster's, image/svg+xml, bmp and tiff are not in it. */
static const str beginnings[] = {
	STR_INIT("video/"), STR_INIT("audio/"),
	STR_INIT("image/jp"), /* jpeg, jpg, jp2, jpm, jpx, jph */
	STR_INIT("image/png"), STR_INIT("image/apng"), STR_INIT("image/webp"),
	STR_INIT("image/gif"), STR_INIT("image/avif"), STR_INIT("image/heic"),
	STR_INIT("image/heif"), STR_INIT("image/jxl"),

	STR_INIT("image/pjpeg"), STR_INIT("image/x-png"), STR_INIT("image/jxr"),
	STR_INIT("font/woff"), /* and woff2 */
	STR_INIT("application/font-woff"), STR_INIT("application/x-font-woff"),
	STR_INIT("application/pdf"), STR_INIT("application/octet-stream"),
	STR_INIT("binary/octet-stream"), STR_INIT("application/x-7z"),
	STR_INIT("application/vnd.rar"), STR_INIT("application/x-rar"),
	STR_INIT("application/java-archive"), STR_INIT("application/x-java-archive"),
	STR_INIT("application/vnd.android.package-archive"),
	STR_INIT("application/vnd.openxmlformats-officedocument"), /* docx, xlsx, pptx: zip files */
	STR_INIT("application/vnd.oasis.opendocument"),
	STR_INIT("application/vnd.debian.binary-package"), STR_INIT("application/x-debian-package"),
	STR_INIT("application/x-rpm"), STR_INIT("application/x-redhat-package-manager"),
	STR_INIT("application/x-apple-diskimage"), STR_INIT("application/x-xpinstall"),
	STR_INIT("application/x-chrome-extension"), STR_INIT("application/mp4"),
	STR_INIT("application/ogg"), STR_INIT("application/grpc"),
	STR_INIT("multipart/x-mixed-replace"), /* pictures of a camera */
};

/* Words that may be anywhere in a type; Thruster's. */
static const str parts[] = {
	STR_INIT("compress"),
	STR_INIT("zip"), /* gzip, bzip2, epub+zip */
	STR_INIT("snappy"),
	STR_INIT("lzma"),
	STR_INIT("xz"),
	STR_INIT("zstd"),
	STR_INIT("brotli"),
	STR_INIT("stuffit"),
};

#define LONGEST 128 /* no registered type has more */

bool type_is_compressible(str content_type)
{
	ssize_t end = str_find_char(content_type, ';');
	str type = str_trim(str_slice(content_type, 0, end < 0 ? content_type.n : (size_t)end));
	char lower[LONGEST];

	if (type.n > LONGEST)
		return false;
	for (size_t i = 0; i < type.n; i++)
		lower[i] = char_lower(type.p[i]);
	type.p = lower;
	if (str_starts(type, STR("text/")) || str_eq(type, STR("application/json")) ||
		str_eq(type, STR("application/javascript")))
		return true; /* most are */
	for (size_t i = 0; i < NITEMS(beginnings); i++)
		if (str_starts(type, beginnings[i]))
			return false;
	for (size_t i = 0; i < NITEMS(parts); i++)
		if (str_find(type, parts[i]) >= 0)
			return false;
	return true;
}
