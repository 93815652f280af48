/* replay.c - the answer that makes Fly's edge send a request to another machine. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/number.h"
#include "route/place.h"
#include "route/replay_state.h"

/* The values are the operator's own words, but a header line must stay one line. */
static void add_plain(struct buf *out, str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != ';' && s.p[i] != '"')
			buf_add_char(out, s.p[i]);
}

static void add_pair(struct buf *out, const char *key, str value)
{
	if (!value.n)
		return;
	if (!str_ends(buf_str(out), STR(" ")))
		buf_add_char(out, ';');
	buf_add(out, str_of(key));
	buf_add_char(out, '=');
	add_plain(out, value);
}

static void add_timeout(struct buf *out, msec timeout)
{
	bool is_seconds = timeout % 1000 == 0;

	buf_add_number(out, is_seconds ? timeout / 1000 : timeout);
	buf_add(out, is_seconds ? STR("s") : STR("ms"));
}

static void add_state(struct buf *out, const struct replay_in *in)
{
	if (in->hop_key.n) {
		marker_write(out, in->hop_key, &in->marker);
	} else {
		buf_add(out, REPLAY_STATE);
		buf_add_number(out, in->placement->hop);
	}
}

static void add_pattern(struct buf *out, const struct replay_in *in)
{
	buf_add(out, in->alone);
	buf_add(out, STR("/*"));
}

/* What the edge remembers, or forgets, must say nothing of this request alone. */
static bool is_bare(const struct replay_in *in)
{
	return in->placement->cache != PLACE_CACHE_NOTHING;
}

/* An appliance may take its time: another app has other habits than ours. */
static bool has_timeout(const struct replay_in *in)
{
	return in->timeout && !in->placement->app.n;
}

static void add_cache_fields(struct buf *out, const struct replay_in *in)
{
	switch (in->placement->cache) {
	case PLACE_CACHE_NOTHING:
		break;
	case PLACE_CACHE_STORE:
		buf_add(out, STR("\r\nfly-replay-cache: "));
		add_pattern(out, in);
		buf_add(out, STR("\r\nfly-replay-cache-ttl-secs: "));
		buf_add_number(out, in->cache_time / 1000);
		break;
	case PLACE_CACHE_INVALIDATE:
		buf_add(out, STR("\r\nfly-replay-cache: invalidate"));
		break;
	}
}

static void add_header_form(struct buf *out, const struct replay_in *in)
{
	buf_add(out, STR("fly-replay: "));
	add_pair(out, "app", in->placement->app);
	add_pair(out, "instance", in->placement->machine);
	add_pair(out, "region", in->placement->region);
	if (!is_bare(in)) {
		if (has_timeout(in)) {
			buf_add(out, STR(";timeout="));
			add_timeout(out, in->timeout);
		}
		buf_add(out, STR(";fallback=force_self;state="));
		add_state(out, in);
	}
	add_cache_fields(out, in);
	buf_add(out, STR("\r\nContent-Length: 0\r\n\r\n"));
}

static void add_cache_member(struct json *j, const struct replay_in *in, struct buf *text)
{
	switch (in->placement->cache) {
	case PLACE_CACHE_NOTHING:
		break;
	case PLACE_CACHE_STORE:
		add_pattern(text, in);
		json_open_object(j, "cache");
		json_str(j, "prefix", buf_str(text));
		json_number(j, "ttl", in->cache_time / 1000);
		json_close_object(j);
		break;
	case PLACE_CACHE_INVALIDATE:
		json_open_object(j, "cache");
		json_bool(j, "invalidate", true);
		json_close_object(j);
		break;
	}
}

static void add_member(struct json *j, const char *key, str value)
{
	if (value.n)
		json_str(j, key, value);
}

static void add_json(struct buf *out, const struct replay_in *in)
{
	struct json j = {.out = out};
	struct buf text = {0};

	json_open_object(&j, NULL);
	add_member(&j, "app", in->placement->app);
	add_member(&j, "instance", in->placement->machine);
	add_member(&j, "region", in->placement->region);
	if (!is_bare(in)) {
		if (has_timeout(in)) {
			add_timeout(&text, in->timeout);
			json_str(&j, "timeout", buf_str(&text));
			buf_clear(&text);
		}
		json_str(&j, "fallback", STR("force_self"));
		add_state(&text, in);
		json_str(&j, "state", buf_str(&text));
		buf_clear(&text);
	}
	add_cache_member(&j, in, &text);
	json_close_object(&j);
	buf_done(&text);
}

/* The length is known only after the body: room is left for it, in blanks, which may come before a
 * value. */
static void add_json_form(struct buf *out, const struct replay_in *in)
{
	char digits[20];
	size_t before, n;

	buf_add(out, STR("Content-Type: application/vnd.fly.replay+json\r\nContent-Length:     "));
	before = buf_len(out);
	buf_add(out, STR("\r\n\r\n"));
	add_json(out, in);
	n = number_write(digits, buf_len(out) - before - 4);
	memcpy(out->p + out->start + before - n, digits, n);
}

/* 307, which a client that should see it by mistake cannot take for a success. */
void replay_answer(struct buf *out, const struct replay_in *in)
{
	buf_add(out, STR("HTTP/1.1 307 Temporary Redirect\r\nCache-Control: no-store\r\n"));
	if (!in->keep_alive)
		buf_add(out, STR("Connection: close\r\n"));
	else if (in->minor == 0)
		buf_add(out, STR("Connection: keep-alive\r\n"));
	if (in->form == REPLAY_HEADER || in->is_head)
		add_header_form(out, in);
	else
		add_json_form(out, in);
}
