/* field.h - what is inside header values: lists, parameters, weights (RFC 9110 5.6, 12). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* One or more characters of RFC 9110's token. */
bool field_is_token(str s);

/* Moves *rest past the next element of a comma-separated list and gives it without blanks.  Empty
 * elements are skipped; a comma inside a quoted string does not divide.  False when there are no
 * more. */
bool field_next(str *rest, str *ret_element);
/* Splits "value;a=b" of a list element; *ret_params is what follows the first ';' outside quotes,
 * or empty. */
str field_value(str element, str *ret_params);
/* For tests: the next parameter of "a=b; c=\"d\"": its name and its value without quotes (escapes
 * stay). False at the end. */
bool field_next_param(str *params, str *ret_name, str *ret_value);

/* Weights are in thousandths, 0 to 1000; a malformed one counts as 1000, as browsers never send
 * one. */
#define FIELD_WEIGHT_MAX 1000u
/* The parameter q of a list element, whose parameters these are; 1000 when there is none. */
unsigned field_weight(str params);

/* How much Accept wants a media type without parameters ("text/html"): by its most specific range.
 * An empty Accept wants everything. */
unsigned accept_weight(str accept, str type);
/* True only if the type itself is named with a weight above 0: a wildcard does not count.  Tells a
 * browser's navigation (text/html) from a script, and recognises a client that wants JSON. */
bool accept_names(str accept, str type);
/* The weight of one coding in Accept-Encoding or TE; `*` speaks for those not named, and what is
 * absent has 0. */
unsigned coding_weight(str accept_encoding, str coding);
