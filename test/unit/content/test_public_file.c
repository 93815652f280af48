/* test_public_file.c - which file answers, what is kept open, and which names last for ever. */
/* SPDX-License-Identifier: MIT */
#include "content/public_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static char root[] = "/tmp/atc-public-XXXXXX";
static int dir;
static struct open_files files;
static msec now;

static void put(const char *name, const char *content)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	open_files_init(&files);
	mkdirat(dir, "docs", 0755);
	mkdirat(dir, ".well-known", 0755);
	put("a.css", "a");
	put("page.html", "page");
	put("docs/index.html", "docs");
	put("app.js", "js");
	put("app.js.br", "br");
	put("app.js.gz", "gz");
	put(".env", "secret");
	put(".well-known/x", "x");
	assert_int_equal(symlinkat("/etc/passwd", dir, "out"), 0);
	assert_int_equal(symlinkat("a.css", dir, "in.css"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0644), 0);
	return 0;
}

static int teardown(void **state)
{
	char *command = xasprintf("rm -r %s", root);
	int r = system(command);

	(void)state;
	open_files_clear(&files);
	close(dir);
	free(command);
	return r;
}

static void read_text(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	assert_true(n >= 0);
	out[n] = '\0';
}

static void paths_lead_to_files(void **state)
{
	static const struct {
		const char *path, *accept;
		enum public_verdict verdict;
		const char *content, *encoding;
	} cases[] = {
		{"/a.css", "", PUBLIC_FILE, "a", ""},
		{"/in.css", "", PUBLIC_FILE, "a", ""},
		{"/page", "", PUBLIC_FILE, "page", ""},
		{"/page.html", "", PUBLIC_FILE, "page", ""},
		{"/docs", "", PUBLIC_FILE, "docs", ""},
		{"/docs/", "", PUBLIC_FILE, "docs", ""},
		{"/page/", "", PUBLIC_NONE, "", ""},
		{"/", "", PUBLIC_NONE, "", ""},
		{"/nothing", "", PUBLIC_NONE, "", ""},
		{"/a.css/x", "", PUBLIC_NONE, "", ""},
		{"/app.js", "gzip, br", PUBLIC_FILE, "br", "br"},
		{"/app.js", "gzip", PUBLIC_FILE, "gz", "gzip"},
		{"/app.js", "zstd", PUBLIC_FILE, "js", ""},
		{"/app.js", "", PUBLIC_FILE, "js", ""},
		{"/.env", "", PUBLIC_REFUSED, "", ""},
		{"/.nothing", "", PUBLIC_NONE, "", ""},
		{"/.well-known/x", "", PUBLIC_FILE, "x", ""},
		{"/out", "", PUBLIC_REFUSED, "", ""},
		{"/fifo", "", PUBLIC_REFUSED, "", ""},
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct public_file f;
		char text[16] = "";
		enum public_verdict v = public_file_find(&files, dir, str_of(cases[i].path),
			str_of(cases[i].accept), &arena, now, &f);

		if (v != cases[i].verdict)
			fail_msg("%s: %d", cases[i].path, (int)v);
		if (v != PUBLIC_FILE)
			continue;
		read_text(f.file->fd, text, sizeof(text));
		assert_string_equal(text, cases[i].content);
		assert_true(str_eq(f.encoding, str_of(cases[i].encoding)));
		assert_int_equal(f.is_negotiated, str_starts(str_of(cases[i].path), STR("/app")));
		open_file_unref(f.file);
	}
	arena_done(&arena);
}

