/* config-keys.c - prints tables of the documentation for tools/check: config-keys TABLE. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "config/config.h"

static bool write_table(str name, struct buf *out)
{
	if (str_eq(name, STR("settings")))
		config_keys_write(CONFIG_KEYS_MARKDOWN, out);
	else if (str_eq(name, STR("settings.mdoc")))
		config_keys_write(CONFIG_KEYS_MDOC, out);
	else if (str_eq(name, STR("told")))
		config_told_write(CONFIG_KEYS_MARKDOWN, out);
	else if (str_eq(name, STR("told.mdoc")))
		config_told_write(CONFIG_KEYS_MDOC, out);
	else if (str_eq(name, STR("presets")))
		config_presets_write(out);
	else if (str_eq(name, STR("databases")))
		config_databases_write(out);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct buf out = {0};
	size_t n;

	if (argc != 2 || !write_table(str_of(argv[1]), &out))
		return 2;
	n = fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
	n = buf_len(&out) - n;
	buf_done(&out);
	return n ? 1 : 0;
}
