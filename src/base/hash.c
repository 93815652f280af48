/* hash.c - SipHash-1-3, and getrandom. */
/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t process_key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->b = rotate(s->b, 13) ^ s->a;
	s->a = rotate(s->a, 32);
	s->c += s->d;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = rotate(s->b, 17) ^ s->c;
	s->c = rotate(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	s->a ^= word;
}

uint64_t hash_keyed(str s, uint64_t k0, uint64_t k1)
{
	struct sip sip = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573};
	size_t whole = s.n & ~(size_t)7;
	uint64_t last = (uint64_t)s.n << 56, word;

	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&word, s.p + i, 8);
		sip_word(&sip, word);
	}
	for (size_t i = whole; i < s.n; i++)
		last |= (uint64_t)(unsigned char)s.p[i] << (8 * (i - whole));
	sip_word(&sip, last);
	sip.c ^= 0xff;
	sip_round(&sip);
	sip_round(&sip);
	sip_round(&sip);
	return sip.a ^ sip.b ^ sip.c ^ sip.d;
}

void random_bytes(void *out, size_t n)
{
	char *p = out;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			assert((size_t)got <= n);
			p += got;
			n -= (size_t)got;
		}
	}
}

static void make_key(void)
{
	random_bytes(process_key, sizeof(process_key));
}

uint64_t hash_bytes(str s)
{
	pthread_once(&key_once, make_key);
	return hash_keyed(s, process_key[0], process_key[1]);
}
