/* scratch.h - memory of a thread that one at a time may use, until what was made there has been
 * sent or copied.  A second one that wants it meanwhile would spoil it: that aborts. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "http/header.h"

#define HEADERS_MAX 256u

struct scratch {
	struct buf text;
	bool is_lent;
};

/* Empty. */
static inline struct buf *scratch_lend(struct scratch *s)
{
	assert(!s->is_lent);
	s->is_lent = true;
	buf_clear(&s->text);
	return &s->text;
}

/* May be repeated. */
static inline void scratch_return(struct scratch *s)
{
	s->is_lent = false;
}

/* Where the fields of a head are put that is being parsed. */
struct scratch_headers {
	struct header items[HEADERS_MAX];
	bool is_lent;
};

static inline struct header *scratch_headers_lend(struct scratch_headers *s)
{
	assert(!s->is_lent);
	s->is_lent = true;
	return s->items;
}

static inline void scratch_headers_return(struct scratch_headers *s)
{
	s->is_lent = false;
}
