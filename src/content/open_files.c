/* open_files.c - files of directories that do not change often, kept open for a moment. */
/* SPDX-License-Identifier: MIT */
#include "content/open_files.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"

/* The same on every machine and after every start. */
#define ETAG_KEYS 0x666c792d61746300u, 0x66696c6565746167u

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
	memcpy(ret->etag, text, FILE_ETAG_SIZE);
	return 0;
}

static int open_beneath(int dir, str name, struct file_facts *ret_facts)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char text[PATH_MAX];
	int fd, r;

	if (!name.n || name.n >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	fd = (int)syscall(SYS_openat2, dir, text, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	r = file_facts_read(fd, ret_facts);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* The key: the directory's descriptor, and the name. */
static char *make_key(int dir, str name, str *ret)
{
	char *text = xmalloc(sizeof(dir) + name.n);

	memcpy(text, &dir, sizeof(dir));
	memcpy(text + sizeof(dir), name.p, name.n);
	*ret = (str){text, sizeof(dir) + name.n};
	return text;
}

void open_files_init(struct open_files *o)
{
	*o = (struct open_files){0};
	list_init(&o->used);
}

void open_file_unref(struct open_file *f)
{
	if (!f || --f->refs)
		return;
	close_fd(&f->fd);
	free((void *)(uintptr_t)f->key.p);
	free(f);
}

static void forget(struct open_files *o, struct open_file *f)
{
	map_remove(&o->map, f->key);
	list_remove(&f->link);
	o->count--;
	open_file_unref(f);
}

void open_files_clear(struct open_files *o)
{
	while (!list_is_empty(&o->used))
		forget(o, list_first(&o->used, struct open_file, link));
	map_done(&o->map);
}

/* What will be otherwise as soon as descriptors or memory are there is not remembered. */
static bool is_lasting(int error)
{
	return error != -EMFILE && error != -ENFILE && error != -ENOMEM && error != -EAGAIN;
}

static struct open_file *open_new(struct open_files *o, int dir, str name, msec now)
{
	struct open_file *f = xcalloc(1, sizeof(*f));

	f->fd = open_beneath(dir, name, &f->facts);
	f->error = MIN(f->fd, 0);
	f->fd = MAX(f->fd, -1);
	f->refs = 1;
	f->valid_until = now + OPEN_FILES_VALID;
	list_init(&f->link);
	if (!is_lasting(f->error))
		return f;
	if (o->count >= OPEN_FILES_MAX)
		forget(o, list_last(&o->used, struct open_file, link));
	make_key(dir, name, &f->key);
	map_put(&o->map, f->key, f);
	list_push(&o->used, &f->link);
	o->count++;
	f->refs++;
	return f;
}

struct open_file *open_files_get(struct open_files *o, int dir, str name, msec now)
{
	char text[PATH_MAX + sizeof(dir)];
	struct open_file *f;

	name = str_slice(name, 0, PATH_MAX); /* which is too long already */
	memcpy(text, &dir, sizeof(dir));
	memcpy(text + sizeof(dir), name.p, name.n);
	f = map_get(&o->map, (str){text, sizeof(dir) + name.n});
	if (f && now >= f->valid_until) {
		forget(o, f);
		f = NULL;
	}
	if (!f)
		return open_new(o, dir, name, now);
	list_remove(&f->link);
	list_push(&o->used, &f->link);
	f->refs++;
	return f;
}
