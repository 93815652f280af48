/* replay.c - runs a fuzz target over the files of its corpus, as a plain test. */
/* SPDX-License-Identifier: MIT */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static size_t replayed;

static int replay_file(const char *path, const struct stat *info, int type)
{
	FILE *file;
	uint8_t *data;

	if (type != FTW_F)
		return 0;
	file = fopen(path, "rbe");
	/* As long as the input and no longer, so that a byte read behind it is noticed by ASan. */
	data = malloc((size_t)info->st_size);
	if (!file || (!data && info->st_size) ||
		fread(data, 1, (size_t)info->st_size, file) != (size_t)info->st_size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)info->st_size);
	free(data);
	replayed++;
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (ftw(argv[i], replay_file, 8) < 0) {
			perror(argv[i]);
			return 1;
		}
	}
	printf("%zu inputs replayed\n", replayed);
	return replayed ? 0 : 1;
}
