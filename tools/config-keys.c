/* config-keys.c - prints the tables of all settings, or of the variables that applications are
 * told, for tools/check: config-keys markdown | mdoc [told]. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "config/config.h"

int main(int argc, char **argv)
{
	bool is_mdoc = argc > 1 && str_eq(str_of(argv[1]), STR("mdoc"));
	struct buf out = {0};
	size_t n;

	(argc > 2 ? config_told_write : config_keys_write)(
		is_mdoc ? CONFIG_KEYS_MDOC : CONFIG_KEYS_MARKDOWN, &out);
	n = fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
	n = buf_len(&out) - n;
	buf_done(&out);
	return n ? 1 : 0;
}
