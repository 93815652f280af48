/* test_documents.c - the examples, and those in the manual, are configurations without a fault. */
/* SPDX-License-Identifier: MIT */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#include "base/alloc.h"

static const char *root; /* of the source */

static void check_file(const char *path)
{
	struct loaded l = load_source(&(struct config_source){.file = path, .is_only_read = true});

	if (!l.c)
		config_faults_print(&l.faults, STDERR_FILENO);
	assert_non_null(l.c);
	for (size_t i = 0; i < l.c->ntenants; i++)
		assert_true(l.c->tenants[i].dir.n > 0);
	loaded_done(&l);
}

static void test_examples(void **state)
{
	CLEAN_FREE char *pattern = xasprintf("%s/examples/*.*", root);
	glob_t found;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_file(found.gl_pathv[i]);
	globfree(&found);
}

static void test_the_manuals_blocks(void **state)
{
	CLEAN_FREE char *path = xasprintf("%s/docs/configuration.md", root);
	FILE *file = fopen(path, "re");
	struct buf block = {0};
	bool is_inside = false;
	size_t blocks = 0, size = 0;
	char *line = NULL;

	(void)state;
	assert_non_null(file);
	while (getline(&line, &size, file) >= 0) {
		if (is_inside && strcmp(line, "```\n") == 0) {
			buf_add_char(&block, 0);
			write_file("atc.yml", buf_str(&block).p);
			check_file("atc.yml");
			buf_clear(&block);
			is_inside = false;
			blocks++;
		} else if (is_inside) {
			buf_add(&block, str_of(line));
		} else if (strcmp(line, "```yaml\n") == 0) {
			is_inside = true;
		}
	}
	assert_int_equal(blocks, 5);
	free(line);
	fclose(file);
	buf_done(&block);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_the_manuals_blocks),
	};

	if (argc != 2)
		return 1;
	root = argv[1];
	return cmocka_run_group_tests_name("documents", tests, enter_directory, leave_directory);
}
