/* digest.h - digests (SHA-1, SHA-2; FIPS 180-4), HMAC (RFC 2104) and how bytes are written as text.
 *
 * The work is Nettle's (docs/decisions/0057). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define DIGEST_SHA1   20u
#define DIGEST_SHA256 32u
#define DIGEST_SHA512 64u

#define DIGEST_HEX_SIZE(n)    (2 * (n) + 1)	  /* with the NUL */
#define DIGEST_BASE64_SIZE(n) (((n) + 2) / 3 * 4) /* there is none */

/* SHA-1 is for the handshake of WebSocket, which wants it, and for nothing else. */
void digest_sha1(str s, unsigned char ret[DIGEST_SHA1]);
void digest_sha256(str s, unsigned char ret[DIGEST_SHA256]);
void digest_hmac_sha256(str key, str s, unsigned char ret[DIGEST_SHA256]);
void digest_hmac_sha512(str key, str s, unsigned char ret[DIGEST_SHA512]);
/* SHA-256 of what can be read from fd until its end.  0 or -errno. */
int digest_file_sha256(int fd, unsigned char ret[DIGEST_SHA256]) MUST_USE;
/* In a time that does not depend on what they hold. */
bool digest_is_equal(const unsigned char *a, const unsigned char *b, size_t n) MUST_USE;

/* Small letters and a NUL; `out` has DIGEST_HEX_SIZE(n) bytes. */
void digest_write_hex(const unsigned char *bytes, size_t n, char *out);
/* RFC 4648 4, with padding and without a NUL; `out` has DIGEST_BASE64_SIZE(n) bytes. */
void digest_write_base64(const unsigned char *bytes, size_t n, char *out);
