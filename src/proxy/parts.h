/* parts.h - answers with parts of something (RFC 9110 14, 15.3.7): one, or several in a
 * multipart/byteranges. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "http/range.h"
#include "proxy/stages.h"

/* Segments, in the exchange's arena, that send `parts` of `whole`, a text or all of a file.  Makes
 * *h a 206 and adds Content-Range, or the Content-Type of several (each part tells the one that *h
 * had).  Content-Length is respond_segments' business. */
struct segment *parts_make(struct exchange *x, struct response_head *h, const struct segment *whole,
	const struct range *parts, size_t n, size_t *ret_nsegments);
/* Makes *h a 416 for something of that size; it has an empty body. */
void parts_refuse(struct exchange *x, struct response_head *h, uint64_t size);
