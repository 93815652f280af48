/* open_files.h - files that are kept open for a moment, in case they are asked for again.
 *
 * For one thread.  What is known about a name, including that there is no such file, is believed
 * for OPEN_FILES_VALID milliseconds; the least recently used go when there are too many.  For small
 * files that are asked for again meanwhile the content is kept, too. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/magic.h"
#include "base/map.h"

#define OPEN_FILES_VALID 1000
#define OPEN_FILES_MAX	 1024u
#define OPEN_FILES_SMALL 16384u	    /* bytes of a file whose content may be kept */
#define OPEN_FILES_BYTES (2u << 20) /* of all that is kept */

/* What a file says about its content. */
#define FILE_ETAG_SIZE 18 /* "0123456789abcdef" with its quotes */
struct file_facts {
	uint64_t size;
	int64_t modified; /* seconds since 1970 */
	int64_t changed;  /* nanoseconds: when content, name or rights last changed */
	char etag[FILE_ETAG_SIZE];
};
/* 0; -EISDIR for a directory, -EINVAL for anything else but a file, or another -errno.  The entity
 * tag is made of size, time and inode, none of which can be read from it. */
int file_facts_read(int fd, struct file_facts *ret) MUST_USE;
static inline str file_etag(const struct file_facts *f)
{
	return (str){f->etag, FILE_ETAG_SIZE};
}

enum { OPEN_FILE_MAGIC = MAGIC('f', 'i', 'l', 'e') };

struct open_file {
	uint32_t magic;
	int fd;	   /* -1: */
	int error; /* -errno: it does not exist, or cannot be opened; -EXDEV, -ELOOP: it leads
		    out */
	struct file_facts facts;
	/* public_file.c's: which precompressed neighbours it has, if it looked for them */
	unsigned neighbours;
	bool knows_neighbours;
	/* the cache's own */
	str text;
	bool was_used; /* before */
	struct list link;
	msec valid_until;
	unsigned refs;
	str key;
};

struct open_files {
	struct map map;
	struct list used; /* the last used first */
	size_t count;
	size_t bytes; /* of their contents */
};

void open_files_init(struct open_files *o);
/* Forgets everything; files in use live on. */
void open_files_clear(struct open_files *o);
/* Forgets what is no longer believed: a deleted file takes room on the disk as long as it is open.
 * False when none is left. */
bool open_files_sweep(struct open_files *o, msec now);
/* A regular file below the directory `dir` (a descriptor), or the reason why not.  Never NULL; the
 * caller gives it back by open_file_unref. */
struct open_file *open_files_get(struct open_files *o, int dir, str name, msec now) MUST_USE;
void open_file_unref(struct open_file *f);
/* The whole of a file that `o` has just given, as it was when it was opened; lives as long as the
 * file. Empty: it must be read. */
str open_files_text(struct open_files *o, struct open_file *f);

/* For files that were opened elsewhere.  Under any key: NULL, or one that is still the same file
 * with the same content; and a new one, which is remembered. */
struct open_file *open_files_find(struct open_files *o, str key, msec now) MUST_USE;
struct open_file *open_files_keep(struct open_files *o, str key, int take_fd,
	const struct file_facts *facts, msec now) MUST_USE;
