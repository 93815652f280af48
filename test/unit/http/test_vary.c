/* test_vary.c - the fields that choose a response. */
/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include "http/vary.h"

static void names_come_in_one_form(void **state)
{
	static const struct {
		const char *headers, *names; /* NULL: nothing matches */
	} cases[] = {
		{"Date: x", ""},
		{"Vary:", ""},
		{"Vary: Accept", "accept"},
		{"Vary: Foo, accept-ENCODING|Vary: Accept-Encoding , bar",
			"accept-encoding,bar,foo"},
		{"Vary: *", NULL},
		{"Vary: , *", NULL},
		{"Vary: foo|Vary: bar, *", NULL},
		{"Vary: *, *", NULL},
		{"Vary: foo bar", NULL},
		{"Vary: \"foo\"", NULL},
		{"Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"},
		{"Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct header h[TEST_HEADERS];
		struct buf out = {0};
		size_t n = make_headers(cases[i].headers, h);

		assert_int_equal(vary_names(&out, h, n), cases[i].names != NULL);
		expect_str(buf_str(&out), cases[i].names ? cases[i].names : "");
		buf_done(&out);
	}
}

static void equal_requests_have_equal_values(void **state)
{
	static const struct {
		const char *names, *a, *b;
		bool match;
	} cases[] = {
		{"foo", "Foo: 1", "foo: 1", true},
		{"foo", "Foo: 1", "Foo: 2", false},
		{"foo", "Foo: 1", "Bar: 1", false},
		{"foo", "Bar: 1", "Bar: 2", true},
		{"foo", "Foo:", "Bar: 1", false},
		{"foo", "Foo: 1, 2", "Foo: 1,2", true},
		{"foo", "Foo: 1|X: y|Foo: 2", "Foo: 1 ,2", true},
		{"foo", "Foo: 1, 2", "Foo: 2, 1", false},
		{"foo", "Foo: a", "Foo: A", false},
		{"bar,foo", "Foo: 1|Bar: 2", "Bar: 2|Foo: 1", true},
		{"bar,foo", "Foo: 1|Bar: 2", "Foo: 2|Bar: 1", false},
		{"bar,foo", "Foo: 1", "Bar: 1", false},
		{"accept-language", "Accept-Language: en, DE;q=0.5",
			"Accept-Language: de; q=0.5,en", true},
		{"accept-language", "Accept-Language: en", "Accept-Language: de", false},
		{"accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: BR,gzip", true},
		{"accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br", false},
		{"accept", "Accept: text/html , */*;q=0.1", "Accept: Text/HTML,*/*; q=0.1", true},
		{"accept", "Accept: a/b, c/d", "Accept: c/d, a/b", false},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct header h[TEST_HEADERS];
		struct buf a = {0}, b = {0};

		vary_values(&a, str_of(cases[i].names), h, make_headers(cases[i].a, h));
		vary_values(&b, str_of(cases[i].names), h, make_headers(cases[i].b, h));
		if (str_eq(buf_str(&a), buf_str(&b)) != cases[i].match)
			fail_msg("%s / %s", cases[i].a, cases[i].b);
		buf_done(&a);
		buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_in_one_form),
		cmocka_unit_test(equal_requests_have_equal_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
