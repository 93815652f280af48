/* publics.c - the directories whose files are served without the application. */
/* SPDX-License-Identifier: MIT */
#include "proxy/publics.h"

#include <stdlib.h>

#include "base/alloc.h"

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
