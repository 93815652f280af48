/* location.h - where the backups are: backup.url and its settings, parsed once. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "config/config.h"

enum location_kind { LOCATION_FILE, LOCATION_S3 };

/* The struct owns all strings; they are NUL-ended. */
struct location {
	enum location_kind kind;
	char *url;	 /* as configured, without a slash at the end */
	char *directory; /* file: absolute */
	char *bucket;	 /* s3 */
	char *prefix;	 /* s3: "atc/" or "" */
	char *endpoint;	 /* s3: "https://fly.storage.tigris.dev", no slash at the end */
	char *region;
	char *key_id, *secret;
	bool is_path_style; /* s3: the bucket is in the path, not in the host */
};

/* 0, or -EINVAL and a new text that says what is wrong and what to do. */
int location_parse(
	const struct backup_conf *conf, struct location *ret, char **ret_reason) MUST_USE;
void location_done(struct location *l);

/* Keys consist of bytes that mean the same in a URL, in a signature and in a file's name: letters,
 * digits and '.', '_', '-', '/'.  Everything else in a tenant's or a database's name, and a dot at
 * the beginning of a segment, becomes ~XX. */
void location_add_key(struct buf *out, str name);
/* "bellevue/2025/winter/00000001/primary", without the prefix of the location; NUL-ended. */
char *location_replica_key(str tenant, uint64_t epoch, str database) MUST_USE;
/* What Litestream is told: "s3://bucket/prefix/key?endpoint=…" or "file:///directory/key";
 * NUL-ended. */
char *location_replica_url(const struct location *l, const char *key) MUST_USE;
/* "https://host/bucket/key?query" for a request of our own; query is NULL or already encoded. */
char *location_request_url(const struct location *l, const char *key, const char *query) MUST_USE;
