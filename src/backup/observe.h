/* observe.h - was a database written to while nobody watched?
 *
 * Litestream copies what it sees in the WAL.  What was written while it was not there, or to a file
 * that took the place of the one it knows, it may miss without noticing: then nothing but a whole
 * copy in a new epoch heals the replica. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/mirror.h"

enum observed {
	OBSERVED_ALL,
	OBSERVED_NO_FILE, /* nothing to miss */
	OBSERVED_NOT	  /* and why */
};

/* One look; blocks. */
struct observation {
	const char *path; /* borrowed; absolute */
	uint64_t epoch;	  /* the present one */
	bool is_known;	  /* some Litestream has it registered, or had; else what follows counts: */
	bool is_fresh;	  /* nothing of it is in this epoch */
	bool is_settled;  /* this process has let it go, as `verified` */
	bool is_unnamed;  /* the store has never heard of it */
	bool is_offline;  /* what HEAD says is not known: */
	bool is_sealed;	  /* HEAD: after this transaction of this epoch */
	uint64_t txid;
	bool is_continued; /* known, but to a Litestream that is gone */
	struct identity registered, verified;
	const atomic_bool *stop;

	struct identity now;
	struct mirror mirror; /* from a seal that holds; else zero */
	bool has_seal;
	enum observed result;
	struct why why;
};
void observe(struct observation *o);

/* Litestream has read more of the WAL than is committed: a writer was killed after it had written
 * its commit, and before SQLite's index of the WAL named it; or one is about to name it.
 * Litestream takes it for committed, and not what the next writer puts in its place, until that
 * reaches the end of it.  txid: the last transaction that Litestream has.  Blocks for a moment. */
bool observe_is_ahead(const char *path, uint64_t txid);
