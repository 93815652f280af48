/* test_speed.c - what rewriting costs for a browser's request and a typical answer: prints
 * nanoseconds, and refuses what is far beyond them. */
/* SPDX-License-Identifier: MIT */
#include "forwarding.h"

#include <stdio.h>
#include <time.h>

#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/request_id.h"

#define ROUNDS	 7
#define TURNS	 20000
#define LIMIT_NS 50000 /* also met by a sanitized build on a busy machine */

static const char request_bytes[] =
	"GET /b/winter/posts?page=2 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
	"Referer: https://example.com/b/winter/posts\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
	"Accept-Language: en-US,en;q=0.9\r\nCookie: _session=abcdefghijklmnopqrstuvwxyz0123456789\r\n"
	"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n";
static const char response_bytes[] =
	"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: max-age=0, private, must-revalidate\r\n"
	"X-Frame-Options: SAMEORIGIN\r\nX-XSS-Protection: 0\r\nX-Content-Type-Options: nosniff\r\n"
	"Referrer-Policy: strict-origin-when-cross-origin\r\nLink: </assets/application.css>; rel=preload; as=style\r\n"
	"ETag: W/\"0123456789abcdef0123456789abcdef\"\r\nSet-Cookie: _session=abcdefghijklmnop; path=/; HttpOnly; SameSite=Lax\r\n"
	"X-Request-Id: 6a0c7d1e-0f3b-4b7e-9a53-2a6f4bd0a3a1\r\nX-Runtime: 0.012345\r\nContent-Length: 5120\r\n\r\n";

struct work {
	struct request request;
	struct response response;
	struct route route;
	struct rewrite rewrite;
	struct remote client;
	struct request_ids ids;
	struct trust *trust;
	struct address peer;
	struct forward_field fields[TEST_HEADERS + FORWARD_ADDED_MAX];
	struct buf out;
};

typedef void work_fn(struct work *w);

static void do_forward(struct work *w)
{
	forward_head(&w->out, &(struct forward_in){
				      .head = &w->request.head,
				      .route = &w->route,
				      .remote = &w->client,
				      .request_id = STR("6a0c7d1e-0f3b-4b7e-9a53-2a6f4bd0a3a1"),
				      .now = TEST_NOW,
				      .keeps_forwarded = true,
				      .fields = w->fields,
			      });
}

static void do_answer(struct work *w)
{
	answer_head(&w->out, &w->response.head,
		&(struct answer_in){
			.minor = 1,
			.framing = BODY_LENGTH,
			.keep_alive = true,
			.date = STR("Sun, 06 Nov 1994 08:49:37 GMT"),
			.rewrite = &w->rewrite,
		});
}

static void do_client(struct work *w)
{
	char store[REQUEST_ID_SIZE];

	trust_remote(w->trust, &w->peer, STR("127.0.0.1"), &w->request.head, &w->client);
	buf_add(&w->out, request_id(&w->ids, &w->request.head, &w->client, store));
}

static void do_log(struct work *w)
{
	static const struct access_record record = {
		.path = STR_INIT("/b/winter/posts"),
		.status = 200,
		.method = STR_INIT("GET"),
		.response_length = 5120,
		.response_type = STR_INIT("text/html; charset=utf-8"),
		.remote_addr = STR_INIT("203.0.113.9"),
		.user_agent = STR_INIT(
			"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0"),
		.query = STR_INIT("page=2"),
		.minor = 1,
		.host = STR_INIT("example.com"),
		.tenant = STR_INIT("b/winter"),
		.request_id = STR_INIT("6a0c7d1e-0f3b-4b7e-9a53-2a6f4bd0a3a1"),
		.upstream_ms = 12,
		.wake_ms = ACCESS_UNKNOWN,
	};

	static unsigned lines;

	(void)w;
	access_log(&record);
	if (++lines % 64 == 0)
		log_after_fork("test"); /* throws the lines away */
}

static double measure(work_fn *fn, struct work *w)
{
	double best = 1e12;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (unsigned i = 0; i < TURNS; i++) {
			buf_clear(&w->out);
			fn(w);
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		best = MIN(best,
			((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
				TURNS);
	}
	return best;
}

static void work_open(struct work *w, const struct tenant_conf *tenant)
{
	static str words[] = {STR_INIT("loopback"), STR_INIT("private")};
	struct config conf = {.server.trusted_proxies = {words, NITEMS(words)}};

	*w = (struct work){0};
	request_open(&w->request, str_of(request_bytes));
	response_open(&w->response, str_of(response_bytes), METHOD_GET);
	w->route = (struct route){
		.found = ROUTE_TENANT, .tenant = tenant, .path = w->request.head.path};
	rewrite_init(&w->rewrite, &w->route, STR("example.com"));
	w->client = (struct remote){.peer = STR("127.0.0.1"), .is_trusted = true};
	w->trust = trust_new(&conf);
	w->peer = (struct address){.family = AF_INET, .v4 = {htonl(INADDR_LOOPBACK)}};
	request_ids_init(&w->ids);
}

static void work_close(struct work *w)
{
	request_close(&w->request);
	response_close(&w->response);
	trust_free(w->trust);
	buf_done(&w->out);
}

static void rewriting_is_cheap(void **state)
{
	static const struct {
		const char *what;
		work_fn *fn;
		const struct tenant_conf *tenant;
	} rows[] = {
		{"trust and request id", do_client, &tenant_pass},
		{"forward_head, prefix passed", do_forward, &tenant_pass},
		{"forward_head, prefix stripped", do_forward, &tenant_strip},
		{"answer_head, at the root", do_answer, &tenant_root},
		{"answer_head, prefix passed", do_answer, &tenant_pass},
		{"answer_head, prefix stripped", do_answer, &tenant_strip},
	};

	(void)state;
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct work w;
		double ns;

		work_open(&w, rows[i].tenant);
		ns = measure(rows[i].fn, &w);
		work_close(&w);
		printf("%s: %.0f ns\n", rows[i].what, ns);
		assert_true(ns < LIMIT_NS);
	}
}

static void a_log_line_is_cheap(void **state)
{
	struct work w = {0};
	double ns = measure(do_log, &w);

	(void)state;
	printf("access_log: %.0f ns\n", ns);
	assert_true(ns < LIMIT_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rewriting_is_cheap),
		cmocka_unit_test(a_log_line_is_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
