/* support.c - what tests of the configuration share. */
/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static char directory[] = "/tmp/test-config-XXXXXX";

int enter_directory(void **state)
{
	(void)state;
	return !mkdtemp(directory) || chdir(directory) < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int leave_directory(void **state)
{
	(void)state;
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

struct loaded load_source(const struct config_source *source)
{
	struct loaded l;

	l.c = config_load(source, &l.faults);
	assert_int_equal(l.c == NULL, l.faults.errors > 0);
	return l;
}

char *const *words(const char *const *literals)
{
	char *const *result;

	memcpy(&result, &literals, sizeof(result));
	return result;
}

struct loaded load_with(const char *text, const char *const *variables, const char *const *command)
{
	struct config_source source = {.environ = words(variables), .command = words(command)};

	if (text) {
		source.file = *text == '{' ? "atc.json" : "atc.yml";
		write_file(source.file, text);
	}
	return load_source(&source);
}

struct loaded load(const char *text)
{
	return load_with(text, NULL, WORDS("app"));
}

struct config *load_good(const char *text, const char *const *variables)
{
	struct loaded l = load_with(text, variables, WORDS("app"));

	if (!l.c)
		config_faults_print(&l.faults, STDERR_FILENO);
	assert_non_null(l.c);
	config_faults_done(&l.faults);
	return l.c;
}

void loaded_done(struct loaded *l)
{
	config_unref(l->c);
	config_faults_done(&l->faults);
}

char *faults_text(const struct loaded *l)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char path[] = "faults-XXXXXX";
	int fd = mkstemp(path), c;
	FILE *in;

	assert_true(out && fd >= 0);
	unlink(path);
	config_faults_print(&l->faults, fd);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	in = fdopen(fd, "r");
	while ((c = getc(in)) != EOF)
		putc(c, out);
	fclose(in);
	fclose(out);
	return text;
}

void check_faults(const char *text, const char *expected, const char *file, int line)
{
	struct loaded l = load(text);
	char *faults = faults_text(&l), *at = faults;
	struct buf bare = {0};

	while (*at) {
		const char *end = strchr(at, '\n');

		if (strncmp(at, "atc.yml:", 8) == 0)
			at += 8;
		buf_add(&bare, (str){at, (size_t)(end - at + 1)});
		at += end - at + 1;
	}
	buf_add_char(&bare, 0);
	_assert_string_equal(buf_str(&bare).p, expected, file, line);
	buf_done(&bare);
	free(faults);
	loaded_done(&l);
}

bool has_fault(const struct loaded *l, const char *part)
{
	char *text = faults_text(l);
	bool has = strstr(text, part) != NULL;

	if (!has)
		fprintf(stderr, "not in the faults: %s\n%s", part, text);
	free(text);
	return has;
}

void check_str(str s, const char *expected, const char *file, int line)
{
	char *copy = str_dup(s);

	_assert_string_equal(copy, expected, file, line);
	assert_int_equal(s.p[s.n], 0);
	free(copy);
}

void check_list(struct str_list list, const char *expected, const char *file, int line)
{
	struct buf joined = {0};

	for (size_t i = 0; i < list.count; i++)
		buf_printf(&joined, "%s" STR_FMT, i ? "|" : "", STR_ARG(list.items[i]));
	buf_add_char(&joined, 0);
	_assert_string_equal(buf_str(&joined).p, expected, file, line);
	buf_done(&joined);
}

const struct tenant_conf *tenant(const struct config *c, const char *id)
{
	const struct tenant_conf *t = config_find_tenant(c, str_of(id));

	if (!t)
		fail_msg("there is no tenant %s", id);
	return t;
}

static char *text_of(const struct config *c, void (*write)(const struct config *, struct buf *))
{
	struct buf out = {0};
	char *text;

	write(c, &out);
	text = str_dup(buf_str(&out));
	buf_done(&out);
	return text;
}

char *dump_text(const struct config *c)
{
	return text_of(c, config_dump);
}

char *snapshot_text(const struct config *c)
{
	return text_of(c, config_snapshot_write);
}
