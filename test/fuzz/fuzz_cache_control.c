/* fuzz_cache_control.c - Cache-Control, targeted fields, Vary, entity tags: lines of "Name: value"
 * as they would be in a head. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "http/cache_control.h"
#include "http/conditional.h"
#include "http/dictionary.h"
#include "http/vary.h"

#define HEADERS_MAX 16

static size_t make_headers(str text, struct header out[HEADERS_MAX])
{
	size_t n = 0;
	str line;

	while (n < HEADERS_MAX && str_split(&text, '\n', &line)) {
		ssize_t colon = str_find_char(line, ':');

		if (colon < 0)
			continue;
		out[n].name = str_slice(line, 0, (size_t)colon);
		out[n].value = str_trim(str_slice(line, (size_t)colon + 1, line.n));
		out[n].id = header_lookup(out[n].name);
		out[n++].is_hop = false;
	}
	return n;
}

static void check_number(int64_t v)
{
	assert(v >= CACHE_NO_VALUE && v <= CACHE_SECONDS_MAX);
}

static void check_control(const struct cache_control *c)
{
	check_number(c->max_age);
	check_number(c->s_maxage);
	check_number(c->max_stale);
	check_number(c->min_fresh);
	check_number(c->stale_while_revalidate);
	check_number(c->stale_if_error);
	assert(c->is_there || !c->is_targeted);
}

/* Names in one form are in that form already. */
static void check_vary(const struct header *headers, size_t n)
{
	struct buf names = {0}, again = {0};
	struct header vary = {.id = HEADER_VARY, .name = STR("Vary")};

	if (vary_names(&names, headers, n)) {
		vary.value = buf_str(&names);
		assert(vary_names(&again, &vary, 1));
		assert(str_eq(buf_str(&names), buf_str(&again)));
		buf_clear(&again);
		vary_values(&again, buf_str(&names), headers, n);
	}
	buf_done(&names);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size), rest = text, part;
	struct header headers[HEADERS_MAX];
	size_t n = make_headers(text, headers), before = text.n;
	struct validators v = {.etag = STR("\"x\""), .has_last_modified = true};
	struct cache_control c;
	struct item item;

	cache_control_of_request(headers, n, &c);
	check_control(&c);
	cache_control_of_response(headers, n, &c);
	check_control(&c);
	check_vary(headers, n);
	while (etag_next(&rest, &part)) {
		assert(part.n && rest.n < before);
		before = rest.n;
	}
	for (rest = text; dictionary_next(&rest, &part, &item) == PARSE_OK;)
		assert(part.n && rest.p + rest.n == text.p + text.n);
	assert(precondition_check(headers, n, METHOD_GET, &v, 0) <= PRECONDITION_FAILED);
	precondition_range_holds(headers, n, &v, 0);
	return 0;
}
