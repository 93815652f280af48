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

static void add_place_header(struct buf *out, const struct placement *p)
{
	if (p->machine.n) {
		buf_add(out, STR("instance="));
		add_plain(out, p->machine);
	} else if (str_find_char(p->region, ',') >= 0) {
		buf_add(out, STR("region=\""));
		add_plain(out, p->region);
		buf_add_char(out, '"');
	} else {
		buf_add(out, STR("region="));
		add_plain(out, p->region);
	}
}

static void add_timeout(struct buf *out, msec timeout)
{
	bool is_seconds = timeout % 1000 == 0;

	buf_add_number(out, is_seconds ? timeout / 1000 : timeout);
	buf_add(out, is_seconds ? STR("s") : STR("ms"));
}

static void add_header_form(struct buf *out, const struct replay_in *in)
{
	buf_add(out, STR("fly-replay: "));
	add_place_header(out, &in->placement);
	if (in->timeout) {
		buf_add(out, STR(";timeout="));
		add_timeout(out, in->timeout);
	}
	buf_add(out, STR(";fallback=force_self;state="));
	buf_add(out, REPLAY_STATE);
	buf_add_number(out, in->placement.hop);
	buf_add(out, STR("\r\nContent-Length: 0\r\n\r\n"));
}

static void add_json(struct buf *out, const struct replay_in *in)
{
	struct json j = {.out = out};
	struct buf text = {0};

	json_open_object(&j, NULL);
	if (in->placement.machine.n)
		json_str(&j, "instance", in->placement.machine);
	else
		json_str(&j, "region", in->placement.region);
	if (in->timeout) {
		add_timeout(&text, in->timeout);
		json_str(&j, "timeout", buf_str(&text));
		buf_clear(&text);
	}
	json_str(&j, "fallback", STR("force_self"));
	buf_add(&text, REPLAY_STATE);
	buf_add_number(&text, in->placement.hop);
	json_str(&j, "state", buf_str(&text));
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
