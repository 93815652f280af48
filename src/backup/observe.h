/* observe.h - was a database written to while nobody watched?
 *
 * Litestream copies what it sees in the WAL.  It may miss, without noticing, what was written while
 * it was away, or to a file that replaced the one it knew: then only a whole copy in a new epoch
 * repairs the replica. */
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
	bool is_known;	  /* some Litestream has it registered, or had it; otherwise the rest
			   counts: */
	bool is_fresh;	  /* nothing of it is in this epoch */
	bool is_settled;  /* this process has let it go, in the state `verified` */
	bool is_unnamed;  /* the store has never heard of it */
	bool is_offline;  /* it is unknown what HEAD says: */
	bool is_sealed;	  /* HEAD: after this transaction of this epoch */
	uint64_t txid;
	bool is_continued; /* known, but to a Litestream that is gone */
	struct identity registered, verified;
	const atomic_bool *stop;

	struct identity now;
	struct mirror mirror; /* from a valid seal; else zero */
	bool has_seal;
	enum observed result;
	struct why why;
};
void observe_database(struct observation *o);

/* Litestream has read more of the WAL than is committed: a writer was killed between writing its
 * commit and entering it in SQLite's index of the WAL; or one is about to enter it. Litestream
 * takes that for committed, and misses what the next writer puts in its place, until the WAL grows
 * beyond it.  txid: the last transaction that Litestream has.  Blocks for a moment. */
bool observe_is_ahead(const char *path, uint64_t txid);
