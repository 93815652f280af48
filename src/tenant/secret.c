/* secret.c - a tenant's secret, by HMAC from the master, which is made once and kept in a file. */
/* SPDX-License-Identifier: MIT */
#include "tenant/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hash.h"

#define MASTER_BYTES 64
#define MASTER_MAX   4096
#define MASTER_MIN   32 /* characters; a shorter file was not written by us, or not to its end */

/* 0, -ENOENT, or another error. */
static int read_master(const char *path, char **ret)
{
	struct buf text = {0};
	int r = file_read_given(path, MASTER_MAX, &text);
	str secret = buf_str(&text);

	while (secret.n && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
		secret.n--;
	if (r == 0 && secret.n < MASTER_MIN)
		r = -EINVAL;
	if (r == 0)
		*ret = str_dup(secret);
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_done(&text);
	return r;
}

/* If another process made it at the same moment, that one stands. */
static int make_master(const char *path)
{
	unsigned char bytes[MASTER_BYTES];
	char text[DIGEST_HEX_SIZE(MASTER_BYTES)];
	int r;

	random_bytes(bytes, sizeof(bytes));
	digest_write_hex(bytes, sizeof(bytes), text);
	r = file_write_new(FILE_GIVEN, path, str_of(text), 0600);
	return r == -EEXIST ? 0 : r;
}

int secret_master(const char *environment_value, const char *path, char **ret)
{
	int r;

	if (environment_value && *environment_value) {
		*ret = xstrdup(environment_value);
		return 0;
	}
	r = read_master(path, ret);
	if (r != -ENOENT)
		return r;
	r = make_master(path);
	return r < 0 ? r : read_master(path, ret);
}

void secret_of_tenant(const char *master, str id, char out[SECRET_TEXT_SIZE])
{
	static const str purpose = STR_INIT("fly-atc SECRET_KEY_BASE of tenant ");
	unsigned char digest[DIGEST_SHA512];
	struct buf message = {0};

	static_assert(
		DIGEST_HEX_SIZE(DIGEST_SHA512) == SECRET_TEXT_SIZE, "the text holds the digest");
	buf_add(&message, purpose);
	buf_add(&message, id);
	digest_hmac_sha512(str_of(master), buf_str(&message), digest);
	buf_done(&message);
	digest_write_hex(digest, sizeof(digest), out);
}
