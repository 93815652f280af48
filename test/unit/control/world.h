/* world.h - a control server on a real socket, in a thread of its own; the tenants behind it are
 * this file's. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>

#include "control/control.h"

#define MAX_PENDING 8
#define WINTER	    "bellevue/2025/winter"

/* An action that was asked for and is not done yet. */
struct pending {
	control_done_fn *done;
	void *arg;
};

extern struct world {
	char directory[32], path[64];
	struct loop *loop;
	pthread_t thread;
	struct control *control;
	struct config conf;
	size_t ntenants;
	struct pending pending[MAX_PENDING];
	_Atomic size_t npending;
	char asked[128]; /* the last action: "start bellevue/2025/winter" */
	struct config_faults faults;
	bool is_proxy_late;
	size_t nrolled; /* replaced by a restart of all; 0: it is refused */
} w;
extern const struct control_ops ops;

#define over_socket(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* A server for each test. */
int set_up(void **state);
int tear_down(void **state);
/* fn in the server's thread; returns when it has run. */
void in_server(loop_fn *fn);
/* For in_server: ends the server before its time. */
void free_control(void *unused);
/* A client_data_fn that adds to a buf. */
void on_data(void *arg, unsigned status, str piece);
/* Asks, and gives the body as text that the caller frees. */
char *ask_text(const char *method, const char *target, unsigned expected);
/* Asks, and gives the body as JSON: json_decref it. */
json_t *ask(const char *method, const char *target, unsigned expected);
/* A connection for what no client would send. */
int connect_raw(void);
/* Everything until the server closes, or until `until` came; free it. */
char *read_raw(int fd, const char *until);
void send_raw(int fd, const char *text);
/* What the server says to these bytes contains `expected`. */
void assert_raw(const char *request, const char *expected);
/* How often `what` begins in `text`. */
size_t count_of(const char *text, const char *what);
long long number_at(json_t *j, const char *key);
const char *text_at(json_t *j, const char *key);
