/* live.h - asks a running fly-atc by its control socket. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "command/command_int.h"

struct live_answer {
	unsigned status;
	struct buf body;
};

typedef void live_line_fn(void *arg, str line);

/* One request.  0, or EXIT_RUNTIME when the failure has been reported.  The caller releases the
 * body in any case. */
int live_ask(
	const struct options *o, const char *method, str target, struct live_answer *ret) MUST_USE;
/* The same with a body. */
int live_send(const struct options *o, const char *method, str target, str body,
	struct live_answer *ret) MUST_USE;
/* Of an answer: "error" or "warning", as `fly-atc check` prints them. */
void live_print_faults(json_t *list, const char *kind);
/* "/v1/tenants/<id><tail>". */
void live_tenant_target(struct buf *out, const char *id, const char *tail);
/* A new reference, or NULL if it is not JSON. */
json_t *live_json(const struct live_answer *a) MUST_USE;
/* For people: no text in it can control a terminal, whatever wrote it. */
json_t *live_json_of(str body) MUST_USE;
/* Reports on standard error what an answer other than 2xx says.  Returns EXIT_RUNTIME. */
int live_refused(const struct live_answer *a, const char *doing);
/* From a tenant's output: the lines that say why it failed, else the last ones. */
const json_t *live_output(const json_t *tenant);

/* One request whose answer comes in pieces; if its status is 200 they are lines. */
int live_ask_lines(const struct options *o, const char *method, str target, live_line_fn *on_line,
	void *arg, struct live_answer *ret) MUST_USE;

int live_act(const struct options *o);
int live_logs(const struct options *o);
int live_reload(const struct options *o);

/* restart.c */
int restart_all(const struct options *o);

/* events.c */
int live_events(const struct options *o);
