/* coding.h - the content codings that we write, and the choice among them (RFC 9110 12.5.3). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BR, CODING_ZSTD };
#define NCODINGS 4

/* As in Content-Encoding. */
str coding_name(enum coding coding);
/* For tests: the coding with that name in any case, and x-gzip; false for names of no coding of
 * ours. */
bool coding_find(str name, enum coding *ret);

/* What may be sent, what we prefer first; identity is never in it. */
struct coding_order {
	enum coding items[NCODINGS - 1];
	unsigned count;
};
/* From a setting; each name once, and known. */
struct coding_order coding_order(const struct str_list *names);

/* The coding that Accept-Encoding (all its lines as one list) weighs most; among equals the first
 * of `order`.  `*` speaks for what is not named.  Identity when the list is empty, when nothing of
 * `order` is wanted, when it is explicitly wanted more, and when nothing at all is: an answer that
 * cannot be read is no better than one that was not asked for. */
enum coding coding_negotiate(str accept_encoding, const struct coding_order *order);