static void names_with_digests_last_for_ever(void **state)
{
	static const struct {
		const char *path;
		bool expected;
	} cases[] = {
		{"/assets/app-1a2b3c4d.css", true},
		{"/app-1a2b3c4d.css", true},
		{"/assets/app-"
		 "908e25f4bf641868d8683022a5b62f54a8b1c0f5e7d9c3b2a1908e25f4bf6418"
		 ".js.map",
			true},
		{"/vite/assets/index-BWx3aK9_.js", true},
		{"/assets/app-5DPQ4HPJ.js", true},
		{"/index-BWx3aK9_.js", false}, /* not where builds put them */
		{"/photo-20240101.jpg", false},
		{"/assets/photo-20240101.jpg", false},
		{"/assets/my-document.pdf", false},
		{"/assets/party-summer24.jpg", false},
		{"/assets/app-1a2b3c4.css", false},
		{"/assets/app-1a2b3c4d", false},
		{"/assets/1a2b3c4d.css", false},
		{"/assets/", false},
		{"/", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++)
		if (public_file_is_fingerprinted(str_of(cases[i].path)) != cases[i].expected)
			fail_msg("%s", cases[i].path);
}

static void what_is_known_is_believed_for_a_moment(void **state)
{
	struct open_file *first, *second;

	(void)state;
	put("changes", "1");
	first = open_files_get(&files, dir, STR("changes"), now);
	second = open_files_get(&files, dir, STR("appears"), now);
	assert_int_equal(second->error, -ENOENT);
	open_file_unref(second);
	put("appears", "2");
	put("new", "two");
	assert_int_equal(renameat(dir, "new", dir, "changes"), 0);
	second = open_files_get(&files, dir, STR("changes"), now + OPEN_FILES_VALID - 1);
	assert_ptr_equal(first, second);
	open_file_unref(second);
	second = open_files_get(&files, dir, STR("changes"), now + OPEN_FILES_VALID);
	assert_int_equal(second->facts.size, 3);
	assert_false(str_eq(file_etag(&first->facts), file_etag(&second->facts)));
	assert_int_equal(first->facts.size, 1); /* and still open */
	assert_true(fcntl(first->fd, F_GETFD) >= 0);
	open_file_unref(first);
	open_file_unref(second);
	second = open_files_get(&files, dir, STR("appears"), now + OPEN_FILES_VALID);
	assert_int_equal(second->error, 0);
	open_file_unref(second);
}

static void the_least_used_go(void **state)
{
	struct open_file *kept = open_files_get(&files, dir, STR("a.css"), now), *again;

	(void)state;
	for (unsigned i = 0; i < 3 * OPEN_FILES_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "nothing%u", i);
		open_file_unref(open_files_get(&files, dir, str_of(name), now));
		if (i % 100 == 0) {
			again = open_files_get(&files, dir, STR("a.css"), now);
			assert_ptr_equal(kept, again);
			open_file_unref(again);
		}
	}
	assert_int_equal(files.count, OPEN_FILES_MAX);
	open_file_unref(kept);
	open_files_clear(&files);
	assert_int_equal(files.count, 0);
}

/* As if another process had opened it. */
static struct open_file *keep(str key, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct file_facts facts;

	assert_int_equal(file_facts_read(fd, &facts), 0);
	return open_files_keep(&files, key, fd, &facts, now);
}

static void what_others_opened_is_kept_while_it_is_the_same(void **state)
{
	static const str key = STR_INIT("1 0 /some/where");
	struct open_file *kept, *found;

	(void)state;
	assert_null(open_files_find(&files, key, now));
	put("sent", "one");
	kept = keep(key, "sent");
	found = open_files_find(&files, key, now + OPEN_FILES_VALID - 1);
	assert_ptr_equal(kept, found);
	open_file_unref(found);
	assert_null(open_files_find(&files, STR("2 0 /some/where"), now));

	put("new", "two");
	assert_int_equal(renameat(dir, "new", dir, "sent"), 0);
	assert_null(open_files_find(&files, key, now)); /* it has no name any more */
	assert_true(fcntl(kept->fd, F_GETFD) >= 0);
	open_file_unref(kept);

	kept = keep(key, "sent");
	open_file_unref(kept);
	assert_true(open_files_sweep(&files, now + OPEN_FILES_VALID - 1));
	assert_false(open_files_sweep(&files, now + OPEN_FILES_VALID));
	assert_null(open_files_find(&files, key, now));
}

static str text_of(str name, msec at, struct open_file **ret_file)
{
	*ret_file = open_files_get(&files, dir, name, at);
	return open_files_text(&files, *ret_file);
}

