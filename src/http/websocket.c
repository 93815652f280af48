/* websocket.c - keys of the handshake, and a state machine over the heads of frames. */
/* SPDX-License-Identifier: MIT */
#include "http/websocket.h"

#include "base/digest.h"
#include "base/hash.h"

#define GUID STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")

void websocket_key(char out[WEBSOCKET_KEY_SIZE])
{
	uint8_t bytes[16];

	static_assert(DIGEST_BASE64_SIZE(sizeof(bytes)) == WEBSOCKET_KEY_SIZE, "16 bytes as text");
	random_bytes(bytes, sizeof(bytes));
	digest_write_base64(bytes, sizeof(bytes), out);
}

bool websocket_is_accepted(str key, str accept)
{
	char joined[WEBSOCKET_KEY_SIZE + 36], text[DIGEST_BASE64_SIZE(DIGEST_SHA1)];
	uint8_t digest[DIGEST_SHA1];

	if (key.n != WEBSOCKET_KEY_SIZE)
		return false;
	memcpy(mempcpy(joined, key.p, key.n), GUID.p, GUID.n);
	digest_sha1((str){joined, sizeof(joined)}, digest);
	digest_write_base64(digest, sizeof(digest), text);
	return str_eq(accept, (str){text, sizeof(text)});
}

/* --- frames --- */

#define OPCODE	     0x0fu
#define OPCODE_CLOSE 8u
#define MASKED	     0x80u
#define LENGTH	     0x7fu
#define LENGTH_16    126u
#define LENGTH_64    127u

/* For a head of which `n` bytes are known. */
static size_t head_size(const unsigned char *head, size_t n)
{
	unsigned length = n < 2 ? 0 : head[1] & LENGTH;

	if (length == LENGTH_64)
		return 10;
	return length == LENGTH_16 ? 4 : 2;
}

static uint64_t payload_size(const unsigned char *head, size_t n)
{
	uint64_t size = 0;

	if (n == 2)
		return head[1] & LENGTH;
	for (size_t i = 2; i < n; i++)
		size = size << 8 | head[i];
	return size;
}

static void begin_frame(struct websocket_frames *f)
{
	f->left = payload_size(f->head, f->nhead);
	f->is_broken = (f->head[1] & MASKED) || f->left > INT64_MAX;
	f->is_over = (f->head[0] & OPCODE) == OPCODE_CLOSE;
	f->nhead = 0;
}

void websocket_follow(struct websocket_frames *f, str bytes)
{
	size_t at = 0;

	while (at < bytes.n && !f->is_broken && !f->is_over) {
		size_t skipped = (size_t)MIN(f->left, (uint64_t)(bytes.n - at));

		assert(!skipped || !f->nhead);
		f->left -= skipped;
		at += skipped;
		if (at == bytes.n)
			return;
		assert(!f->left && f->nhead < sizeof(f->head));
		f->head[f->nhead++] = (unsigned char)bytes.p[at++];
		if (f->nhead == head_size(f->head, f->nhead))
			begin_frame(f);
	}
}

bool websocket_may_speak(const struct websocket_frames *f)
{
	return !f->left && !f->nhead && !f->is_over && !f->is_broken;
}
