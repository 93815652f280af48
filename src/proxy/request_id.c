/* request_id.c - the name of a request. */
/* SPDX-License-Identifier: MIT */
#include "proxy/request_id.h"

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

static void write_uuid(char *out, uint64_t high, uint64_t low)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t half;

	/* RFC 9562 5.4: the version and the variant have their places. */
	high = (high & ~(uint64_t)0xf000) | 0x4000;
	low = (low & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
	half = high;
	for (unsigned byte = 0; byte < 16; byte++, half <<= 8) {
		if (byte == 8)
			half = low;
		if (byte == 4 || byte == 6 || byte == 8 || byte == 10)
			*out++ = '-';
		*out++ = digits[half >> 60];
		*out++ = digits[half >> 56 & 15];
	}
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
	const struct remote *client, char store[REQUEST_ID_SIZE])
{
	str id;

	if (client->is_trusted) {
		id = header_value(head->headers, head->nheaders, HEADER_X_REQUEST_ID);
		if (is_sane(id))
			return id;
	}
	if (client->has_edge) {
		id = header_value(head->headers, head->nheaders, HEADER_FLY_REQUEST_ID);
		if (is_sane(id))
			return id;
	}
	id = (str){store, REQUEST_ID_SIZE};
	write_uuid(store, next(ids), next(ids));
	return id;
}
