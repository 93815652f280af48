/* flow.c - decodes one framing and writes the other, without copying payload. */
/* SPDX-License-Identifier: MIT */
#include "net/flow.h"

void flow_init(struct flow *f, enum body_kind in, uint64_t length, enum body_kind out)
{
	*f = (struct flow){.in = in, .out = out};
	if (in == BODY_LENGTH) {
		assert(length <= INT64_MAX);
		f->left = length;
	}
	f->is_done = in == BODY_NONE || (in == BODY_LENGTH && !length && out != BODY_CHUNKED);
}

static void gather_payload(struct flow *f, str data, struct gather *g)
{
	if (!data.n)
		return;
	f->bytes += data.n;
	if (f->out == BODY_CHUNKED) {
		char *note = gather_note(g);

		gather_add(g, (str){note, chunked_write_size(note, data.n)});
		gather_add(g, data);
		gather_add(g, CHUNKED_CRLF);
	} else {
		gather_add(g, data);
	}
}

str flow_trailers(const struct flow *f)
{
	return f->in == BODY_CHUNKED && f->is_done ? chunked_trailers(&f->chunked) : STR_EMPTY;
}

static enum parse gather_end(struct flow *f, struct gather *g)
{
	f->is_done = true;
	if (f->out != BODY_CHUNKED)
		return PARSE_OK;
	gather_add(g, CHUNKED_LAST);
	gather_add(g, flow_trailers(f));
	gather_add(g, CHUNKED_CRLF);
	return PARSE_OK;
}

static enum parse feed_chunked(struct flow *f, str bytes, size_t *ret_used, struct gather *g)
{
	size_t used = 0;

	while (gather_has_room(g, FLOW_DATA_PIECES + FLOW_END_PIECES)) {
		size_t taken;
		str data;
		enum parse r =
			chunked_read(&f->chunked, str_slice(bytes, used, bytes.n), &taken, &data);

		if (r == PARSE_BAD)
			return r;
		used += taken;
		assert(used <= bytes.n);
		gather_payload(f, data, g);
		if (r == PARSE_OK) {
			*ret_used = used;
			return gather_end(f, g);
		}
		if (used == bytes.n)
			break;
	}
	*ret_used = used;
	return PARSE_MORE;
}

enum parse flow_feed(struct flow *f, str bytes, size_t *ret_used, struct gather *g)
{
	*ret_used = 0;
	if (f->is_done)
		return PARSE_OK;
	switch (f->in) {
	case BODY_NONE:
		return gather_end(f, g);
	case BODY_CHUNKED:
		return feed_chunked(f, bytes, ret_used, g);
	case BODY_LENGTH:
		bytes = str_slice(bytes, 0, f->left);
		if (!gather_has_room(g, FLOW_DATA_PIECES + FLOW_END_PIECES))
			return PARSE_MORE;
		gather_payload(f, bytes, g);
		f->left -= bytes.n;
		*ret_used = bytes.n;
		return f->left ? PARSE_MORE : gather_end(f, g);
	case BODY_UNTIL_CLOSE:
		if (!gather_has_room(g, FLOW_DATA_PIECES))
			return PARSE_MORE;
		gather_payload(f, bytes, g);
		*ret_used = bytes.n;
		return PARSE_MORE;
	}
	return PARSE_BAD;
}

enum parse flow_end(struct flow *f, struct gather *g)
{
	if (f->is_done)
		return PARSE_OK;
	return f->in == BODY_UNTIL_CLOSE ? gather_end(f, g) : PARSE_BAD;
}

void flow_finish(struct flow *f, struct gather *g)
{
	if (f->is_done)
		return;
	f->in = BODY_UNTIL_CLOSE; /* no trailers */
	gather_end(f, g);
}

uint64_t flow_raw(const struct flow *f)
{
	if (f->is_done || f->out == BODY_CHUNKED)
		return 0;
	if (f->in == BODY_LENGTH)
		return f->left;
	return f->in == BODY_UNTIL_CLOSE ? UINT64_MAX : 0;
}

void flow_skip(struct flow *f, uint64_t n)
{
	assert(n <= flow_raw(f)); /* framing is not skipped */
	f->bytes += n;
	if (f->in != BODY_LENGTH)
		return;
	assert(n <= f->left);
	f->left -= n;
	f->is_done = !f->left;
}

void flow_done(struct flow *f)
{
	chunked_done(&f->chunked);
}
