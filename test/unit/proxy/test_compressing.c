/* test_compressing.c - bodies that are compressed share the time of their thread. */
/* SPDX-License-Identifier: MIT */
#include "heads.h"
#include "proxy/compressing.h"
#include "proxy/snapshot.h"
#include "proxy/stages.h"

#define PIECE 65536u
#define TURN  (2 * PIECE) /* what is compressed in one */
#define HEAD  "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000000\r\n\r\n"

static struct worker *w; /* and its compressor, which lives as long as a thread does */
static struct config conf;
static struct snapshot snapshot = {.codings = {{CODING_GZIP}, 1}};
static struct view view = {.refs = 1, .snapshot = &snapshot, .conf = &conf};
static struct client client;
static char text[PIECE];

/* A client that takes gzip gets a large page: the stage is on its way. */
static struct exchange *open_exchange(void)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	struct response r;

	MAGIC_BEGIN(x, EXCHANGE_MAGIC);
	x->worker = w;
	x->view = &view;
	x->client = &client;
	x->wish.method = METHOD_GET;
	x->wish.compressing.accepted = STR("gzip");
	response_open(&r, STR(HEAD), METHOD_GET);
	compressing_begin(x, &r.head);
	response_close(&r);
	buf_clear(&w->scratch.added);
	assert_non_null(x->reply.stages);
	return x;
}

static void close_exchange(struct exchange *x)
{
	stages_done(x);
	arena_done(&x->arena);
	free(x);
}

static void pass(struct exchange *x, size_t n)
{
	gather_add(&w->scratch.payload, (str){text, n});
	assert_int_equal(stages_pass(x, PASS_MORE), 0);
	gather_forget(&w->scratch.payload);
}

static void on_stop(void *arg)
{
	loop_stop(arg);
}

static void next_turn(void)
{
	uint64_t before = loop_usec(w->loop);

	while (loop_usec(w->loop) == before) {
		loop_defer(w->loop, on_stop, w->loop);
		loop_run(w->loop);
	}
}

static int set_up(void **state)
{
	(void)state;
	w = xcalloc(1, sizeof(*w));
	MAGIC_BEGIN(w, WORKER_MAGIC);
	w->loop = loop_new();
	list_init(&w->eager.clients);
	list_init(&client.eager);
	conf.server.gzip_compression_enabled = true;
	return w->loop ? 0 : -1;
}

static void in_one_turn_so_much_is_compressed_and_no_more(void **state)
{
	struct exchange *x = open_exchange();

	(void)state;
	pass(x, PIECE);
	assert_true(stages_are_ready(x));
	pass(x, PIECE);
	assert_false(stages_are_ready(x));
	next_turn();
	assert_true(stages_are_ready(x));
	close_exchange(x);
}

static void all_bodies_of_a_thread_share_a_turn(void **state)
{
	struct exchange *x, *y;

	(void)state;
	next_turn();
	x = open_exchange();
	y = open_exchange();
	for (unsigned n = 0; n < TURN; n += PIECE)
		pass(x, PIECE);
	assert_false(stages_are_ready(y));
	pass(y, PIECE); /* the first pieces come with the head, and are compressed all the same */
	next_turn();
	assert_true(stages_are_ready(y));
	close_exchange(x);
	close_exchange(y);
}

static void those_that_gave_way_go_first(void **state)
{
	struct exchange *x, *y;

	(void)state;
	next_turn();
	x = open_exchange();
	y = open_exchange();
	list_append(&w->eager.clients, &client.eager); /* it is y's */
	assert_false(stages_are_ready(x));
	y->happened = EVENT_TURN;
	assert_true(stages_are_ready(y));
	list_remove(&client.eager);
	assert_true(stages_are_ready(x));
	close_exchange(x);
	close_exchange(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_one_turn_so_much_is_compressed_and_no_more),
		cmocka_unit_test(all_bodies_of_a_thread_share_a_turn),
		cmocka_unit_test(those_that_gave_way_go_first),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
