/* response.h - a head of a response, written as HTTP/1.1 has it, made fields of HTTP/2
 * (RFC 9113 8.3.2). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/str.h"

/* Zero is empty; used again and again.  The fields point into the text, and their names are spelt
 * as there: nghttp2 copies them in lower case. */
struct h2_fields {
	nghttp2_nv *items;
	size_t count, cap;
};

/* The fields of a head with its empty line, written by us: each line is "Name: value". What is
 * about the connection is left out.  Returns the status; 101, which HTTP/2 does not have, becomes
 * 200 (RFC 8441 5), and the fields of its handshake are left out too. */
unsigned h2_fields_of_head(struct h2_fields *f, str head);
/* 101. */
bool h2_head_is_switch(str head);
/* The same for trailers: lines without the empty one. */
void h2_fields_of_trailers(struct h2_fields *f, str lines);
void h2_fields_done(struct h2_fields *f);
