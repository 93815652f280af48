/* hash.h - SipHash-1-3, a keyed hash that an attacker without the key cannot steer (Aumasson and
 * Bernstein, 2012). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* The key is random and made once for each process. */
uint64_t hash_bytes(str s);
/* The same function with the caller's key: the same in every process. */
uint64_t hash_keyed(str s, uint64_t k0, uint64_t k1);
/* Unpredictable bytes from the kernel. */
void random_bytes(void *out, size_t n);
