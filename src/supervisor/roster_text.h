/* roster_text.h - what all changes of a roster come to, as config_source.roster has it; counted, by
 * the loop's thread. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

struct roster_text {
	unsigned refs;
	uint64_t version;
	struct buf text;
};

/* Of this version, with one reference and no text yet. */
struct roster_text *roster_text_new(uint64_t version) MUST_USE;
struct roster_text *roster_text_ref(struct roster_text *t);
void roster_text_unref(struct roster_text *t); /* NULL is fine */
