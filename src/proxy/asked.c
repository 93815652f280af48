/* asked.c - the head that was written for a tenant, as fields again. */
/* SPDX-License-Identifier: MIT */
#include "proxy/asked.h"

#include "proxy/lines.h"

/* Takes a line off *rest, with its end. */
static str take_line(str *rest)
{
	ssize_t end = str_find_char(*rest, '\n');
	size_t n = end < 0 ? rest->n : (size_t)end + 1;
	str line = str_slice(*rest, 0, n);

	*rest = str_slice(*rest, n, rest->n);
	return line;
}

static size_t count_lines(str lines)
{
	size_t n = 0;

	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	return n;
}

/* False for the empty line at the end. */
static bool read_field(str line, struct header *ret)
{
	ssize_t colon = str_find_char(line, ':');
	size_t end = line.n;

	if (colon <= 0)
		return false;
	while (end > (size_t)colon + 1 && (line.p[end - 1] == '\n' || line.p[end - 1] == '\r'))
		end--;
	*ret = (struct header){
		.name = str_slice(line, 0, (size_t)colon),
		.value = str_trim(str_slice(line, (size_t)colon + 1, end)),
	};
	ret->id = header_lookup(ret->name);
	return true;
}

void asked_read(struct arena *a, str head, struct asked *ret)
{
	str rest = head;

	ret->line = take_line(&rest);
	/* One more for a line that does not end. */
	ret->headers = arena_alloc(a, (count_lines(rest) + 1) * sizeof(*ret->headers));
	ret->nheaders = 0;
	while (rest.n && read_field(take_line(&rest), &ret->headers[ret->nheaders]))
		ret->nheaders++;
}

void asked_write(struct buf *out, const struct asked *head, asked_drop_fn *drops)
{
	struct lines lines = {.out = out};

	buf_add(out, head->line);
	for (size_t i = 0; i < head->nheaders; i++) {
		if (drops(&head->headers[i]))
			lines_drop(&lines, &head->headers[i]);
		else
			lines_keep(&lines, &head->headers[i]);
	}
	lines_end(&lines, head->headers, head->nheaders);
}
