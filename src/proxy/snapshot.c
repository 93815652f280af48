/* snapshot.c - parses a configuration out of a sealed memfd, and counts references to it. */
/* SPDX-License-Identifier: MIT */
#include "proxy/snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "proxy/pages.h"
#include "proxy/trust.h"
#include "route/table.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct directory {
	char *path;
	int fd;
};

static void directory_free(struct directory *d)
{
	if (!d)
		return;
	close_fd(&d->fd);
	free(d->path);
	free(d);
}

void publics_add(struct publics *p, str path, int take_fd)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	d->path = str_dup(path);
	d->fd = take_fd;
	directory_free(map_remove(&p->by_path, path));
	map_put(&p->by_path, (str){d->path, path.n}, d);
}

int publics_find(const struct publics *p, str path)
{
	const struct directory *d = map_get(&p->by_path, path);

	return d ? d->fd : -1;
}

void publics_done(struct publics *p)
{
	map_foreach (e, &p->by_path)
		directory_free(e->value);
	map_done(&p->by_path);
}

static struct config *read_config(int fd)
{
	struct config *conf;
	struct stat st;
	void *text;

	/* Sealed, it cannot change or shrink under us. */
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
		return NULL;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return NULL;
	conf = config_snapshot_read((str){text, (size_t)st.st_size});
	munmap(text, (size_t)st.st_size);
	return conf;
}

struct snapshot *snapshot_read(int fd, uint64_t serial, struct publics *take_publics)
{
	struct config *conf = read_config(fd);
	struct snapshot *s;

	if (!conf)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	MAGIC_BEGIN(s, SNAPSHOT_MAGIC);
	s->refs = 1;
	s->serial = serial;
	s->conf = conf;
	s->routes = route_table_new(conf);
	s->trust = trust_new(conf);
	s->pages = pages_new(conf);
	s->codings = coding_order(&conf->server.compression_order);
	s->publics = *take_publics;
	*take_publics = (struct publics){0};
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	MAGIC_CHECK(s, SNAPSHOT_MAGIC);
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	publics_done(&s->publics);
	pages_free(s->pages);
	trust_free(s->trust);
	route_table_free(s->routes);
	config_unref(s->conf);
	MAGIC_END(s, SNAPSHOT_MAGIC);
	free(s);
}

struct view *view_new(struct snapshot *take_snapshot)
{
	struct view *v = xmalloc(sizeof(*v));

	*v = (struct view){.magic = VIEW_MAGIC,
		.refs = 1,
		.snapshot = take_snapshot,
		.conf = take_snapshot->conf};
	list_init(&v->link);
	return v;
}

void view_free(struct view *v)
{
	snapshot_unref(v->snapshot);
	MAGIC_END(v, VIEW_MAGIC);
	free(v);
}

void views_sweep(struct list *former)
{
	list_foreach_safe (v, former, struct view, link) {
		if (v->refs)
			continue;
		list_remove(&v->link);
		view_free(v);
	}
}
