/* fuzz_response_head.c - response heads, as fuzz_request_head.c; the first byte chooses the
 * request's method. */
/* SPDX-License-Identifier: MIT */
#include "fuzz_head.h"

struct parsed {
	struct response_head h;
	struct header store[FUZZ_HEADERS];
	enum parse parse;
	size_t used, scanned;
	unsigned status;
};

static void parse(struct parsed *p, enum method method, str bytes)
{
	struct head_limits limits = FUZZ_LIMITS;

	p->parse = response_head_parse(&p->h, p->store, FUZZ_HEADERS, bytes, &p->scanned, &limits,
		method, &p->used, &p->status);
}

static void check_same(const struct parsed *a, const struct parsed *b)
{
	const struct response_head *x = &a->h, *y = &b->h;

	assert(a->parse == b->parse && a->status == b->status);
	if (a->parse != PARSE_OK)
		return;
	assert(x->status == y->status && x->minor == y->minor && str_eq(x->reason, y->reason));
	assert(x->body == y->body && x->content_length == y->content_length);
	assert(x->has_content_length == y->has_content_length && x->keep_alive == y->keep_alive);
	assert(x->has_upgrade == y->has_upgrade && str_eq(x->upgrade, y->upgrade));
	check_same_headers(x->headers, x->nheaders, y->headers, y->nheaders);
}

static void check_accepted(const struct response_head *h, enum method method)
{
	assert(h->status >= 100 && h->status <= 599 && h->minor <= 1);
	check_text(h->reason);
	assert(h->content_length <= INT64_MAX && (h->has_content_length || !h->content_length));
	assert((h->status == 101) == h->has_upgrade);
	if (method == METHOD_HEAD || h->status < 200 || h->status == 204 || h->status == 304)
		assert(h->body == BODY_NONE);
	assert(h->body != BODY_UNTIL_CLOSE || !h->keep_alive);
	check_headers(h->headers, h->nheaders);
}

static void check_written_again(const struct parsed *first, enum method method)
{
	const struct response_head *h = &first->h;
	struct buf b = {0};
	struct parsed again = {0};

	buf_printf(&b, "HTTP/1.%u %u " STR_FMT "\r\n", h->minor, h->status, STR_ARG(h->reason));
	write_headers(&b, h->headers, h->nheaders);
	parse(&again, method, buf_str(&b));
	check_same(first, &again);
	assert(again.used == buf_len(&b));
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum method method = size ? data[0] % METHOD_NMETHODS : METHOD_GET;
	str bytes = str_slice(fuzz_str(data, size), 1, size);
	struct parsed whole = {0}, dribbled = {.parse = PARSE_MORE};

	parse(&whole, method, bytes);
	for (size_t n = 0; n <= bytes.n && dribbled.parse == PARSE_MORE; n++)
		parse(&dribbled, method, str_slice(bytes, 0, n));
	check_same(&whole, &dribbled);
	assert(whole.used == dribbled.used);
	if (whole.parse == PARSE_OK) {
		assert(whole.used <= bytes.n && whole.used <= FUZZ_LIMITS.max_bytes &&
			!whole.scanned);
		check_accepted(&whole.h, method);
		/* One byte more than its limit if the phrase was absent: the blank. */
		if (whole.used < FUZZ_LIMITS.max_bytes)
			check_written_again(&whole, method);
	} else if (whole.parse == PARSE_BAD) {
		check_fault(&whole.h.fault);
	} else if (whole.parse == PARSE_MORE) {
		assert(bytes.n < FUZZ_LIMITS.max_bytes && whole.scanned <= bytes.n);
	}
	return 0;
}
