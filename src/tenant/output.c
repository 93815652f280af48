/* output.c - keeps the last lines, and limits how much reaches the log. */
/* SPDX-License-Identifier: MIT */
#include "tenant/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tenant/reason.h"

/* --- the ring --- */

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct output_line *line_place(const struct output_ring *r, uint32_t i, uint32_t size)
{
	return &r->lines[(r->first + i) % size];
}

static void drop_beyond(struct output_ring *r, uint32_t size, uint32_t lines, size_t bytes)
{
	while (r->count > lines || (r->count && r->bytes > bytes)) {
		struct output_line *line = line_place(r, 0, size);

		r->bytes -= line->size;
		free(line->text);
		*line = (struct output_line){0};
		r->first = (r->first + 1) % size;
		r->count--;
	}
}

/* The caller has made room. */
static void ring_add(
	struct output_ring *r, uint32_t size, enum process_stream stream, str line, bool is_cut)
{
	r->bytes += line.n;
	*line_place(r, r->count++, size) = (struct output_line){
		.time = wall_clock(),
		.size = (uint32_t)line.n,
		.is_stderr = stream == PROCESS_STDERR,
		.is_cut = is_cut,
		.text = str_dup(line),
	};
}

static void add_error_line(struct output_ring *r, str line)
{
	line = str_slice(line, 0, OUTPUT_ERROR_BYTES);
	if (!r->lines)
		r->lines = xcalloc(OUTPUT_ERROR_LINES, sizeof(*r->lines));
	drop_beyond(r, OUTPUT_ERROR_LINES, OUTPUT_ERROR_LINES - 1, OUTPUT_ERROR_BYTES - line.n);
	ring_add(r, OUTPUT_ERROR_LINES, PROCESS_STDERR, line, false);
}

static void ring_done(struct output_ring *r, uint32_t size)
{
	drop_beyond(r, size, 0, 0);
	free(r->lines);
	*r = (struct output_ring){0};
}

void output_begin(struct output *o)
{
	o->fresh = 0;
	ring_done(&o->errors, OUTPUT_ERROR_LINES);
}

void output_add(struct output *o, enum process_stream stream, str line, bool is_cut)
{
	struct output_ring *r = &o->last;

	if (!r->lines)
		r->lines = xcalloc(OUTPUT_AWAKE_LINES, sizeof(*r->lines));
	drop_beyond(r, OUTPUT_AWAKE_LINES, OUTPUT_AWAKE_LINES - 1, OUTPUT_AWAKE_BYTES - line.n);
	ring_add(r, OUTPUT_AWAKE_LINES, stream, line, is_cut);
	o->fresh = MIN(o->fresh + 1, OUTPUT_AWAKE_LINES);
	if (stream == PROCESS_STDERR)
		add_error_line(&o->errors, line);
}

static struct control_line shown(const struct output_line *line)
{
	return (struct control_line){
		line->time, line->is_stderr, line->is_cut, {line->text, line->size}};
}

struct control_line output_at(const struct output *o, uint32_t i)
{
	return shown(line_place(&o->last, i, OUTPUT_AWAKE_LINES));
}

void output_shrink(struct output *o)
{
	drop_beyond(&o->last, OUTPUT_AWAKE_LINES, OUTPUT_LAST_LINES, OUTPUT_LAST_BYTES);
}

void output_done(struct output *o)
{
	ring_done(&o->last, OUTPUT_AWAKE_LINES);
	ring_done(&o->errors, OUTPUT_ERROR_LINES);
	o->fresh = 0;
}

/* --- what went wrong --- */

static void add_found(const str *lines, size_t n, struct buf *text)
{
	size_t found[REASON_LINES], count = reason_find(lines, n, found);

	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_add_char(text, '\n');
		buf_add(text, str_slice(lines[found[i]], 0, OUTPUT_ERROR_WIDTH));
	}
}

void output_add_error(const struct output *o, struct buf *text)
{
	str lines[MAX(OUTPUT_AWAKE_LINES, OUTPUT_ERROR_LINES)];
	uint32_t fresh = MIN(o->fresh, o->last.count);
	size_t n = 0, before = buf_len(text);

	for (uint32_t i = 0; i < o->errors.count; i++)
		lines[n++] = shown(line_place(&o->errors, i, OUTPUT_ERROR_LINES)).text;
	add_found(lines, n, text);
	if (buf_len(text) > before)
		return;
	n = 0;
	for (uint32_t i = o->last.count - fresh; i < o->last.count; i++)
		if (!output_at(o, i).is_stderr)
			lines[n++] = output_at(o, i).text;
	add_found(lines, n, text);
}

/* --- the log --- */

static bool is_json_object(str line)
{
	json_t *value;
	bool is_object;

	line = str_trim(line);
	if (line.n < 2 || line.p[0] != '{' || line.p[line.n - 1] != '}')
		return false;
	value = json_loadb(line.p, line.n, 0, NULL);
	is_object = json_is_object(value);
	json_decref(value);
	return is_object;
}

/* The log takes a C string. */
static char *text_without_nul(str line)
{
	char *text = str_dup(line);

	for (size_t i = 0; i < line.n; i++)
		if (!text[i])
			text[i] = '?';
	return text;
}

/* True if it may be logged. */
static bool spend(struct output *o, size_t n, uint64_t rate, msec now)
{
	uint64_t given = (now - o->spent_at) * rate / 1000;

	if (given) {
		o->spent -= MIN(given, o->spent);
		o->spent_at = now;
	}
	if (o->spent + n > rate * OUTPUT_BURST)
		return false;
	o->spent += n;
	return true;
}

static void count_loss(struct log_losses *losses, size_t n)
{
	losses->lines++;
	losses->bytes += n;
}

void output_tell(struct output *o, str tenant)
{
	struct buf *line;

	if (!o->untold.lines)
		return;
	line = log_line_open(
		LOG_WARN, "output dropped from the log: the tenant writes more than log_rate");
	log_field_str(line, "tenant", tenant);
	log_field_number(line, "lines", (int64_t)o->untold.lines);
	log_field_number(line, "bytes", (int64_t)o->untold.bytes);
	log_line_close(line);
	o->untold = (struct log_losses){0};
}

static void write_line(str tenant, enum process_stream stream, str line, bool is_cut)
{
	bool is_json;
	struct buf *out;
	char *text;

	is_json = !is_cut && is_json_object(line);
	text = is_json ? xstrdup("output") : text_without_nul(line);
	out = log_guest_line_open(LOG_INFO, text);
	log_field_str(out, "tenant", tenant);
	log_field_str(out, "stream", stream == PROCESS_STDERR ? STR("stderr") : STR("stdout"));
	if (is_cut)
		log_field_str(out, "cut", STR("the line was longer"));
	if (is_json)
		log_field_json(out, "line", str_trim(line));
	log_line_close(out);
	free(text);
}

bool output_log(struct output *o, str tenant, enum process_stream stream, str line, bool is_cut,
	uint64_t rate, msec now)
{
	if (!log_is_on(LOG_INFO))
		return false;
	if (rate && !spend(o, line.n + 1, rate, now)) {
		count_loss(&o->untold, line.n + 1);
		count_loss(&o->dropped, line.n + 1);
		return true;
	}
	write_line(tenant, stream, line, is_cut);
	return o->untold.lines;
}
