/* snapshot.h - the configuration as the request path uses it: built once, never changed, shared by
 * all threads. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "base/magic.h"
#include "base/list.h"
#include "base/map.h"
#include "config/config.h"
#include "content/coding.h"

struct route_table;
struct trust;
struct pages;

/* The directories whose files are served without the application, opened for us by the supervisor.
 * Zero has none. */
struct publics {
	struct map by_path;
};

void publics_add(struct publics *p, str path, int take_fd);
/* A descriptor for openat2(2), or -1. */
int publics_find(const struct publics *p, str path);
void publics_done(struct publics *p);

enum { SNAPSHOT_MAGIC = MAGIC('s', 'n', 'a', 'p') };

struct snapshot {
	uint32_t magic;
	_Atomic unsigned refs;
	uint64_t serial; /* of the message that brought it */
	struct config *conf;
	struct route_table *routes;
	struct trust *trust;
	struct error_pages *pages;
	struct coding_order codings; /* of compressed answers */
	struct publics publics;
};

/* Reads a sealed memfd that the supervisor made.  One reference; NULL if it cannot be read.  The
 * snapshot owns the directories from now on. */
struct snapshot *snapshot_read(int fd, uint64_t serial, struct publics *take_publics) MUST_USE;
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

enum { VIEW_MAGIC = MAGIC('v', 'i', 'e', 'w') };

/* A thread's own handle on it, so that requests count references without sharing a cache line with
 * other threads. */
struct view {
	uint32_t magic;
	unsigned refs;
	struct list link; /* on the worker's list, once another one has taken its place */
	struct snapshot *snapshot;
	const struct config *conf; /* of the snapshot */
};

/* Takes the caller's reference of the snapshot. */
struct view *view_new(struct snapshot *take_snapshot);
static inline struct view *view_ref(struct view *v)
{
	v->refs++;
	return v;
}
/* It is freed at the end of a turn, when nothing uses it any more (views_sweep): not amid an
 * exchange. */
static inline void view_unref(struct view *v)
{
	if (v)
		v->refs--;
}
/* Frees those of a worker's former views that are no longer used. */
void views_sweep(struct list *former);
void view_free(struct view *take_view);
