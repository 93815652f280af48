/* test_compose.c - heads of our own making look like those that were received. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "http/compose.h"

static void fields_stand_one_behind_the_other(void **state)
{
	const struct header other = {STR_INIT("X-Own"), STR_INIT("a b"), HEADER_OTHER, true, true};
	struct arena arena = {0};
	size_t room = 1024;
	struct compose c;
	struct response_head h;
	const char *start;

	(void)state;
	/* What an arena gives has been used before. */
	memset(arena_alloc(&arena, room), true, room);
	arena_reset(&arena);
	compose_begin(&c, &arena, 3, 64);
	compose_add(&c, HEADER_CONTENT_TYPE, STR("text/plain"));
	compose_copy(&c, &other);
	compose_add(&c, HEADER_ETAG, STR_EMPTY);
	compose_head(&c, 200, &h);
	assert_int_equal(h.status, 200);
	assert_true(str_eq(h.reason, STR("OK")));
	assert_int_equal(h.nheaders, 3);
	start = h.headers[0].name.p;
	assert_memory_equal(start, "Content-Type: text/plain\r\nX-Own: a b\r\nETag: \r\n", 46);
	assert_ptr_equal(h.headers[1].name.p, start + 26);
	for (size_t i = 0; i < h.nheaders; i++)
		assert_false(h.headers[i].is_hop || h.headers[i].is_mended);
	assert_int_equal(h.headers[2].id, HEADER_ETAG);
	assert_int_equal(h.headers[2].value.n, 0);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_stand_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
