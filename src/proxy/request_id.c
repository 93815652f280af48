/* request_id.c - makes up a request's id where no trusted peer has given one. */
/* SPDX-License-Identifier: MIT */
#include "proxy/request_id.h"

#include <endian.h>

#include "base/hash.h"

#define FOREIGN_MAX 128

void request_ids_init(struct request_ids *ids)
{
	do
		random_bytes(ids->state, sizeof(ids->state));
	while (!(ids->state[0] | ids->state[1] | ids->state[2] | ids->state[3]));
}

static uint64_t rotate(uint64_t x, unsigned k)
{
	return x << k | x >> (64 - k);
}

/* xoshiro256++ (Blackman and Vigna, 2019). */
static uint64_t next(struct request_ids *ids)
{
	uint64_t *s = ids->state;
	uint64_t result = rotate(s[0] + s[3], 23) + s[0], shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return result;
}

/* One byte in each of eight. */
static uint64_t spread(uint8_t byte)
{
	return byte * UINT64_C(0x0101010101010101);
}

/* The eight digits of a number, all at once: its nibbles are spread out (four bytes from four, then
 * two, then one), and those above 9 are moved from after '9' to 'a'. */
static void write_hex(char out[8], uint64_t v)
{
	uint64_t above;

	v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
	v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	above = (v + spread(6)) >> 4 & spread(1);
	v = htobe64(v + spread('0') + above * ('a' - '0' - 10));
	memcpy(out, &v, 8);
}

static void write_uuid(char *out, uint64_t high, uint64_t low)
{
	char digits[32];

	/* RFC 9562 5.4: the version and the variant have their places. */
	high = (high & ~(uint64_t)0xf000) | 0x4000;
	low = (low & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
	write_hex(digits, high >> 32);
	write_hex(digits + 8, high & UINT32_MAX);
	write_hex(digits + 16, low >> 32);
	write_hex(digits + 24, low & UINT32_MAX);
	out[8] = out[13] = out[18] = out[23] = '-';
	memcpy(out, digits, 8);
	memcpy(out + 9, digits + 8, 4);
	memcpy(out + 14, digits + 12, 4);
	memcpy(out + 19, digits + 16, 4);
	memcpy(out + 24, digits + 20, 12);
}

static bool is_sane(str id)
{
	if (!id.n || id.n > FOREIGN_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = char_lower(id.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && !memchr("-_.:@+/=", c, 8))
			return false;
	}
	return true;
}

str request_id(struct request_ids *ids, const struct request_head *head,
	const struct remote *remote, char store[REQUEST_ID_SIZE])
{
	str id;

	if (remote->is_trusted) {
		id = header_value(head->headers, head->nheaders, HEADER_X_REQUEST_ID);
		if (is_sane(id))
			return id;
	}
	if (remote->has_edge) {
		id = header_value(head->headers, head->nheaders, HEADER_FLY_REQUEST_ID);
		if (is_sane(id))
			return id;
	}
	id = (str){store, REQUEST_ID_SIZE};
	write_uuid(store, next(ids), next(ids));
	return id;
}
