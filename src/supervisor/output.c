/* output.c - what a tenant writes. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"

/* --- the ring --- */

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct output_line *place(const struct output *o, uint32_t i)
{
	return &o->lines[(o->first + i) % OUTPUT_AWAKE_LINES];
}

static void drop_first(struct output *o)
{
	struct output_line *line = place(o, 0);

	o->bytes -= line->size;
	free(line->text);
	*line = (struct output_line){0};
	o->first = (o->first + 1) % OUTPUT_AWAKE_LINES;
	o->count--;
}

static void drop_beyond(struct output *o, uint32_t lines, size_t bytes)
{
	while (o->count > lines || (o->count && o->bytes > bytes))
		drop_first(o);
}

void output_add(struct output *o, enum process_stream stream, str line, bool is_cut)
{
	if (!o->lines)
		o->lines = xcalloc(OUTPUT_AWAKE_LINES, sizeof(*o->lines));
	drop_beyond(o, OUTPUT_AWAKE_LINES - 1, OUTPUT_AWAKE_BYTES - line.n);
	o->bytes += line.n;
	*place(o, o->count++) = (struct output_line){
		.time = wall_clock(),
		.size = (uint32_t)line.n,
		.is_stderr = stream == PROCESS_STDERR,
		.is_cut = is_cut,
		.text = str_dup(line),
	};
}

struct control_line output_at(const struct output *o, uint32_t i)
{
	const struct output_line *line = place(o, i);

	return (struct control_line){
		line->time, line->is_stderr, line->is_cut, {line->text, line->size}};
}

void output_shrink(struct output *o)
{
	drop_beyond(o, OUTPUT_LAST_LINES, OUTPUT_LAST_BYTES);
}

void output_done(struct output *o)
{
	drop_beyond(o, 0, 0);
	free(o->lines);
	*o = (struct output){0};
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

static void count(struct log_losses *losses, size_t n)
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
	if (is_json) {
		buf_add(out, STR(",\"line\":"));
		buf_add(out, str_trim(line));
	}
	log_line_close(out);
	free(text);
}

bool output_log(struct output *o, str tenant, enum process_stream stream, str line, bool is_cut,
	uint64_t rate, msec now)
{
	if (!log_is_on(LOG_INFO))
		return false;
	if (rate && !spend(o, line.n + 1, rate, now)) {
		count(&o->untold, line.n + 1);
		count(&o->dropped, line.n + 1);
		return true;
	}
	write_line(tenant, stream, line, is_cut);
	return o->untold.lines;
}