static void the_content_of_a_small_file_is_kept_when_it_is_asked_for_again(void **state)
{
	struct open_file *first, *second, *third;
	str text;

	(void)state;
	open_files_clear(&files);
	put("small", "content");
	assert_int_equal(text_of(STR("small"), now, &first).n, 0);
	text = text_of(STR("small"), now, &second);
	assert_true(str_eq(text, STR("content")));
	assert_int_equal(files.bytes, 7);
	put("small", "another");
	assert_ptr_equal(open_files_text(&files, first).p, text.p);
	assert_int_equal(text_of(STR("small"), now + OPEN_FILES_VALID, &third).n, 0);
	assert_int_equal(files.bytes, 0);
	assert_true(str_eq(text, STR("content"))); /* for those that are sending it */
	open_file_unref(third);
	assert_true(str_eq(text_of(STR("small"), now + OPEN_FILES_VALID, &third), STR("another")));
	open_file_unref(first);
	open_file_unref(second);
	open_file_unref(third);
	open_files_clear(&files);
	assert_int_equal(files.bytes, 0);
}

static void what_has_changed_since_it_was_opened_is_not_kept(void **state)
{
	struct open_file *f, *same;

	(void)state;
	put("written", "one");
	put("deleted", "one");
	text_of(STR("written"), now, &f);
	put("written", "other");
	assert_int_equal(text_of(STR("written"), now, &same).n, 0);
	assert_ptr_equal(f, same);
	open_file_unref(f);
	open_file_unref(same);
	text_of(STR("deleted"), now, &f);
	assert_int_equal(unlinkat(dir, "deleted", 0), 0);
	assert_int_equal(text_of(STR("deleted"), now, &same).n, 0);
	open_file_unref(f);
	open_file_unref(same);
}

static void only_so_much_is_kept(void **state)
{
	enum { MANY = OPEN_FILES_BYTES / OPEN_FILES_SMALL + 5 };
	char *content = xmalloc(OPEN_FILES_SMALL + 2), name[16];
	struct open_file *f;
	size_t n = 0;

	(void)state;
	memset(content, 'x', OPEN_FILES_SMALL + 1);
	content[OPEN_FILES_SMALL + 1] = '\0';
	put("larger", content);
	content[OPEN_FILES_SMALL] = '\0';
	open_files_clear(&files);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "small%d", i);
		put(name, content);
		open_file_unref(open_files_get(&files, dir, str_of(name), now));
		n += text_of(str_of(name), now, &f).n > 0;
		open_file_unref(f);
	}
	assert_int_equal(n, OPEN_FILES_BYTES / OPEN_FILES_SMALL);
	assert_int_equal(files.bytes, OPEN_FILES_BYTES);
	open_files_clear(&files);
	open_file_unref(open_files_get(&files, dir, STR("larger"), now));
	assert_int_equal(text_of(STR("larger"), now, &f).n, 0);
	open_file_unref(f);
	free(content);
}

static bool is_negotiated(str path, msec at)
{
	struct arena arena = {0};
	struct public_file f;

	assert_int_equal(
		public_file_find(&files, dir, path, STR("br"), &arena, at, &f), PUBLIC_FILE);
	open_file_unref(f.file);
	arena_done(&arena);
	return f.is_negotiated && str_eq(f.encoding, STR("br"));
}

static void that_there_is_no_neighbour_is_believed_as_long_as_the_file(void **state)
{
	(void)state;
	put("lonely.css", "l");
	assert_false(is_negotiated(STR("/lonely.css"), now));
	put("lonely.css.br", "br");
	assert_false(is_negotiated(STR("/lonely.css"), now + OPEN_FILES_VALID - 1));
	assert_true(is_negotiated(STR("/lonely.css"), now + OPEN_FILES_VALID));
	assert_int_equal(unlinkat(dir, "lonely.css.br", 0), 0);
	assert_true(is_negotiated(STR("/lonely.css"), now + 2 * OPEN_FILES_VALID - 1));
	assert_false(is_negotiated(STR("/lonely.css"), now + 2 * OPEN_FILES_VALID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_files),
		cmocka_unit_test(names_with_digests_last_for_ever),
		cmocka_unit_test(what_is_known_is_believed_for_a_moment),
		cmocka_unit_test(the_least_used_go),
		cmocka_unit_test(what_others_opened_is_kept_while_it_is_the_same),
		cmocka_unit_test(the_content_of_a_small_file_is_kept_when_it_is_asked_for_again),
		cmocka_unit_test(what_has_changed_since_it_was_opened_is_not_kept),
		cmocka_unit_test(only_so_much_is_kept),
		cmocka_unit_test(that_there_is_no_neighbour_is_believed_as_long_as_the_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
