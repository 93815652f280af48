/* digest.c - digests and encodings, by Nettle. */
/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <unistd.h>

#include "base/alloc.h"

#define PIECE (256u << 10)

static const uint8_t *bytes_of(str s)
{
	return (const uint8_t *)s.p;
}

void digest_sha1(str s, unsigned char ret[DIGEST_SHA1])
{
	struct sha1_ctx c;

	sha1_init(&c);
	sha1_update(&c, s.n, bytes_of(s));
	sha1_digest(&c, DIGEST_SHA1, ret);
}

void digest_sha256(str s, unsigned char ret[DIGEST_SHA256])
{
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, s.n, bytes_of(s));
	sha256_digest(&c, DIGEST_SHA256, ret);
}

void digest_hmac_sha256(str key, str s, unsigned char ret[DIGEST_SHA256])
{
	struct hmac_sha256_ctx c;

	hmac_sha256_set_key(&c, key.n, bytes_of(key));
	hmac_sha256_update(&c, s.n, bytes_of(s));
	hmac_sha256_digest(&c, DIGEST_SHA256, ret);
}

void digest_hmac_sha512(str key, str s, unsigned char ret[DIGEST_SHA512])
{
	struct hmac_sha512_ctx c;

	hmac_sha512_set_key(&c, key.n, bytes_of(key));
	hmac_sha512_update(&c, s.n, bytes_of(s));
	hmac_sha512_digest(&c, DIGEST_SHA512, ret);
}

int digest_file_sha256(int fd, unsigned char ret[DIGEST_SHA256])
{
	CLEAN_FREE uint8_t *piece = xmalloc(PIECE);
	struct sha256_ctx c;
	ssize_t n;

	sha256_init(&c);
	while ((n = read(fd, piece, PIECE)) > 0)
		sha256_update(&c, (size_t)n, piece);
	if (n < 0)
		return -errno;
	sha256_digest(&c, DIGEST_SHA256, ret);
	return 0;
}

bool digest_is_equal(const unsigned char *a, const unsigned char *b, size_t n)
{
	return memeql_sec(a, b, n);
}

void digest_write_hex(const unsigned char *bytes, size_t n, char *out)
{
	base16_encode_update(out, n, bytes);
	out[BASE16_ENCODE_LENGTH(n)] = '\0';
}

void digest_write_base64(const unsigned char *bytes, size_t n, char *out)
{
	static_assert(BASE64_ENCODE_RAW_LENGTH(4) == DIGEST_BASE64_SIZE(4), "four for three bytes");
	base64_encode_raw(out, n, bytes);
}
