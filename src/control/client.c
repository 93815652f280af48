/* client.c - one request on a loop of its own. */
/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include <ctype.h>

#include "net/ask.h"

struct client_reply {
	int error;
	unsigned status;
	client_data_fn *on_data;
	void *arg;
};

static void on_reply_head(void *arg, const struct response_head *head)
{
	struct client_reply *r = arg;

	r->status = head->status;
}

static void on_reply_data(void *arg, str piece)
{
	struct client_reply *r = arg;

	r->on_data(r->arg, r->status, piece);
}

static void on_reply_end(void *arg, const struct ask_end *end)
{
	struct client_reply *r = arg;

	r->error = end->error;
}

int client_ask(const char *socket_path, const char *method, str target, str body,
	client_data_fn *on_piece, void *arg, unsigned *ret_status)
{
	static const struct ask_ops ops = {
		.on_head = on_reply_head, .on_data = on_reply_data, .on_end = on_reply_end};
	struct client_reply reply = {.on_data = on_piece, .arg = arg};
	struct ask_request request = {.to = {.path = socket_path}};
	struct buf out = {0};
	int r;

	ask_write(&out, method, target, STR("fly-atc"),
		body.n ? STR("application/json") : STR_EMPTY, body);
	request.request = buf_str(&out);
	r = ask_wait(&request, &ops, &reply);
	buf_done(&out);
	if (r == 0)
		r = reply.error;
	if (r == 0)
		*ret_status = reply.status;
	return r;
}

void client_add_segment(struct buf *out, str segment)
{
	for (size_t i = 0; i < segment.n; i++) {
		unsigned char c = (unsigned char)segment.p[i];

		if (c && c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
