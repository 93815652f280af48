/* support.h - what tests of the configuration share: load a text in an empty directory of its own.
 */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"

struct loaded {
	struct config *c; /* NULL after errors */
	struct config_faults faults;
};

/* For cmocka_run_group_tests: the directory is the working directory while tests run. */
int enter_directory(void **state);
int leave_directory(void **state);

void write_file(const char *path, const char *text);
/* Words end with NULL; both may be NULL. */
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* text is written to atc.yml (to atc.json if it begins with '{'); NULL: no file. */
struct loaded load_with(const char *text, const char *const *variables, const char *const *command);
/* The type that a config_source wants; nobody writes to them. */
char *const *words(const char *const *literals);
struct loaded load_source(const struct config_source *source);
/* With the command "app". */
struct loaded load(const char *text);
/* As load_with, but there must be no error; the caller releases with config_unref. */
struct config *load_good(const char *text, const char *const *variables);
void loaded_done(struct loaded *l);

/* "file:line:column: error: text" of all faults, one a line; free() it. */
char *faults_text(const struct loaded *l);
/* The faults of a text (loaded with the command "app") are exactly these lines, without the file's
 * name. */
#define assert_faults(text, expected) check_faults(text, expected, __FILE__, __LINE__)
void check_faults(const char *text, const char *expected, const char *file, int line);
bool has_fault(const struct loaded *l, const char *part);

#define assert_str(s, expected) check_str(s, expected, __FILE__, __LINE__)
void check_str(str s, const char *expected, const char *file, int line);
/* The items with '|' between them. */
#define assert_list(list, expected) check_list(list, expected, __FILE__, __LINE__)
void check_list(struct str_list list, const char *expected, const char *file, int line);

const struct tenant_conf *tenant(const struct config *c, const char *id);
/* The dump, or the snapshot; free() it. */
char *dump_text(const struct config *c);
char *snapshot_text(const struct config *c);
