/* fuzz_accept_encoding.c - the choice of a coding, by any Accept-Encoding. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "content/coding.h"
#include "content/compressible.h"

static const struct coding_order ours = {{CODING_ZSTD, CODING_BR, CODING_GZIP}, 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);
	enum coding best = coding_negotiate(text, &ours);

	/* What is chosen of all is chosen when there is nothing else, and something is then. */
	for (unsigned i = 0; i < ours.count; i++) {
		struct coding_order one = {{ours.items[i]}, 1};
		enum coding alone = coding_negotiate(text, &one);

		assert(alone == ours.items[i] || alone == CODING_IDENTITY);
		assert(best != ours.items[i] || alone == best);
		assert(best != CODING_IDENTITY || alone == CODING_IDENTITY);
	}
	(void)type_is_compressible(text);
	return 0;
}
