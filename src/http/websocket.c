/* websocket.c - the handshake of WebSocket. */
/* SPDX-License-Identifier: MIT */
#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/hash.h"

#define GUID	    STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
#define ACCEPT_SIZE 28u

/* openssl ends what it writes in NUL. */
void websocket_key(char out[WEBSOCKET_KEY_SIZE])
{
	uint8_t bytes[16], text[WEBSOCKET_KEY_SIZE + 1];

	random_bytes(bytes, sizeof(bytes));
	EVP_EncodeBlock(text, bytes, sizeof(bytes));
	memcpy(out, text, WEBSOCKET_KEY_SIZE);
}

bool websocket_is_accepted(str key, str accept)
{
	uint8_t digest[SHA_DIGEST_LENGTH], text[ACCEPT_SIZE + 1], joined[WEBSOCKET_KEY_SIZE + 36];

	if (key.n != WEBSOCKET_KEY_SIZE)
		return false;
	memcpy(mempcpy(joined, key.p, key.n), GUID.p, GUID.n);
	SHA1(joined, sizeof(joined), digest);
	EVP_EncodeBlock(text, digest, sizeof(digest));
	return str_eq(accept, (str){(const char *)text, ACCEPT_SIZE});
}
