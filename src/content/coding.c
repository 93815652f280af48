/* coding.c - weighs Accept-Encoding against the configured order. */
/* SPDX-License-Identifier: MIT */
#include "content/coding.h"

#include "http/field.h"

static const str names[NCODINGS] = {
	[CODING_IDENTITY] = STR_INIT("identity"),
	[CODING_GZIP] = STR_INIT("gzip"),
	[CODING_BR] = STR_INIT("br"),
	[CODING_ZSTD] = STR_INIT("zstd"),
};
static_assert(NCODINGS == CODING_ZSTD + 1, "a name for each");

str coding_name(enum coding coding)
{
	assert(coding < NCODINGS);
	return names[coding];
}

bool coding_find(str name, enum coding *ret)
{
	for (enum coding c = CODING_IDENTITY; c < NCODINGS; c++)
		if (str_eq_nocase(name, names[c])) {
			*ret = c;
			return true;
		}
	if (!str_eq_nocase(name, STR("x-gzip")))
		return false;
	*ret = CODING_GZIP;
	return true;
}

struct coding_order coding_order(const struct str_list *list)
{
	struct coding_order order = {.count = 0};

	assert(list->count <= NITEMS(order.items)); /* the row's check has made sure of it */
	for (size_t i = 0; i < list->count; i++) {
		bool is_known = coding_find(list->items[i], &order.items[order.count++]);

		assert(is_known);
	}
	return order;
}

/* Weights by coding; -1 where none is given. */
struct wanted {
	int weights[NCODINGS];
	int of_star;
};

static void read_list(struct wanted *w, str list)
{
	str element, params;

	while (field_next(&list, &element)) {
		str name = field_value(element, &params);
		int *weight = &w->of_star;
		enum coding c;

		if (coding_find(name, &c))
			weight = &w->weights[c];
		else if (!str_eq(name, STR("*")))
			continue;
		if (*weight < 0) /* the first counts */
			*weight = (int)field_weight(params);
	}
}

static int weight_of(const struct wanted *w, enum coding c)
{
	return w->weights[c] >= 0 ? w->weights[c] : w->of_star;
}

enum coding coding_negotiate(str accept_encoding, const struct coding_order *order)
{
	struct wanted w = {{-1, -1, -1, -1}, -1};
	enum coding best = CODING_IDENTITY;
	int weight = 0;

	read_list(&w, accept_encoding);
	for (unsigned i = 0; i < order->count; i++) {
		int other = weight_of(&w, order->items[i]);

		if (other > weight) {
			best = order->items[i];
			weight = other;
		}
	}
	return w.weights[CODING_IDENTITY] > weight ? CODING_IDENTITY : best;
}
