/* public_file.h - which file of a public directory answers a request, as Rails and its kin do
 * it. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "content/open_files.h"

enum public_verdict {
	PUBLIC_NONE, /* the application's business */
	PUBLIC_FILE,
	PUBLIC_REFUSED, /* something exists but must not be shown */
};

struct public_file {
	struct open_file *file; /* the caller's to unref */
	str type;
	str encoding;	    /* of a precompressed neighbour; empty: as it is */
	bool is_negotiated; /* there are such neighbours: the answer depends on Accept-Encoding */
	bool is_immutable;  /* its name changes with its content */
};

/* `path` begins with '/', has no dot segments, and its escapes are decoded.  A path with a known
 * extension is that file; another one may also be <path>.html or <path>/index.html.  Of the
 * neighbours <file>.br, .zst and .gz the one that accept_encoding likes best is taken.
 *
 * Refused: what a link leads out of the directory, anything but a regular file, and names that
 * begin with a dot, except /.well-known/.  FILE: *ret. */
enum public_verdict public_file_find(struct open_files *o, int dir, str path, str accept_encoding,
	struct arena *a, msec now, struct public_file *ret) MUST_USE;
/* For tests: true for names such as those of Sprockets, Propshaft (app-1a2b3c4d.css), and, in the
 * directories that their builds fill, Vite and esbuild (index-BWx3aK9_.js). */
bool public_file_is_fingerprinted(str path);
