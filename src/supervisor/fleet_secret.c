/* fleet_secret.c - finds the fleet's secret in the store, or makes it there. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/fleet_secret.h"

#include <stdlib.h>

#include "backup/store.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#define KEY	   "_fleet/secret"
#define KEPT	   ".fly-atc-fleet-secret" /* in storage; no tenant begins with a dot */
#define SECRET_MAX 1024u
#define NEW_BYTES  32u

bool fleet_secret_is_missing(const struct config *c)
{
	return c->target != TARGET_NONE && !c->is_single && !c->machine.secret.n && c->backup.url.n;
}

static char *kept_path(const struct config *c)
{
	return xasprintf(STR_FMT "/" KEPT, STR_ARG(c->server.storage));
}

/* A line of it, without its end. */
static char *secret_of(str text)
{
	text = str_trim(text);
	return text.n >= CONFIG_MIN_FLEET_SECRET && text.n <= SECRET_MAX ? str_dup(text) : NULL;
}

char *fleet_secret_recall(const struct config *c)
{
	CLEAN_FREE char *path = kept_path(c);
	struct buf text = {0};
	char *secret = NULL;

	if (file_read(FILE_GIVEN, path, SECRET_MAX + 1, &text) == 0)
		secret = secret_of(buf_str(&text));
	buf_done(&text);
	return secret;
}

static void keep_secret(const struct config *c, const char *secret)
{
	CLEAN_FREE char *path = kept_path(c), *line = xasprintf("%s\n", secret);
	CLEAN_FREE char *known = fleet_secret_recall(c);
	int r;

	if (known && strcmp(known, secret) == 0)
		return;
	r = file_make_parents(FILE_GIVEN, path, 0700);
	if (r == 0)
		r = file_write(FILE_GIVEN, path, str_of(line), 0600);
	if (r < 0)
		log_warn("the fleet's secret cannot be kept as %s: %s", path, strerror(-r));
}

/* 0, -ENOENT, -EIO. */
static int read_secret(struct store *s, msec until, char **ret, struct why *ret_why)
{
	struct buf text = {0};
	struct etag etag;
	int r = store_get(s, KEY, until, &text, &etag, ret_why);

	if (r == 0) {
		*ret = secret_of(buf_str(&text));
		if (!*ret) {
			why_set(ret_why,
				"%s in the store is no secret of a fleet: it has not one line of 16 bytes or more",
				KEY);
			r = -EIO;
		}
	}
	buf_done(&text);
	return r;
}

/* -ESTALE: somebody else was faster. */
static int make_secret(struct store *s, msec until, struct why *ret_why)
{
	unsigned char bytes[NEW_BYTES];
	char hex[DIGEST_HEX_SIZE(NEW_BYTES)];
	struct etag etag;

	random_bytes(bytes, sizeof(bytes));
	digest_write_hex(bytes, sizeof(bytes), hex);
	return store_put(s, KEY, str_of(hex), NULL, until, &etag, ret_why);
}

/* Whatever became of our own, what is in the store is it: a machine whose secret is another one
 * would be a stranger. */
static int find_or_make(struct store *s, msec until, char **ret, struct why *ret_why)
{
	int r = read_secret(s, until, ret, ret_why);

	if (r != -ENOENT)
		return r;
	r = make_secret(s, until, ret_why);
	if (r == 0 || r == -ESTALE)
		r = read_secret(s, until, ret, ret_why);
	if (r == -ENOENT) {
		why_set(ret_why, "%s was written, and is not there", KEY);
		r = -EIO;
	}
	return r;
}

int fleet_secret_find(const struct config *c, const struct work *work, msec until, char **ret,
	struct why *ret_why)
{
	struct location location;
	CLEAN_FREE char *reason = NULL;
	struct store *s;
	int r = location_parse(&c->backup, &location, &reason);

	if (r < 0) {
		why_set(ret_why, "%s", reason);
		return -EIO;
	}
	s = store_new(&location, work, &reason);
	if (!s) {
		why_set(ret_why, "%s", reason);
		r = -EIO;
	}
	if (r == 0)
		r = store_prepare(s, ret_why);
	if (r == 0)
		r = find_or_make(s, until, ret, ret_why);
	if (r == 0)
		keep_secret(c, *ret);
	store_free(s);
	location_done(&location);
	return r;
}
