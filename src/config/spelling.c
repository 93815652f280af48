/* spelling.c - finds the known word nearest to an unknown one. */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

/* Letters to add, drop, change or swap with a neighbour to turn a into b (restricted
 * Damerau-Levenshtein). */
static size_t edit_distance(str a, str b)
{
	enum { MAX_WORD = 40 };
	size_t rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.n > MAX_WORD || b.n > MAX_WORD)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *oldest = before;

		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			bool is_same = a.p[i - 1] == b.p[j - 1];

			now[j] = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + !is_same);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b.n];
}

void spelling_consider(struct nearest *nearest, str word)
{
	size_t distance = edit_distance(nearest->written, word);

	if (distance < nearest->distance) {
		nearest->distance = distance;
		nearest->word = word;
	}
}

str nearest_word(str word, const char *const *words)
{
	struct nearest nearest = {word, STR_EMPTY, 1 + word.n / 6};

	for (size_t i = 0; words[i]; i++)
		spelling_consider(&nearest, str_of(words[i]));
	return nearest.word;
}
