/* test_file.c - files among traps: links at each step, pipes and directories in place of files, and
 * writes that end half-way. */
/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#define SECRET "nobody's business"
#define KILLS  25
#define LENGTH 300000u

static char home[] = "/tmp/atc-file-XXXXXX";
static int top = -1, dir = -1; /* home, and home/dir, which others may write to */

static void put(const char *path, const char *text)
{
	int fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_content(const char *path, const char *text)
{
	char bytes[256] = "";
	int fd = openat(top, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, sizeof(bytes) - 1) < 0 || strcmp(bytes, text) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", path, bytes, text);
	close(fd);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What a tenant would like us to touch, and a directory of the tenant's. */
static int begin(void **state)
{
	(void)state;
	strcpy(home + strlen(home) - 6, "XXXXXX");
	if (!mkdtemp(home) || (top = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	assert_int_equal(mkdirat(top, "victim", 0755), 0);
	assert_int_equal(mkdirat(top, "dir", 0755), 0);
	put("victim/f", SECRET);
	dir = openat(top, "dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int end(void **state)
{
	char *command = xasprintf("rm -r %s", home);
	int r = system(command);

	(void)state;
	free(command);
	close(dir);
	close(top);
	return r;
}

/* A link that is not ours: it has another owner if we are root, and in any case a second name. */
static void make_foreign_link(const char *target, const char *name)
{
	CLEAN_FREE char *second = xasprintf("%s.2", name);

	assert_int_equal(symlinkat(target, dir, name), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(dir, name, 12345, 12345, AT_SYMLINK_NOFOLLOW), 0);
	else
		assert_int_equal(linkat(dir, name, dir, second, 0), 0);
}

/* --- names --- */

typedef int op_fn(const char *path);

static int do_open_dir(const char *path)
{
	CLEAN_FREE char *folder = str_dup((str){path, (size_t)(strrchr(path, '/') - path)});
	CLEAN_FD int fd = -1;

	return file_open_dir(dir, folder, 0, &fd);
}

static int do_make_dirs(const char *path)
{
	return file_make_dirs(dir, path, 0755);
}

static int do_make_parents(const char *path)
{
	return file_make_parents(dir, path, 0755);
}

static int do_make_new_dir(const char *path)
{
	return file_make_new_dir(dir, path, 0755);
}

static int do_list(const char *path)
{
	DIR *entries;
	int r = file_list(dir, path, &entries);

	if (r == 0)
		closedir(entries);
	return r;
}

static int do_open(const char *path)
{
	CLEAN_FD int fd = -1;

	return file_open(dir, path, &fd);
}

static int do_read(const char *path)
{
	struct buf out = {0};
	int r = file_read(dir, path, 100, &out);

	assert_int_equal(buf_len(&out), 0);
	buf_done(&out);
	return r;
}

static int do_write(const char *path)
{
	return file_write(dir, path, STR("ours"), 0600);
}

static int do_write_new(const char *path)
{
	return file_write_new(dir, path, STR("ours"), 0600);
}

static int do_touch(const char *path)
{
	return file_touch(dir, path, 0600);
}

static int do_lock(const char *path)
{
	CLEAN_FD int fd = -1;

	return file_open_lock(dir, path, &fd);
}

static int do_replace_from(const char *path)
{
	return file_replace(dir, path, "other");
}

static int do_replace_to(const char *path)
{
	put("dir/fresh", "fresh");
	return file_replace(dir, "fresh", path);
}

static int do_move_from(const char *path)
{
	return file_move(dir, path, dir, "other");
}

static int do_move_to(const char *path)
{
	put("dir/fresh", "fresh");
	return file_move(dir, "fresh", dir, path);
}

static int do_give(const char *path)
{
	return file_give(dir, path, S_IFREG, geteuid(), getegid());
}

static int do_set_mode(const char *path)
{
	return file_set_mode(dir, path, S_IFREG, 0777);
}

static int do_remove(const char *path)
{
	return file_remove(dir, path);
}

static int do_remove_dir(const char *path)
{
	return file_remove_dir(dir, path);
}

static int do_remove_tree(const char *path)
{
	return file_remove_tree(dir, path);
}

/* What each says where the last name is a link to somebody else's file, a pipe, or a directory;
 * and whether that name is there afterwards. */
static const struct op {
	op_fn *fn;
	const char *name;
	int of_link, of_pipe, of_folder;
	bool replaces; /* the link and the pipe are gone, what it led to is not */
} ops[] = {
	{do_make_dirs, "make_dirs", -ELOOP, -ENOTDIR, 0, false},
	{do_make_parents, "make_parents", 0, 0, 0, false},
	{do_make_new_dir, "make_new_dir", -EEXIST, -EEXIST, -EEXIST, false},
	{do_list, "list", -ENOTDIR, -ENOTDIR, 0, false},
	{do_open, "open", -ELOOP, -EINVAL, -EISDIR, false},
	{do_read, "read", -ELOOP, -EINVAL, -EISDIR, false},
	{do_write, "write", 0, 0, -EISDIR, true},
	{do_write_new, "write_new", -EEXIST, -EEXIST, -EEXIST, false},
	{do_touch, "touch", -ELOOP, -ENXIO, -EISDIR, false},
	{do_lock, "lock", -ELOOP, -EINVAL, -EISDIR, false},
	{do_replace_from, "replace from", -ELOOP, -EINVAL, -EISDIR, false},
	{do_replace_to, "replace to", 0, 0, -EISDIR, true},
	{do_move_to, "move to", 0, 0, -EISDIR, true},
	{do_give, "give", -EINVAL, -EINVAL, -EINVAL, false},
	{do_set_mode, "set_mode", -EINVAL, -EINVAL, -EINVAL, false},
	{do_remove, "remove", 0, 0, -EISDIR, true},
	{do_remove_dir, "remove_dir", -ENOTDIR, -ENOTDIR, -ENOTEMPTY, false},
};

/* These too go no way that leads through a link. */
static const struct op more_ops[] = {
	{do_open_dir, "open_dir", 0, 0, 0, false},
	{do_move_from, "move from", 0, 0, 0, false},
	{do_remove_tree, "remove_tree", 0, 0, 0, false},
};

static void assert_result(const struct op *op, const char *path, int r, int expected)
{
	if (r != expected)
		fail_msg("%s of %s: %s, not %s", op->name, path, strerror(-r), strerror(-expected));
}

static void assert_refused(const struct op *op)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"out/f", -ELOOP},
		{"sub/out/f", -ELOOP},
		{"out/deeper/f", -ELOOP},
		{"../victim/f", -EINVAL},
		{"sub/../../victim/f", -EINVAL},
		{"/etc/hostname", -EINVAL},
	};

	for (size_t i = 0; i < NITEMS(cases); i++)
		assert_result(op, cases[i].path, op->fn(cases[i].path), cases[i].error);
	assert_content("victim/f", SECRET);
	assert_false(is_there("victim/f.tmp"));
}

static void no_way_leads_up_or_through_a_link_of_somebody_else(void **state)
{
	struct stat st;

	(void)state;
	make_foreign_link("../victim", "out");
	assert_int_equal(mkdirat(dir, "sub", 0755), 0);
	assert_int_equal(mkdirat(top, "victim/deeper", 0755), 0);
	assert_int_equal(symlinkat("../../victim", dir, "sub/ours"), 0);
	assert_int_equal(renameat(dir, "sub/ours", dir, "sub/out"), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(dir, "sub/out", 12345, 12345, AT_SYMLINK_NOFOLLOW), 0);
	else
		assert_int_equal(linkat(dir, "sub/out", dir, "sub/again", 0), 0);
	for (size_t i = 0; i < NITEMS(ops); i++)
		assert_refused(&ops[i]);
	for (size_t i = 0; i < NITEMS(more_ops); i++)
		assert_refused(&more_ops[i]);
	assert_int_equal(fstatat(top, "victim/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_false(is_there("victim/deeper/f"));
}

static void a_second_name_makes_a_link_somebody_elses(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("../victim", dir, "ours"), 0);
	assert_int_equal(file_touch(dir, "ours/touched", 0600), 0);
	assert_true(is_there("victim/touched"));
	assert_int_equal(linkat(dir, "ours", dir, "again", 0), 0);
	assert_int_equal(file_touch(dir, "ours/more", 0600), -ELOOP);
	assert_int_equal(file_touch(dir, "again/more", 0600), -ELOOP);
	assert_false(is_there("victim/more"));
}

static void a_link_is_never_followed_at_the_end(void **state)
{
	struct stat st;

	(void)state;
	for (size_t i = 0; i < NITEMS(ops); i++) {
		/* One of ours: even that not. */
		assert_int_equal(symlinkat("../victim/f", dir, "x"), 0);
		if (ops[i].fn == do_make_dirs)
			make_foreign_link("../victim", "y");
		assert_result(&ops[i], "x", ops[i].fn(ops[i].fn == do_make_dirs ? "y" : "./x"),
			ops[i].of_link);
		assert_content("victim/f", SECRET);
		assert_int_equal(fstatat(top, "victim/f", &st, 0), 0);
		assert_int_equal(st.st_mode & 0777, 0640);
		if (fstatat(dir, "x", &st, AT_SYMLINK_NOFOLLOW) == 0)
			assert_int_equal(S_ISLNK(st.st_mode), !ops[i].replaces);
		else
			assert_true(ops[i].fn == do_remove);
		unlinkat(dir, "x", 0);
	}
}

static void nobody_waits_for_a_pipe(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(ops); i++) {
		assert_int_equal(mkfifoat(dir, "x", 0600), 0);
		assert_result(&ops[i], "a pipe", ops[i].fn("./x"), ops[i].of_pipe);
		unlinkat(dir, "x", 0);
	}
}

static void a_directory_is_no_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < NITEMS(ops); i++) {
		assert_int_equal(mkdirat(dir, "x", 0700), 0);
		put("dir/x/inside", "stays");
		assert_result(&ops[i], "a directory", ops[i].fn("./x"), ops[i].of_folder);
		assert_content("dir/x/inside", "stays");
		assert_false(is_there("dir/x.tmp"));
		assert_int_equal(file_remove_tree(dir, "x"), 0);
	}
}

static void directories_are_made_on_the_way(void **state)
{
	CLEAN_FREE char *given = xasprintf("%s/a/b", home);
	CLEAN_FD int fd = -1;

	(void)state;
	assert_int_equal(file_make_dirs(dir, "one/two//./three", 0700), 0);
	assert_int_equal(file_make_dirs(dir, "one/two/three", 0700), 0);
	assert_true(is_there("dir/one/two/three"));
	assert_int_equal(file_make_parents(dir, "p/q/file", 0700), 0);
	assert_true(is_there("dir/p/q"));
	assert_false(is_there("dir/p/q/file"));
	assert_int_equal(file_make_parents(dir, "file", 0700), 0);
	assert_int_equal(file_open_dir(dir, "none/there", 0, &fd), -ENOENT);
	assert_int_equal(file_open_dir(dir, "", 0, &fd), 0);
	assert_int_equal(file_touch(fd, "here", 0600), 0);
	assert_true(is_there("dir/here"));
	assert_int_equal(file_make_dirs(FILE_GIVEN, given, 0700), 0);
	assert_int_equal(file_make_dirs(FILE_GIVEN, given, 0700), 0);
	assert_true(is_there("a/b"));
}

/* The operator may have put his directories where he likes. */
static void a_given_path_may_lead_through_anybodys_links(void **state)
{
	CLEAN_FREE char *file = xasprintf("%s/dir/out/f", home);
	CLEAN_FREE char *last = xasprintf("%s/dir/last", home);
	struct buf out = {0};

	(void)state;
	make_foreign_link("../victim", "out");
	make_foreign_link("../victim/f", "last");
	assert_int_equal(file_read(FILE_GIVEN, file, 100, &out), 0);
	assert_int_equal(file_read(FILE_GIVEN, last, 100, &out), -ELOOP);
	assert_int_equal(file_read_given(last, 100, &out), 0);
	assert_true(str_eq(buf_str(&out), STR(SECRET SECRET)));
	buf_done(&out);
}

static void a_base_is_the_trusted_part_of_a_path(void **state)
{
	CLEAN_FREE char *base = xasprintf("%s/dir", home);
	CLEAN_FREE char *inside = xasprintf("%s/a/b", base);
	CLEAN_FREE char *beside = xasprintf("%s2/a", base);
	const char *rest;
	int fd = -1;

	(void)state;
	assert_int_equal(file_open_base(base, inside, &fd, &rest), 0);
	assert_true(fd >= 0);
	assert_string_equal(rest, "a/b");
	close(fd);
	assert_int_equal(file_open_base(base, beside, &fd, &rest), 0);
	assert_int_equal(fd, FILE_GIVEN);
	assert_string_equal(rest, beside);
	assert_int_equal(file_open_base(NULL, inside, &fd, &rest), 0);
	assert_int_equal(fd, FILE_GIVEN);
	assert_int_equal(file_open_base(beside, "x", &fd, &rest), 0);
	assert_string_equal(rest, "x");
}

/* --- reading --- */

static void no_more_is_read_than_may_be(void **state)
{
	struct buf out = {0};

	(void)state;
	put("dir/f", "1234567890");
	buf_add(&out, STR("before "));
	assert_int_equal(file_read(dir, "f", 9, &out), -EFBIG);
	assert_true(str_eq(buf_str(&out), STR("before ")));
	assert_int_equal(file_read(dir, "f", 0, &out), -EFBIG);
	assert_true(str_eq(buf_str(&out), STR("before ")));
	assert_int_equal(file_read(dir, "f", 10, &out), 0);
	assert_true(str_eq(buf_str(&out), STR("before 1234567890")));
	buf_done(&out);
}

static void a_file_without_end_takes_no_memory(void **state)
{
	struct buf out = {0};

	(void)state;
	put("dir/f", "");
	{
		CLEAN_FD int fd = openat(dir, "f", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	}
	assert_int_equal(file_read(dir, "f", 1u << 16, &out), -EFBIG);
	assert_int_equal(buf_len(&out), 0);
	assert_true(out.cap <= (1u << 16) + 1);
	buf_done(&out);
}

static void what_has_no_size_is_read_to_its_end(void **state)
{
	struct buf out = {0};
	int ends[2];

	(void)state;
	assert_int_equal(file_read(FILE_GIVEN, "/proc/self/status", 1u << 20, &out), 0);
	assert_true(str_starts(buf_str(&out), STR("Name:")));
	assert_true(str_ends(buf_str(&out), STR("\n")));
	buf_clear(&out);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "from a pipe", 11), 11);
	close(ends[1]);
	assert_int_equal(file_read_from(ends[0], 100, &out), 0);
	assert_true(str_eq(buf_str(&out), STR("from a pipe")));
	close(ends[0]);
	buf_done(&out);
}

