/* roster_text.c - counts who uses the text of a roster. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/roster_text.h"

#include <stdlib.h>

#include "base/alloc.h"

struct roster_text *roster_text_new(uint64_t version)
{
	struct roster_text *t = xcalloc(1, sizeof(*t));

	t->refs = 1;
	t->version = version;
	return t;
}

struct roster_text *roster_text_ref(struct roster_text *t)
{
	t->refs++;
	return t;
}

void roster_text_unref(struct roster_text *t)
{
	if (!t || --t->refs)
		return;
	buf_done(&t->text);
	free(t);
}
