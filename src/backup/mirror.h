/* mirror.h - the pages that the store has of a database, according to its own files. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "backup/identity.h"
#include "backup/pages.h"
#include "backup/store.h"

/* Zero is a replica that has not begun. */
struct mirror {
	struct pages pages;
	uint64_t txid; /* the state after this transaction */
};

/* Pages that changed on the way; zero is none. */
struct touched {
	bool *is;
	uint32_t count;
};
void touched_done(struct touched *t);

void mirror_done(struct mirror *m);
/* Reads the files of the transactions up to `to` from the store.  touched may be NULL.  0; -ENOENT
 * (a file is gone), -ENOTSUP (a format that we do not know), -EBADMSG (damaged), -EIO (no answer),
 * -ECANCELED; then m has got as far as its txid says.  Blocks. */
int mirror_follow(struct mirror *m, struct store *s, const char *replica_key, uint64_t to,
	const atomic_bool *stop, struct touched *touched, struct why *ret_why) MUST_USE;

/* The file beside a database that says what the store had of it when it was let go, and what the
 * database looked like then. */
struct seal {
	uint64_t epoch;
	struct identity identity;
	struct mirror mirror;
};
void seal_done(struct seal *s);
/* Blocks.  0 or -errno. */
int seal_save(const char *base, const char *database, const struct seal *s) MUST_USE;
/* now: what the database looks like; a seal with more pages than it can have is not accepted, nor
 * read to its end, since a tenant may write anything there.  -ENOENT: there is none, or it is
 * damaged. */
int seal_load(const char *database, const struct identity *now, struct seal *ret) MUST_USE;