/* --- writing --- */

static void what_a_crash_left_is_in_nobodys_way(void **state)
{
	static const char *const lefts[] = {"half of wh", "all of what was to come", ""};
	char left[64];

	(void)state;
	for (size_t i = 0; i < NITEMS(lefts); i++) {
		put("dir/f", "before");
		put("dir/f.tmp", lefts[i]);
		assert_content("dir/f", "before");
		assert_int_equal(file_write(dir, "f", STR("after"), 0600), 0);
		assert_content("dir/f", "after");
		assert_false(is_there("dir/f.tmp"));
	}
	snprintf(left, sizeof(left), "dir/new.%d.tmp", (int)getpid());
	put(left, "half");
	assert_int_equal(file_write_new(dir, "new", STR("whole"), 0600), 0);
	assert_content("dir/new", "whole");
	assert_false(is_there(left));
}

static void another_process_making_the_same_new_file_is_left_alone(void **state)
{
	(void)state;
	put("dir/new.tmp", "another's, half written");
	put("dir/new.1.tmp", "another's, half written");
	assert_int_equal(file_write_new(dir, "new", STR("ours"), 0600), 0);
	assert_content("dir/new", "ours");
	assert_content("dir/new.tmp", "another's, half written");
	assert_content("dir/new.1.tmp", "another's, half written");
}

