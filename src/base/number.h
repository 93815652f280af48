/* number.h - the one way from text to numbers: the whole string, decimal, checked. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Decimal digits only, at most `max`.  0 or -EINVAL (no digits, other characters), -ERANGE. */
int number_parse(str s, uint64_t max, uint64_t *ret) MUST_USE;
/* Hexadecimal digits only, either case. */
int number_parse_hex(str s, uint64_t max, uint64_t *ret) MUST_USE;
/* "250ms" "5s" "10m" "2h" "1d", or an integer = seconds.  0, -EINVAL or -ERANGE. */
int number_parse_duration(str s, msec *ret) MUST_USE;
/* "64MB" (powers of 1000), "512KiB" (powers of 1024), or an integer = bytes. */
int number_parse_size(str s, uint64_t *ret) MUST_USE;

/* Writes v in decimal; returns the number of bytes, at most 20. */
size_t number_write(char *out, uint64_t v);
size_t number_write_hex(char *out, uint64_t v);
/* The shortest text that number_parse_duration reads back, NUL-ended. */
#define NUMBER_TEXT_MAX 32
void number_duration_text(msec v, char out[NUMBER_TEXT_MAX]);
void number_size_text(uint64_t v, char out[NUMBER_TEXT_MAX]);
