/* store_int.h - the two kinds of store behind store.h. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "backup/store.h"
#include "base/digest.h"

#define SHA256_TEXT DIGEST_HEX_SIZE(DIGEST_SHA256)
void sha256_text(str s, char ret[SHA256_TEXT]);

struct store_s3;
/* NULL and *ret_reason (a new text). */
struct store_s3 *store_s3_new(
	const struct location *l, const struct work *work, char **ret_reason) MUST_USE;
void store_s3_free(struct store_s3 *s);
void store_s3_forget_connections(struct store_s3 *s);
int store_s3_get(struct store_s3 *s, const char *key, msec until, struct buf *ret_body,
	struct etag *ret_etag, struct why *ret_why) MUST_USE;
int store_s3_read(struct store_s3 *s, const char *key, msec until, store_sink *sink, void *arg,
	struct why *ret_why) MUST_USE;
int store_s3_put(struct store_s3 *s, const char *key, str body, const struct etag *expected,
	msec until, struct etag *ret_etag, struct why *ret_why) MUST_USE;
int store_s3_has(struct store_s3 *s, const char *prefix, msec until, bool *ret,
	struct why *ret_why) MUST_USE;
int store_s3_remove(struct store_s3 *s, const char *prefix, unsigned max, msec until,
	struct why *ret_why) MUST_USE;
int store_file_prepare(const char *root, struct why *ret_why) MUST_USE;
int store_file_get(const char *root, const char *key, struct buf *ret_body, struct etag *ret_etag,
	struct why *ret_why) MUST_USE;
int store_file_read(const char *root, const char *key, store_sink *sink, void *arg,
	struct why *ret_why) MUST_USE;
int store_file_put(const char *root, const char *key, str body, const struct etag *expected,
	struct etag *ret_etag, struct why *ret_why) MUST_USE;
int store_file_has(const char *root, const char *prefix, bool *ret, struct why *ret_why) MUST_USE;
int store_file_remove(
	const char *root, const char *prefix, unsigned max, struct why *ret_why) MUST_USE;