static void a_trap_at_the_temporary_name_does_not_catch(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("../victim/f", dir, "f.tmp"), 0);
	assert_int_equal(file_write(dir, "f", STR("ours"), 0600), 0);
	assert_int_equal(mkfifoat(dir, "f.tmp", 0600), 0);
	assert_int_equal(file_write(dir, "f", STR("more"), 0600), 0);
	assert_int_equal(linkat(top, "victim/f", dir, "f.tmp", 0), 0);
	assert_int_equal(file_write(dir, "f", STR("last"), 0600), 0);
	assert_content("victim/f", SECRET);
	assert_int_equal(mkdirat(dir, "f.tmp", 0755), 0);
	assert_int_equal(file_write(dir, "f", STR("not"), 0600), -EEXIST);
	assert_content("dir/f", "last");
}

static void a_mode_is_exact_whatever_the_umask(void **state)
{
	mode_t before = umask(0077);
	struct stat st;

	(void)state;
	assert_int_equal(file_write(dir, "f", STR("for all"), 0644), 0);
	umask(before);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void the_first_one_stays_where_two_make_one(void **state)
{
	(void)state;
	assert_int_equal(file_write_new(dir, "f", STR("first"), 0600), 0);
	assert_int_equal(file_write_new(dir, "f", STR("second"), 0600), -EEXIST);
	assert_content("dir/f", "first");
	assert_false(is_there("dir/f.tmp"));
}

static void without_room_all_stays_as_it_was(void **state)
{
	struct rlimit before, small;
	char text[8192];

	(void)state;
	memset(text, 'x', sizeof(text));
	put("dir/f", "before");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){5000, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	/* Of this the first 5000 bytes find room. */
	assert_int_equal(file_write(dir, "f", (str){text, sizeof(text)}, 0600), -EFBIG);
	assert_int_equal(file_write_new(dir, "new", (str){text, sizeof(text)}, 0600), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_content("dir/f", "before");
	assert_false(is_there("dir/f.tmp"));
	assert_false(is_there("dir/new"));
	assert_false(is_there("dir/new.tmp"));
}

static _Noreturn void write_for_ever(int ready)
{
	static char text[LENGTH];

	for (char c = 'a';; c = c == 'z' ? 'a' : c + 1) {
		memset(text, c, sizeof(text));
		if (file_write(dir, "f", (str){text, sizeof(text)}, 0600) < 0 ||
			write(ready, "", 1) < 0)
			_exit(1);
	}
}

static void assert_whole(void)
{
	struct buf out = {0};
	str text;

	assert_int_equal(file_read(dir, "f", LENGTH, &out), 0);
	text = buf_str(&out);
	assert_int_equal(text.n, LENGTH);
	for (size_t i = 0; i < text.n; i++)
		assert_int_equal(text.p[i], text.p[0]);
	buf_done(&out);
}

static void whoever_is_killed_leaves_a_whole_file(void **state)
{
	(void)state;
	for (int i = 0; i < KILLS; i++) {
		int ends[2], status;
		pid_t pid;
		char byte;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0)
			write_for_ever(ends[1]);
		assert_int_equal(read(ends[0], &byte, 1), 1);
		for (int k = 0; k < i; k++)
			assert_whole();
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_whole();
		close(ends[0]);
		close(ends[1]);
	}
}

static void one_file_takes_the_place_of_another(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir, "sub", 0755), 0);
	put("dir/sub/fresh", "fresh");
	put("dir/f", "old");
	assert_int_equal(file_replace(dir, "sub/fresh", "f"), 0);
	assert_content("dir/f", "fresh");
	assert_false(is_there("dir/sub/fresh"));
	assert_int_equal(file_replace(dir, "none", "f"), -ENOENT);
	assert_int_equal(file_move(dir, "f", top, "moved"), 0);
	assert_content("moved", "fresh");
}

