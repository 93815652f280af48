/* store.c - one interface over a directory and a bucket. */
/* SPDX-License-Identifier: MIT */
#include "backup/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "backup/store_int.h"
#include "base/alloc.h"
#include "base/magic.h"

enum { STORE_MAGIC = MAGIC('s', 't', 'o', 'r') };

struct store {
	uint32_t magic;
	const struct location *location;
	struct store_s3 *s3; /* NULL: a directory */
};

void sha256_text(str s, char ret[SHA256_TEXT])
{
	unsigned char digest[DIGEST_SHA256];

	digest_sha256(s, digest);
	digest_write_hex(digest, sizeof(digest), ret);
}

struct store *store_new(const struct location *l, const struct work *work, char **ret_reason)
{
	struct store_s3 *s3 = NULL;
	struct store *s;

	if (l->kind == LOCATION_S3) {
		s3 = store_s3_new(l, work, ret_reason);
		if (!s3)
			return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	MAGIC_BEGIN(s, STORE_MAGIC);
	s->location = l;
	s->s3 = s3;
	return s;
}

int store_prepare(struct store *s, struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? 0 : store_file_prepare(s->location->directory, ret_why);
}

void store_forget_connections(struct store *s)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	if (s->s3)
		store_s3_forget_connections(s->s3);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	store_s3_free(s->s3);
	MAGIC_END(s, STORE_MAGIC);
	free(s);
}

int store_get(struct store *s, const char *key, msec until, struct buf *ret_body,
	struct etag *ret_etag, struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? store_s3_get(s->s3, key, until, ret_body, ret_etag, ret_why)
		     : store_file_get(s->location->directory, key, ret_body, ret_etag, ret_why);
}

int store_read(struct store *s, const char *key, msec until, store_sink *sink, void *arg,
	struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? store_s3_read(s->s3, key, until, sink, arg, ret_why)
		     : store_file_read(s->location->directory, key, sink, arg, ret_why);
}

char *store_ltx_key(const struct store *s, const char *replica_key, uint64_t txid)
{
	unsigned long long id = txid;

	MAGIC_CHECK(s, STORE_MAGIC);
	return xasprintf(
		"%s/%s/%016llx-%016llx.ltx", replica_key, s->s3 ? "0000" : "ltx/0", id, id);
}

int store_put(struct store *s, const char *key, str body, const struct etag *expected, msec until,
	struct etag *ret_etag, struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? store_s3_put(s->s3, key, body, expected, until, ret_etag, ret_why)
		     : store_file_put(
			       s->location->directory, key, body, expected, ret_etag, ret_why);
}

int store_has(struct store *s, const char *prefix, msec until, bool *ret, struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? store_s3_has(s->s3, prefix, until, ret, ret_why)
		     : store_file_has(s->location->directory, prefix, ret, ret_why);
}

int store_remove(struct store *s, const char *prefix, unsigned max, msec until, struct why *ret_why)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	return s->s3 ? store_s3_remove(s->s3, prefix, max, until, ret_why)
		     : store_file_remove(s->location->directory, prefix, max, ret_why);
}
