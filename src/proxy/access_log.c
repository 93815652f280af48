/* access_log.c - one line for each exchange. */
/* SPDX-License-Identifier: MIT */
#include "proxy/access_log.h"

#include "base/json.h"
#include "http/uri.h"

static inline void add_if_any(struct json *j, const char *key, str value)
{
	if (value.n)
		json_str_inline(j, key, value);
}

static inline void add_if_known(struct json *j, const char *key, int64_t value)
{
	if (value != ACCESS_UNKNOWN)
		json_int_inline(j, key, value);
}

static void add_path(struct json *j, str path)
{
	struct arena scratch = {0};

	json_str_inline(
		j, "path", str_find_char(path, '%') >= 0 ? uri_decode(&scratch, path) : path);
	arena_done(&scratch);
}

static const str protocols[] = {STR_INIT("HTTP/1.0"), STR_INIT("HTTP/1.1"), STR_INIT("HTTP/2.0")};

void access_log(const struct access_record *r)
{
	LOG_LEVEL_HERE(r->log_level);
	struct buf *line = log_line_open(LOG_INFO, "Request");

	struct json j = {line, true};

	if (!line)
		return;
	add_path(&j, r->path);
	json_int_inline(&j, "status", r->status ? r->status : error_status(r->error));
	json_int_inline(&j, "dur", (int64_t)r->duration);
	json_str_inline(&j, "method", r->method);
	json_int_inline(&j, "req_content_length", r->request_length);
	json_str_inline(&j, "req_content_type", r->request_type);
	json_int_inline(&j, "resp_content_length", r->response_length);
	json_str_inline(&j, "resp_content_type", r->response_type);
	json_str_inline(&j, "remote_addr", r->remote_addr);
	json_str_inline(&j, "user_agent", r->user_agent);
	json_str_inline(&j, "cache", r->cache);
	json_str_inline(&j, "query", r->query);
	json_str_inline(&j, "proto", protocols[r->minor]);
	add_if_any(&j, "host", r->host);
	add_if_any(&j, "tenant", r->tenant);
	add_if_any(&j, "machine", r->machine);
	add_if_any(&j, "request_id", r->request_id);
	add_if_any(&j, "source", r->file_source);
	add_if_known(&j, "upstream_ms", r->upstream_ms);
	add_if_known(&j, "wake_ms", r->wake_ms);
	add_if_any(&j, "error", error_token(r->error));
	if (r->is_cut)
		json_bool(&j, "cut", true);
	add_if_any(&j, "detail", r->detail);
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