/* --- owner and mode --- */

static void a_file_with_two_names_is_not_given_away(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(linkat(top, "victim/f", dir, "f", 0), 0);
	assert_int_equal(file_set_mode(dir, "f", S_IFREG, 0777), -EMLINK);
	assert_int_equal(file_give(dir, "f", S_IFREG, geteuid(), getegid()), -EMLINK);
	assert_int_equal(unlinkat(top, "victim/f", 0), 0);
	assert_int_equal(file_set_mode(dir, "f", S_IFREG, 0604), 0);
	assert_int_equal(file_give(dir, "f", S_IFREG, geteuid(), getegid()), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	put("victim/f", SECRET);
}

/* --- removing --- */

static void a_tree_goes_without_what_its_links_lead_to(void **state)
{
	(void)state;
	assert_int_equal(file_make_dirs(dir, "t/a/b", 0755), 0);
	put("dir/t/a/b/f", "x");
	assert_int_equal(symlinkat("../../victim", dir, "t/link"), 0);
	assert_int_equal(symlinkat("../../../victim/f", dir, "t/a/link"), 0);
	assert_int_equal(mkfifoat(dir, "t/a/pipe", 0600), 0);
	assert_int_equal(file_remove_tree(dir, "t"), 0);
	assert_false(is_there("dir/t"));
	assert_content("victim/f", SECRET);
	assert_int_equal(symlinkat("../victim", dir, "t"), 0);
	assert_int_equal(file_remove_tree(dir, "t"), 0);
	assert_false(is_there("dir/t"));
	assert_content("victim/f", SECRET);
	put("dir/t", "a file");
	assert_int_equal(file_remove_tree(dir, "t"), 0);
	assert_int_equal(file_remove_tree(dir, "t"), 0);
	assert_int_equal(file_remove_tree(dir, "none/t"), 0);
	assert_int_equal(file_remove(dir, "none/t"), 0);
}

static void a_tree_may_not_be_bottomless(void **state)
{
	int at = openat(dir, ".", O_PATH | O_CLOEXEC);

	(void)state;
	for (int i = 0; i < 100; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(file_remove_tree(dir, "d"), -E2BIG);
}

/* In a namespace of the child's own; 2: it may not have one here. */
static int remove_with_mount_inside(void)
{
	CLEAN_FREE char *target = xasprintf("%s/dir/t/disk", home);

	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", target, "tmpfs", 0, NULL) < 0)
		return 2;
	/* The descriptors lead into the namespace where they were opened. */
	close(top);
	close(dir);
	top = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = openat(top, "dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return file_remove_tree(dir, "t") == -EXDEV && is_there("dir/t/disk") ? 0 : 1;
}

static void another_file_system_is_not_entered(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(file_make_dirs(dir, "t/disk", 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(remove_with_mount_inside());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_way_leads_up_or_through_a_link_of_somebody_else),
		TEST(a_second_name_makes_a_link_somebody_elses),
		TEST(a_link_is_never_followed_at_the_end),
		TEST(nobody_waits_for_a_pipe),
		TEST(a_directory_is_no_file),
		TEST(directories_are_made_on_the_way),
		TEST(a_given_path_may_lead_through_anybodys_links),
		TEST(a_base_is_the_trusted_part_of_a_path),
		TEST(no_more_is_read_than_may_be),
		TEST(a_file_without_end_takes_no_memory),
		TEST(what_has_no_size_is_read_to_its_end),
		TEST(what_a_crash_left_is_in_nobodys_way),
		TEST(another_process_making_the_same_new_file_is_left_alone),
		TEST(a_trap_at_the_temporary_name_does_not_catch),
		TEST(a_mode_is_exact_whatever_the_umask),
		TEST(the_first_one_stays_where_two_make_one),
		TEST(without_room_all_stays_as_it_was),
		TEST(whoever_is_killed_leaves_a_whole_file),
		TEST(one_file_takes_the_place_of_another),
		TEST(a_file_with_two_names_is_not_given_away),
		TEST(a_tree_goes_without_what_its_links_lead_to),
		TEST(a_tree_may_not_be_bottomless),
		TEST(another_file_system_is_not_entered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
