/* mime.c - looks an extension up in mime.def. */
/* SPDX-License-Identifier: MIT */
#include "content/mime.h"

#define EXTENSION_MAX 12

static const struct mime {
	str extension, type;
} types[] = {
#define MIME(extension, type) {STR_INIT(extension), STR_INIT(type)},
#include "content/mime.def"
};

static str extension_of(str path)
{
	for (size_t i = path.n; i > 0 && path.p[i - 1] != '/'; i--)
		if (path.p[i - 1] == '.')
			return str_slice(path, i, path.n);
	return STR_EMPTY;
}

str mime_of(str path)
{
	str extension = extension_of(path);
	char lower[EXTENSION_MAX];
	size_t low = 0, high = NITEMS(types);

	if (!extension.n || extension.n > EXTENSION_MAX)
		return STR_EMPTY;
	for (size_t i = 0; i < extension.n; i++)
		lower[i] = char_lower(extension.p[i]);
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp((str){lower, extension.n}, types[middle].extension);

		if (order == 0)
			return types[middle].type;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return STR_EMPTY;
}
