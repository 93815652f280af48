/* suggest.c - what was probably meant by an unknown word. */
/* SPDX-License-Identifier: MIT */
#include "command/command_int.h"

#define MAX_WORD 32

/* How many letters must be changed, added, left out or swapped with their neighbour to make b of
 * a. */
static size_t distance(str a, str b)
{
	size_t rows[3][MAX_WORD + 1], *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			row[j] = MIN(last[j], row[j - 1]) + 1;
			row[j] = MIN(row[j], last[j - 1] + (a.p[i - 1] != b.p[j - 1]));
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.n];
}

const char *suggest_word(const char *word, const char *const *candidates)
{
	str w = str_of(word);
	size_t best = MAX(w.n / 3, (size_t)1) + 1;
	const char *found = NULL;

	if (w.n < 2 || w.n > MAX_WORD)
		return NULL;
	for (; *candidates; candidates++) {
		str c = str_of(*candidates);
		size_t d = c.n <= MAX_WORD ? distance(w, c) : SIZE_MAX;

		if (d < best) {
			best = d;
			found = *candidates;
		}
	}
	return found;
}
