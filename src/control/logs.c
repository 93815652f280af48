/* logs.c - what tenants wrote, as lines of JSON: those kept, and new ones. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "control/control_int.h"
#include "control/moment.h"

static void add_line(struct buf *out, const struct control_line *line)
{
	struct json j = {.out = out};

	json_open_object(&j, NULL);
	moment_add(&j, "time", line->time);
	json_str(&j, "stream", line->is_stderr ? STR("stderr") : STR("stdout"));
	if (line->is_cut)
		json_bool(&j, "cut", true);
	json_str(&j, "text", line->text);
	json_close_object(&j);
	buf_add_char(out, '\n');
}

static void on_control_line(void *arg, const struct control_line *line)
{
	add_line(arg, line);
}

void logs_answer(struct session *s, size_t lines, bool follows)
{
	struct control *c = s->control;
	struct buf kept = {0};

	MAGIC_CHECK(s, SESSION_MAGIC);
	c->ops->tail(c->arg, s->tenant, lines, on_control_line, &kept);
	if (!follows) {
		session_answer(s, 200, LINES_TYPE, buf_str(&kept));
	} else {
		session_stream(s, LINES_TYPE, &c->followers);
		if (buf_len(&kept))
			session_stream_piece(s, buf_str(&kept));
	}
	buf_done(&kept);
}

void control_on_output(struct control *c, str tenant, const struct control_line *line)
{
	struct buf text = {0};

	if (!c)
		return;
	list_foreach (s, &c->followers, struct session, stream.link) {
		if (!str_eq(s->tenant, tenant))
			continue;
		if (!buf_len(&text))
			add_line(&text, line);
		session_stream_line(s, buf_str(&text));
	}
	buf_done(&text);
}
