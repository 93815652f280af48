/* fuzz_range.c - Range: whatever is said, what comes out lies within the representation and is not
 * longer than it. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "http/range.h"

static void check(str value, uint64_t size)
{
	struct range ranges[RANGE_MAX];
	uint64_t sum = 0;
	size_t n = 0;

	switch (range_read(value, size, ranges, &n)) {
	case RANGE_PARTS:
		assert(n > 0 && n <= RANGE_MAX);
		break;
	case RANGE_WHOLE:
	case RANGE_UNSATISFIABLE:
		assert(n == 0);
		break;
	}
	for (size_t i = 0; i < n; i++) {
		assert(ranges[i].length && ranges[i].offset < size);
		assert(ranges[i].length <= size - ranges[i].offset);
		sum += ranges[i].length;
	}
	assert(sum <= size + n * 80); /* gaps that were closed */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = {0, 1, 10, 1000, 1u << 20, INT64_MAX};

	for (size_t i = 0; i < NITEMS(sizes); i++)
		check(fuzz_str(data, size), sizes[i]);
	return 0;
}
