/* access_log.c - one line for each exchange. */
/* SPDX-License-Identifier: MIT */
#include "proxy/access_log.h"

#include "http/uri.h"

#define EACH_BYTE(c)   (0x0101010101010101u * (uint64_t)(c))
#define HAS_LESS(x, c) (((x)-EACH_BYTE(c)) & ~(x)&EACH_BYTE(0x80))
#define HAS_BYTE(x, c) HAS_LESS((x) ^ EACH_BYTE(c), 1)

/* True if JSON takes these eight bytes as they are. */
static bool is_plain8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return !((x & EACH_BYTE(0x80)) | HAS_LESS(x, 0x20) | HAS_BYTE(x, '"') | HAS_BYTE(x, '\\') |
		 HAS_BYTE(x, 0x7f));
}

/* Nearly everything is plain, and most of a line is the user agent's. */
static void add_json(struct buf *line, str s)
{
	size_t plain = 0;

	if (!s.n)
		return;
	while (plain + 8 <= s.n && is_plain8(s.p + plain))
		plain += 8;
	buf_add(line, str_slice(s, 0, plain));
	if (plain < s.n)
		buf_add_json(line, str_slice(s, plain, s.n));
}

/* `key` is the text from the comma to the quote that opens the value. */
static void add_str(struct buf *line, str key, str value)
{
	buf_add(line, key);
	add_json(line, value);
	buf_add_char(line, '"');
}

static void add_if_any(struct buf *line, str key, str value)
{
	if (value.n)
		add_str(line, key, value);
}

static void add_number(struct buf *line, str key, int64_t value)
{
	buf_add(line, key);
	if (value < 0)
		buf_add_char(line, '-');
	buf_add_number(line, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void add_if_known(struct buf *line, str key, int64_t value)
{
	if (value != ACCESS_UNKNOWN)
		add_number(line, key, value);
}

static void add_path(struct buf *line, str path)
{
	struct arena scratch = {0};

	add_str(line, STR(",\"path\":\""),
		str_find_char(path, '%') >= 0 ? uri_decode(&scratch, path) : path);
	arena_done(&scratch);
}

static const str protocols[] = {
	STR_INIT(",\"proto\":\"HTTP/1.0\""),
	STR_INIT(",\"proto\":\"HTTP/1.1\""),
	STR_INIT(",\"proto\":\"HTTP/2.0\""),
};

void access_log(const struct access_record *r)
{
	LOG_LEVEL_HERE(r->log_level);
	struct buf *line = log_line_open(LOG_INFO, "Request");

	if (!line)
		return;
	add_path(line, r->path);
	add_number(line, STR(",\"status\":"), r->status ? r->status : error_status(r->error));
	add_number(line, STR(",\"dur\":"), (int64_t)r->duration);
	add_str(line, STR(",\"method\":\""), r->method);
	add_number(line, STR(",\"req_content_length\":"), r->request_length);
	add_str(line, STR(",\"req_content_type\":\""), r->request_type);
	add_number(line, STR(",\"resp_content_length\":"), r->response_length);
	add_str(line, STR(",\"resp_content_type\":\""), r->response_type);
	add_str(line, STR(",\"remote_addr\":\""), r->remote_addr);
	add_str(line, STR(",\"user_agent\":\""), r->user_agent);
	add_str(line, STR(",\"cache\":\""), r->cache);
	add_str(line, STR(",\"query\":\""), r->query);
	buf_add(line, protocols[r->minor]);
	add_if_any(line, STR(",\"host\":\""), r->host);
	add_if_any(line, STR(",\"tenant\":\""), r->tenant);
	add_if_any(line, STR(",\"request_id\":\""), r->request_id);
	add_if_any(line, STR(",\"source\":\""), r->source);
	add_if_known(line, STR(",\"upstream_ms\":"), r->upstream_ms);
	add_if_known(line, STR(",\"wake_ms\":"), r->wake_ms);
	add_if_any(line, STR(",\"error\":\""), error_token(r->error));
	if (r->is_cut)
		buf_add(line, STR(",\"cut\":true"));
	add_if_any(line, STR(",\"detail\":\""), r->detail);
	log_line_close(line);
}

void access_log_cut(str request_id, str remote_addr, enum error error, size_t unsent)
{
	struct buf *line = log_line_open(LOG_INFO, "Answer cut");

	log_field_str(line, "request_id", request_id);
	log_field_str(line, "remote_addr", remote_addr);
	log_field_str(line, "error", error_token(error));
	log_field_number(line, "unsent", (int64_t)unsent);
	log_line_close(line);
}
