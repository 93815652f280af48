/* fuzz_request_head.c - request heads: the verdict does not depend on cuts, and what is accepted is
 * unambiguous. */
/* SPDX-License-Identifier: MIT */
#include "fuzz_head.h"

#include "http/uri.h"

struct parsed {
	struct request_head h;
	struct header store[FUZZ_HEADERS];
	enum parse parse;
	size_t used, scanned;
	unsigned status;
};

static void parse(struct parsed *p, str bytes)
{
	struct head_limits limits = FUZZ_LIMITS;

	p->parse = request_head_parse(
		&p->h, p->store, FUZZ_HEADERS, bytes, &p->scanned, &limits, &p->used, &p->status);
}

static void check_same(const struct parsed *a, const struct parsed *b)
{
	const struct request_head *x = &a->h, *y = &b->h;

	assert(a->parse == b->parse && a->status == b->status);
	if (a->parse != PARSE_OK)
		return;
	assert(str_eq(x->method_text, y->method_text) && x->method == y->method);
	assert(str_eq(x->target, y->target) && str_eq(x->path, y->path));
	assert(x->has_query == y->has_query && str_eq(x->query, y->query));
	assert(str_eq(x->host, y->host) && x->minor == y->minor);
	assert(x->body == y->body && x->content_length == y->content_length);
	assert(x->keep_alive == y->keep_alive && x->expects_continue == y->expects_continue);
	assert(x->has_upgrade == y->has_upgrade && str_eq(x->upgrade, y->upgrade));
	check_same_headers(x->headers, x->nheaders, y->headers, y->nheaders);
}

static void check_accepted(const struct request_head *h)
{
	size_t hosts = count_headers(h->headers, h->nheaders, HEADER_HOST);

	assert(field_is_token(h->method_text));
	assert(h->minor <= 1 && h->target.n && h->target.n <= FUZZ_LIMITS.max_target);
	for (size_t i = 0; i < h->target.n; i++)
		assert(h->target.p[i] > ' ' && h->target.p[i] < 0x7f && h->target.p[i] != '#');
	if (h->method == METHOD_CONNECT)
		assert(h->path.n == 0);
	else
		assert(h->path.p[0] == '/' ||
			(h->method == METHOD_OPTIONS && str_eq(h->path, STR("*"))));
	assert(hosts == 1 || (hosts == 0 && h->minor == 0));
	assert(h->host.n ? uri_host_is_valid(h->host) : h->minor == 0);
	assert(h->body != BODY_UNTIL_CLOSE && h->content_length <= INT64_MAX);
	assert(h->nheaders <= FUZZ_LIMITS.max_headers);
	check_headers(h->headers, h->nheaders);
}

static void check_written_again(const struct parsed *first)
{
	const struct request_head *h = &first->h;
	struct buf b = {0};
	struct parsed again = {0};

	buf_add(&b, h->method_text);
	buf_add(&b, STR(" "));
	buf_add(&b, h->target);
	buf_add(&b, h->minor ? STR(" HTTP/1.1\r\n") : STR(" HTTP/1.0\r\n"));
	write_headers(&b, h->headers, h->nheaders);
	parse(&again, buf_str(&b));
	check_same(first, &again);
	assert(again.used == buf_len(&b));
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str bytes = fuzz_str(data, size);
	struct parsed whole = {0}, dribbled = {.parse = PARSE_MORE};

	parse(&whole, bytes);
	for (size_t n = 0; n <= size && dribbled.parse == PARSE_MORE; n++)
		parse(&dribbled, str_slice(bytes, 0, n));
	check_same(&whole, &dribbled);
	assert(whole.used == dribbled.used);
	if (whole.parse == PARSE_OK) {
		assert(whole.used <= size && whole.used <= FUZZ_LIMITS.max_bytes && !whole.scanned);
		check_accepted(&whole.h);
		check_written_again(&whole);
	} else if (whole.parse == PARSE_BAD) {
		check_fault(&whole.h.fault);
	} else if (whole.parse == PARSE_MORE) {
		assert(size < FUZZ_LIMITS.max_bytes && whole.scanned <= size);
	}
	return 0;
}
