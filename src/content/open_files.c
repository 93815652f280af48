/* open_files.c - a small cache of descriptors, with what was known when each was opened. */
/* SPDX-License-Identifier: MIT */
#include "content/open_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/file.h"
#include "base/hash.h"

/* The same on every machine and after every start. */
#define ETAG_KEYS 0x666c792d61746300u, 0x66696c6565746167u

static int64_t changed_at(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

int file_facts_read(int fd, struct file_facts *ret)
{
	struct stat st;
	char text[FILE_ETAG_SIZE + 1];
	uint64_t what[4];

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	what[0] = (uint64_t)st.st_size;
	what[1] = (uint64_t)st.st_mtim.tv_sec;
	what[2] = (uint64_t)st.st_mtim.tv_nsec;
	what[3] = (uint64_t)st.st_ino;
	snprintf(text, sizeof(text), "\"%016llx\"",
		(unsigned long long)hash_keyed((str){(const char *)what, sizeof(what)}, ETAG_KEYS));
	ret->size = what[0];
	ret->modified = st.st_mtim.tv_sec;
	ret->changed = changed_at(&st);
	memcpy(ret->etag, text, FILE_ETAG_SIZE);
	return 0;
}

static int open_file(int dir, str name, struct file_facts *ret_facts)
{
	char text[PATH_MAX];
	int fd, r;

	if (!name.n || name.n >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	r = file_open_beneath(dir, text, &fd);
	if (r < 0)
		return r;
	r = file_facts_read(fd, ret_facts);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

void open_files_init(struct open_files *o)
{
	*o = (struct open_files){0};
	list_init(&o->used);
}

void open_file_unref(struct open_file *f)
{
	if (!f)
		return;
	MAGIC_CHECK(f, OPEN_FILE_MAGIC); /* which it has as long as it has references */
	if (--f->refs)
		return;
	assert(list_is_empty(&f->link));
	close_fd(&f->fd);
	budget_give(f->text.n);
	free((void *)(uintptr_t)f->text.p);
	free((void *)(uintptr_t)f->key.p);
	MAGIC_END(f, OPEN_FILE_MAGIC);
	free(f);
}

static void forget_file(struct open_files *o, struct open_file *f)
{
	const struct open_file *removed = map_remove(&o->map, f->key);

	MAGIC_CHECK(f, OPEN_FILE_MAGIC);
	assert(removed == f && !list_is_empty(&f->link));
	assert(o->count && o->bytes >= f->text.n);
	list_remove(&f->link);
	o->count--;
	o->bytes -= f->text.n;
	open_file_unref(f);
}

void open_files_clear(struct open_files *o)
{
	while (!list_is_empty(&o->used))
		forget_file(o, list_first(&o->used, struct open_file, link));
	assert(!o->count && !o->bytes && !o->map.count);
	map_done(&o->map);
}

bool open_files_sweep(struct open_files *o, msec now)
{
	list_foreach_safe (f, &o->used, struct open_file, link)
		if (now >= f->valid_until)
			forget_file(o, f);
	return o->count > 0;
}

/* fd, or -errno. */
static struct open_file *new_file(int fd, msec now)
{
	struct open_file *f = xcalloc(1, sizeof(*f));

	MAGIC_BEGIN(f, OPEN_FILE_MAGIC);
	f->fd = MAX(fd, -1);
	f->error = MIN(fd, 0);
	f->refs = 1;
	f->valid_until = now + OPEN_FILES_VALID;
	list_init(&f->link);
	return f;
}

static void remember(struct open_files *o, str key, struct open_file *f)
{
	if (o->count >= OPEN_FILES_MAX)
		forget_file(o, list_last(&o->used, struct open_file, link));
	f->key = (str){str_dup(key), key.n};
	assert(!map_get(&o->map, f->key));
	map_put(&o->map, f->key, f);
	list_push(&o->used, &f->link);
	o->count++;
	assert(o->count == o->map.count && o->count <= OPEN_FILES_MAX);
	f->refs++;
}

/* What is remembered and still believed, or NULL. */
static struct open_file *recall(struct open_files *o, str key, msec now)
{
	struct open_file *f = map_get(&o->map, key);

	if (f && now >= f->valid_until) {
		forget_file(o, f);
		f = NULL;
	}
	if (!f)
		return NULL;
	list_remove(&f->link);
	list_push(&o->used, &f->link);
	f->refs++;
	f->was_used = true;
	return f;
}

/* What will change as soon as descriptors or memory are free is not remembered. */
static bool is_lasting(int error)
{
	return error != -EMFILE && error != -ENFILE && error != -ENOMEM && error != -EAGAIN;
}

struct open_file *open_files_get(struct open_files *o, int dir, str name, msec now)
{
	char text[PATH_MAX + sizeof(dir)];
	struct file_facts facts = {0};
	struct open_file *f;
	str key;

	name = str_slice(name, 0, PATH_MAX); /* which is too long already */
	memcpy(text, &dir, sizeof(dir));
	memcpy(text + sizeof(dir), name.p, name.n);
	key = (str){text, sizeof(dir) + name.n};
	f = recall(o, key, now);
	if (f)
		return f;
	f = new_file(open_file(dir, name, &facts), now);
	f->facts = facts;
	if (is_lasting(f->error))
		remember(o, key, f);
	return f;
}

/* Not deleted, not replaced, not written to. */
static bool is_same(const struct open_file *f)
{
	struct stat st;

	return fstat(f->fd, &st) == 0 && st.st_nlink > 0 && changed_at(&st) == f->facts.changed &&
	       (uint64_t)st.st_size == f->facts.size;
}

/* NULL: it has become shorter, or cannot be read. */
static char *read_whole(const struct open_file *f)
{
	size_t size = (size_t)f->facts.size, done = 0;
	char *text = xmalloc(size);

	while (done < size) {
		ssize_t n = pread(f->fd, text + done, size - done, (off_t)done);

		if (n <= 0) {
			free(text);
			return NULL;
		}
		done += (size_t)n;
	}
	return text;
}

static bool may_keep_text(const struct open_files *o, const struct open_file *f)
{
	return f->fd >= 0 && f->was_used && !list_is_empty(&f->link) && f->facts.size &&
	       f->facts.size <= OPEN_FILES_SMALL && o->bytes + f->facts.size <= OPEN_FILES_BYTES;
}

str open_files_text(struct open_files *o, struct open_file *f)
{
	char *text;

	MAGIC_CHECK(f, OPEN_FILE_MAGIC);
	if (f->text.n || !may_keep_text(o, f))
		return f->text;
	text = read_whole(f);
	/* Otherwise half of the old and half of the new content could be kept. */
	if (!text || !is_same(f)) {
		free(text);
		return STR_EMPTY;
	}
	f->text = (str){text, (size_t)f->facts.size};
	o->bytes += f->text.n;
	budget_take(f->text.n);
	return f->text;
}

struct open_file *open_files_find(struct open_files *o, str key, msec now)
{
	struct open_file *f = map_get(&o->map, key);

	if (f && !is_same(f))
		forget_file(o, f);
	return recall(o, key, now);
}

struct open_file *open_files_keep(
	struct open_files *o, str key, int take_fd, const struct file_facts *facts, msec now)
{
	struct open_file *f = map_get(&o->map, key);

	if (f)
		forget_file(o, f);
	f = new_file(take_fd, now);
	f->facts = *facts;
	remember(o, key, f);
	return f;
}
