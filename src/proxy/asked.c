/* asked.c - edits a head in place, by the positions noted when it was written. */
/* SPDX-License-Identifier: MIT */
#include "proxy/asked.h"

#include "proxy/lines.h"

static str text_of(const struct asked *asked, const struct buf *request)
{
	return asked->text.n ? asked->text : buf_str(request);
}

/* The line of a field in a head with its empty line. */
static str line_of(const struct asked *asked, size_t i, str head)
{
	size_t end = i + 1 < asked->nfields ? asked->fields[i + 1].at : head.n - 2;

	return str_slice(head, asked->fields[i].at, end);
}

void asked_head(struct arena *a, const struct asked *asked, const struct buf *request,
	struct request_head *ret)
{
	str head = text_of(asked, request);
	struct header *headers = arena_alloc(a, asked->nfields * sizeof(*headers));

	for (size_t i = 0; i < asked->nfields; i++) {
		const struct forward_field *f = &asked->fields[i];
		str line = line_of(asked, i, head);

		headers[i] = (struct header){
			.name = str_slice(line, 0, f->name_length),
			.value = str_trim(str_slice(line, f->name_length + 1, line.n - 2)),
			.id = (enum header_id)f->id,
		};
	}
	*ret = (struct request_head){.headers = headers, .nheaders = asked->nfields};
}

/* The fields that our own validators replace. */
static bool is_conditional(enum header_id id)
{
	return id == HEADER_IF_NONE_MATCH || id == HEADER_IF_MODIFIED_SINCE ||
	       id == HEADER_IF_RANGE || id == HEADER_RANGE;
}

static bool is_dropped(const struct asked *asked, const struct forward_field *f)
{
	return (asked->is_validating && is_conditional(f->id)) ||
	       (asked->names_no_file && f->id == HEADER_X_SENDFILE_TYPE);
}

/* The lines are adjacent. */
static void write_anew(struct arena *a, struct asked *asked, struct buf *request)
{
	size_t from = 0;

	if (!asked->text.n)
		asked->text = arena_dup(a, buf_str(request));
	buf_clear(request);
	for (size_t i = 0; i < asked->nfields; i++) {
		if (!is_dropped(asked, &asked->fields[i]))
			continue;
		buf_add(request, str_slice(asked->text, from, asked->fields[i].at));
		from = asked->fields[i].at + line_of(asked, i, asked->text).n;
	}
	buf_add(request, str_slice(asked->text, from, asked->text.n - 2));
	if (asked->etag.n)
		add_line(request, STR("If-None-Match: "), asked->etag);
	if (asked->last_modified.n)
		add_line(request, STR("If-Modified-Since: "), asked->last_modified);
	buf_add(request, STR("\r\n"));
}

void asked_validate(
	struct arena *a, struct asked *asked, str etag, str last_modified, struct buf *request)
{
	asked->is_validating = true;
	asked->etag = etag.n ? arena_dup(a, etag) : STR_EMPTY;
	asked->last_modified = last_modified.n ? arena_dup(a, last_modified) : STR_EMPTY;
	write_anew(a, asked, request);
}

bool asked_without_file(struct arena *a, struct asked *asked, struct buf *request)
{
	for (size_t i = 0; i < asked->nfields; i++) {
		if (asked->fields[i].id != HEADER_X_SENDFILE_TYPE)
			continue;
		asked->names_no_file = true;
		write_anew(a, asked, request);
		return true;
	}
	return false;
}
