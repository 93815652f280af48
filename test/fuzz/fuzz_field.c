/* fuzz_field.c - values of fields: lists, parameters, weights, dates. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "http/date.h"
#include "http/field.h"
#include "http/header.h"

static void check_within(str whole, str part)
{
	assert(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_lists(str text)
{
	str rest = text, element, params, name, value;

	while (field_next(&rest, &element)) {
		assert(element.n && str_eq(str_trim(element), element));
		check_within(text, element);
		check_within(element, field_value(element, &params));
		while (field_next_param(&params, &name, &value)) {
			assert(name.n);
			check_within(element, name);
			check_within(element, value);
		}
	}
}

static void check_dates(str text)
{
	char written[DATE_LENGTH];
	int64_t at, again;

	if (date_parse(text, 1763942400, &at) < 0)
		return;
	date_write(written, at);
	assert(date_parse((str){written, DATE_LENGTH}, 0, &again) == 0);
	assert(again == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);
	enum header_id id = header_lookup(text);

	assert(id == HEADER_OTHER || str_eq_nocase(header_name(id), text));
	check_lists(text);
	check_dates(text);
	assert(accept_weight(text, STR("text/html")) <= FIELD_WEIGHT_MAX);
	assert(coding_weight(text, STR("gzip")) <= FIELD_WEIGHT_MAX);
	assert(!accept_names(text, STR("text/html")) || accept_weight(text, STR("text/html")));
	return 0;
}
