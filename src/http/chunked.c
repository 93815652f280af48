/* chunked.c - a state machine over the framing's bytes; payload is skipped in one step. */
/* SPDX-License-Identifier: MIT */
#include "http/chunked.h"

#include "base/number.h"
#include "http/http_int.h"

#define MAX_DIGITS 16u

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(char_lower(c) - 'a') + 10;
}

static enum chunked_state after_size(struct chunked *c, char byte)
{
	if (byte == '\r')
		return CHUNKED_SIZE_LF;
	if (byte == ';') {
		c->extension = 0;
		return CHUNKED_EXTENSION;
	}
	/* They count as an extension. */
	if (!c->is_mended || !char_is_blank(byte) || ++c->extensions > CHUNKED_MAX_EXTENSIONS)
		return CHUNKED_BAD;
	return CHUNKED_SIZE_BLANK;
}

static enum chunked_state on_size(struct chunked *c, char byte)
{
	if (!char_is(byte, CHAR_HEX))
		return c->digits ? after_size(c, byte) : CHUNKED_BAD;
	if (++c->digits > MAX_DIGITS)
		return CHUNKED_BAD;
	c->left = c->left << 4 | hex_value(byte);
	return CHUNKED_SIZE;
}

static enum chunked_state on_extension(struct chunked *c, char byte)
{
	if (byte == '\r')
		return CHUNKED_SIZE_LF;
	if (char_is(byte, CHAR_CONTROL))
		return CHUNKED_BAD;
	if (++c->extension > CHUNKED_MAX_EXTENSION || ++c->extensions > CHUNKED_MAX_EXTENSIONS)
		return CHUNKED_BAD;
	return CHUNKED_EXTENSION;
}

static enum chunked_state on_size_lf(struct chunked *c, char byte)
{
	if (byte != '\n' || c->left > INT64_MAX)
		return CHUNKED_BAD;
	assert(c->digits && c->digits <= MAX_DIGITS);
	c->digits = 0;
	return c->left ? CHUNKED_DATA : CHUNKED_TRAILER_FIRST;
}

static enum chunked_state on_trailer(struct chunked *c, char byte)
{
	bool is_first = c->state == CHUNKED_TRAILER_FIRST;

	if (is_first && byte == '\r')
		return CHUNKED_END_LF;
	if (byte != '\r' && char_is(byte, CHAR_CONTROL))
		return CHUNKED_BAD;
	if (buf_len(&c->trailers) >= CHUNKED_MAX_TRAILERS)
		return CHUNKED_BAD;
	assert(!c->left);
	buf_add_char(&c->trailers, byte);
	return byte == '\r' ? CHUNKED_TRAILER_LF : CHUNKED_TRAILER;
}

static enum chunked_state on_trailer_lf(struct chunked *c, char byte)
{
	if (byte != '\n')
		return CHUNKED_BAD;
	buf_add_char(&c->trailers, byte);
	return CHUNKED_TRAILER_FIRST;
}

static bool may_trail(const struct header *h)
{
	return header_may_trail(h->id) && !header_is_alias(h->name);
}

/* Writes out again the trailers that are allowed. */
static void keep_good(struct chunked *c, const struct fields *f)
{
	struct buf kept = {0};

	for (const struct header *h = f->headers; h < f->headers + f->n; h++) {
		if (!may_trail(h))
			continue;
		buf_add(&kept, h->name);
		buf_add(&kept, STR(": "));
		buf_add(&kept, h->value);
		buf_add(&kept, STR("\r\n"));
	}
	buf_done(&c->trailers);
	c->trailers = kept;
}

static bool check_trailers(struct chunked *c)
{
	struct header headers[CHUNKED_MAX_TRAILER_FIELDS];
	struct fields f = {.headers = headers, .max = NITEMS(headers), .is_mended = c->is_mended};
	str lines = chunked_trailers(c);
	bool is_good = true;

	if (fields_parse(&f, lines.p, lines.p + lines.n))
		return false;
	for (size_t i = 0; i < f.n; i++)
		is_good = is_good && may_trail(&headers[i]) && !headers[i].is_mended;
	if (!is_good && c->is_mended)
		keep_good(c, &f);
	return is_good || c->is_mended;
}

/* Every state but DATA takes one byte and says what comes next. */
static enum chunked_state step_chunked(struct chunked *c, char byte)
{
	switch (c->state) {
	case CHUNKED_SIZE_FIRST:
	case CHUNKED_SIZE:
		return on_size(c, byte);
	case CHUNKED_SIZE_BLANK:
		return after_size(c, byte);
	case CHUNKED_EXTENSION:
		return on_extension(c, byte);
	case CHUNKED_SIZE_LF:
		return on_size_lf(c, byte);
	case CHUNKED_DATA_CR:
		return byte == '\r' ? CHUNKED_DATA_LF : CHUNKED_BAD;
	case CHUNKED_DATA_LF:
		return byte == '\n' ? CHUNKED_SIZE_FIRST : CHUNKED_BAD;
	case CHUNKED_TRAILER_FIRST:
	case CHUNKED_TRAILER:
		return on_trailer(c, byte);
	case CHUNKED_TRAILER_LF:
		return on_trailer_lf(c, byte);
	case CHUNKED_END_LF:
		return byte == '\n' && check_trailers(c) ? CHUNKED_DONE : CHUNKED_BAD;
	case CHUNKED_DATA:
	case CHUNKED_DONE:
	case CHUNKED_BAD:
		break;
	}
	return CHUNKED_BAD;
}

enum parse chunked_read(struct chunked *c, str in, size_t *ret_used, str *ret_data)
{
	size_t used = 0;
	str data = STR_EMPTY;

	while (c->state != CHUNKED_DONE && c->state != CHUNKED_BAD && used < in.n) {
		if (c->state == CHUNKED_DATA) {
			data = str_slice(in, used, used + MIN(c->left, in.n - used));
			used += data.n;
			chunked_skip(c, data.n);
			break;
		}
		c->state = step_chunked(c, in.p[used++]);
	}
	if (c->state == CHUNKED_BAD)
		return PARSE_BAD;
	assert(used <= in.n && (c->state != CHUNKED_DATA || c->left));
	*ret_used = used;
	*ret_data = data;
	return c->state == CHUNKED_DONE ? PARSE_OK : PARSE_MORE;
}

bool chunked_is_sound(str bytes)
{
	struct chunked c = {.is_mended = true};
	enum parse r = PARSE_MORE;

	while (r == PARSE_MORE && bytes.n) {
		size_t used;
		str data;

		r = chunked_read(&c, bytes, &used, &data);
		if (r != PARSE_BAD)
			bytes = str_slice(bytes, used, bytes.n);
	}
	chunked_done(&c);
	return r != PARSE_BAD;
}

uint64_t chunked_left(const struct chunked *c)
{
	return c->state == CHUNKED_DATA ? c->left : 0;
}

void chunked_skip(struct chunked *c, uint64_t n)
{
	assert(n <= chunked_left(c));
	c->left -= n;
	if (c->state == CHUNKED_DATA && !c->left)
		c->state = CHUNKED_DATA_CR;
}

str chunked_trailers(const struct chunked *c)
{
	return buf_str(&c->trailers);
}

void chunked_done(struct chunked *c)
{
	buf_done(&c->trailers);
	*c = (struct chunked){0};
}

size_t chunked_write_size(char out[CHUNKED_SIZE_MAX], size_t n)
{
	size_t length = number_write_hex(out, n);

	assert(n && length + 2 <= CHUNKED_SIZE_MAX); /* 0 would be the end */
	out[length] = '\r';
	out[length + 1] = '\n';
	return length + 2;
}
