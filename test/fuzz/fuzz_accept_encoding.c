/* fuzz_accept_encoding.c - the choice of a coding, by any Accept-Encoding. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "content/coding.h"
#include "content/compressible.h"

static const struct coding_order ours = {{CODING_ZSTD, CODING_BR, CODING_GZIP}, 3};

/* Lines of the input are fields of the request. */
static enum coding negotiate(str text, const struct coding_order *order)
{
	struct header headers[8];
	size_t n = 0;
	str line;

	while (n < NITEMS(headers) && str_split(&text, '\n', &line))
		headers[n++] = (struct header){
			STR("Accept-Encoding"), line, HEADER_ACCEPT_ENCODING, false};
	return coding_negotiate(headers, n, order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);
	enum coding best = negotiate(text, &ours);

	/* What is chosen of all is chosen when there is nothing else, and something is then. */
	for (unsigned i = 0; i < ours.count; i++) {
		struct coding_order one = {{ours.items[i]}, 1};
		enum coding alone = negotiate(text, &one);

		assert(alone == ours.items[i] || alone == CODING_IDENTITY);
		assert(best != ours.items[i] || alone == best);
		assert(best != CODING_IDENTITY || alone == CODING_IDENTITY);
	}
	(void)type_is_compressible(text);
	return 0;
}
