/* test_field.c - lists, parameters and weights in header values. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"

#include "base/buf.h"
#include "http/field.h"

#define CHROME                                                                                     \
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"  \
	"*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"

static void tokens_are_told_from_other_texts(void **state)
{
	(void)state;
	assert_true(field_is_token(STR("a")));
	assert_true(field_is_token(STR("!#$%&'*+-.^_`|~09AZaz")));
	assert_false(field_is_token(STR("")));
	assert_false(field_is_token(STR("a b")));
	for (const char *c = "\t\n (),/:;<=>?@[\\]{}\"\x7f\x80"; *c; c++)
		assert_false(field_is_token((str){c, 1}));
}

static void lists_are_divided_at_commas_outside_quotes(void **state)
{
	static const struct {
		const char *list, *elements;
	} cases[] = {
		{"", ""},
		{",, ,", ""},
		{"a", "[a]"},
		{" a ,\tb,,c;d=\"x,y\" , e", "[a][b][c;d=\"x,y\"][e]"},
		{"\"a\\\",b\",c", "[\"a\\\",b\"][c]"},
		{"\"open, b", "[\"open, b]"},
		{"\"open\\", "[\"open\\]"},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		str rest = str_of(cases[i].list), element;
		struct buf b = {0};

		while (field_next(&rest, &element))
			buf_printf(&b, "[" STR_FMT "]", STR_ARG(element));
		expect_str(buf_str(&b), cases[i].elements);
		buf_done(&b);
	}
}

static void parameters_are_read_one_by_one(void **state)
{
	str params, name, value;

	(void)state;
	expect_str(field_value(STR("text/html; Charset=\"ut;f\" ;;b = c;d"), &params), "text/html");
	assert_true(field_next_param(&params, &name, &value));
	expect_str(name, "Charset");
	expect_str(value, "ut;f");
	assert_true(field_next_param(&params, &name, &value));
	expect_str(name, "b");
	expect_str(value, "c");
	assert_true(field_next_param(&params, &name, &value));
	expect_str(name, "d");
	expect_str(value, "");
	assert_false(field_next_param(&params, &name, &value));
	expect_str(field_value(STR("close"), &params), "close");
	assert_false(field_next_param(&params, &name, &value));
}

static void the_most_precise_range_decides(void **state)
{
	static const struct {
		const char *accept, *type;
		unsigned weight;
		bool is_named;
	} cases[] = {
		{"", "text/html", 1000, false},
		{"*/*", "text/html", 1000, false},
		{"text/*;q=0.5", "text/html", 500, false},
		{"TEXT/HTML", "text/html", 1000, true},
		{"text/html;q=0", "text/html", 0, false},
		{"text/html;q=0, */*", "text/html", 0, false},
		{"*/*, text/*;q=0.2, text/html;q=0.75", "text/html", 750, true},
		{"application/json", "text/html", 0, false},
		{"application/json, */*;q=0.1", "text/html", 100, false},
		{"text/html;level=1;Q=0.3", "text/html", 300, true},
		{"text/htmlx", "text/html", 0, false},
		{"tex/*", "text/html", 0, false},
		{CHROME, "text/html", 1000, true},
		{CHROME, "application/json", 800, false},
		{"application/json, text/plain, */*", "application/json", 1000, true},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		str accept = str_of(cases[i].accept), type = str_of(cases[i].type);

		assert_int_equal(accept_weight(accept, type), cases[i].weight);
		assert_int_equal(accept_names(accept, type), cases[i].is_named);
	}
}

static void weights_have_three_digits(void **state)
{
	static const struct {
		const char *q;
		unsigned weight;
	} cases[] = {{"0", 0}, {"0.", 0}, {"0.0", 0}, {"0.000", 0}, {"0.001", 1}, {"0.12", 120},
		{"0.999", 999}, {"1", 1000}, {"1.000", 1000}, {"1.5", 1000}, {"", 1000},
		{"2", 1000}, {"0.1234", 1000}, {"x", 1000}, {".5", 1000}, {"0,5", 1000},
		{"0.x", 1000}, {"-1", 1000}};

	(void)state;
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char list[32];

		snprintf(list, sizeof(list), "gzip;q=\"%s\"", cases[i].q);
		assert_int_equal(coding_weight(str_of(list), STR("gzip")), cases[i].weight);
	}
}

static void codings_are_those_named_or_what_the_star_says(void **state)
{
	(void)state;
	assert_int_equal(coding_weight(STR("gzip, br;q=0.5"), STR("GZIP")), 1000);
	assert_int_equal(coding_weight(STR("gzip, br;q=0.5"), STR("br")), 500);
	assert_int_equal(coding_weight(STR("gzip, br;q=0.5"), STR("zstd")), 0);
	assert_int_equal(coding_weight(STR("*;q=0.2, gzip;q=0"), STR("zstd")), 200);
	assert_int_equal(coding_weight(STR("*;q=0.2, gzip;q=0"), STR("gzip")), 0);
	assert_int_equal(coding_weight(STR(""), STR("gzip")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_told_from_other_texts),
		cmocka_unit_test(lists_are_divided_at_commas_outside_quotes),
		cmocka_unit_test(parameters_are_read_one_by_one),
		cmocka_unit_test(the_most_precise_range_decides),
		cmocka_unit_test(weights_have_three_digits),
		cmocka_unit_test(codings_are_those_named_or_what_the_star_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
