/* test_log.c - lines are whole and valid JSON, and a reader that does not read blocks nobody. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define THREADS		4
#define LINES_OF_EACH	2000
#define FLUSH_LIMIT	10000 /* milliseconds */
#define LONGEST_BLOCKED 20000 /* who waited for the reader would wait for ever */

/* Standard output is a pipe while a test runs. */
static int real_output = -1, reader = -1;

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	real_output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	reader = fds[0];
	dup2(fds[1], STDOUT_FILENO);
	close(fds[1]);
	log_init("test", LOG_INFO);
	return 0;
}

/* Ends the pipe's writing side, so that a reader sees its end. */
static void restore_output(void)
{
	if (real_output < 0)
		return;
	dup2(real_output, STDOUT_FILENO);
	close_fd(&real_output);
}

static int tear_down(void **state)
{
	(void)state;
	restore_output();
	close_fd(&reader);
	return 0;
}

static void *read_all(void *arg)
{
	struct buf *all = arg;

	for (;;) {
		ssize_t n = read(reader, buf_room(all, 65536), 65536);

		if (n <= 0)
			return NULL;
		buf_added(all, (size_t)n);
	}
}

/* What was written since set_up. */
static struct buf written(void)
{
	struct buf all = {0};

	log_flush(FLUSH_LIMIT);
	restore_output();
	read_all(&all);
	return all;
}

static json_t *next_line(str *rest)
{
	str line;
	json_t *j;

	if (!str_split(rest, '\n', &line))
		return NULL;
	j = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
	if (!j)
		fail_msg("not JSON: " STR_FMT, STR_ARG(line));
	return j;
}

static const char *text_at(json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "(none)";
}

static void a_line_has_time_level_process_and_fields(void **state)
{
	struct buf *line, all;
	struct tm tm;
	json_t *j;
	str rest;

	(void)state;
	line = log_line_open(LOG_WARN, "the \"message\"");
	log_field_str(line, "tenant", STR("bellevue\n\xff"));
	log_field_number(line, "most", INT64_MAX);
	log_field_number(line, "least", INT64_MIN);
	log_line_close(line);
	all = written();
	rest = buf_str(&all);
	j = next_line(&rest);
	assert_string_equal(text_at(j, "level"), "WARN");
	assert_string_equal(text_at(j, "process"), "test");
	assert_string_equal(text_at(j, "msg"), "the \"message\"");
	assert_string_equal(text_at(j, "tenant"), "bellevue\n\xef\xbf\xbd");
	assert_true(json_integer_value(json_object_get(j, "most")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(j, "least")) == INT64_MIN);
	assert_non_null(strptime(text_at(j, "time"), "%Y-%m-%dT%H:%M:%S", &tm));
	assert_int_equal(strlen(text_at(j, "time")), strlen("2025-01-01T00:00:00.000Z"));
	assert_int_equal(rest.n, 0);
	json_decref(j);
	buf_done(&all);
}

static void lines_above_the_level_are_not_written(void **state)
{
	struct buf all;

	(void)state;
	log_debug("not %d", 1);
	log_set_level(LOG_ERROR);
	assert_null(log_line_open(LOG_WARN, "not 2"));
	log_field_str(NULL, "key", STR("value"));
	log_line_close(NULL);
	log_warn("not 3");
	log_error("yes %d", 4);
	log_raw(STR("{\"raw\":true}"));
	all = written();
	assert_int_equal(str_find(buf_str(&all), STR("not")), -1);
	assert_true(str_find(buf_str(&all), STR("yes 4")) > 0);
	assert_true(str_ends(buf_str(&all), STR("\n{\"raw\":true}\n")));
	buf_done(&all);
}

static void *write_many(void *arg)
{
	for (int i = 0; i < LINES_OF_EACH; i++) {
		log_info("%d of %d", i, (int)(intptr_t)arg);
		if (i % 7 == 0)
			log_publish();
	}
	log_publish();
	return NULL;
}

static void threads_do_not_cut_each_other_s_lines(void **state)
{
	pthread_t threads[THREADS], reading;
	int next[THREADS] = {0};
	struct buf all = {0};
	json_t *j;
	str rest;

	(void)state;
	assert_int_equal(pthread_create(&reading, NULL, read_all, &all), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_many, (void *)(intptr_t)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_flush(FLUSH_LIMIT);
	restore_output();
	pthread_join(reading, NULL);
	rest = buf_str(&all);
	while ((j = next_line(&rest))) {
		char *end;
		long number = strtol(text_at(j, "msg"), &end, 10);
		long thread = strtol(end + strlen(" of "), NULL, 10);

		assert_true(thread >= 0 && thread < THREADS);
		assert_int_equal(number, next[thread]++);
		json_decref(j);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(next[i], LINES_OF_EACH);
	buf_done(&all);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void a_reader_that_does_not_read_blocks_nobody(void **state)
{
	char long_text[1000];
	uint64_t began = now_ms(), lost = 0, kept = 0;
	pthread_t reading;
	struct buf all = {0};
	json_t *j;
	str rest;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (size_t sent = 0; sent < 3u * LOG_QUEUE_MAX; sent += sizeof(long_text)) {
		log_info(STR_FMT, (int)sizeof(long_text), long_text);
		log_publish();
	}
	log_flush(50);
	assert_true(now_ms() - began < LONGEST_BLOCKED);
	assert_int_equal(pthread_create(&reading, NULL, read_all, &all), 0);
	log_flush(FLUSH_LIMIT);
	restore_output();
	pthread_join(reading, NULL);
	rest = buf_str(&all);
	while ((j = next_line(&rest))) {
		kept += strlen(text_at(j, "msg")) == sizeof(long_text);
		lost += (uint64_t)json_integer_value(json_object_get(j, "bytes"));
		json_decref(j);
	}
	assert_true(kept * sizeof(long_text) > LOG_QUEUE_MAX / 2);
	assert_true(buf_len(&all) + lost > 3u * LOG_QUEUE_MAX);
	assert_true(lost > LOG_QUEUE_MAX);
	buf_done(&all);
}

/* Guests fill their half; of ours nothing is lost, and what is lost is counted. */
static void the_lines_of_guests_leave_room_for_ours(void **state)
{
	struct log_losses before = log_losses(), lost;
	char text[1001];
	pthread_t reading;
	struct buf all = {0};
	uint64_t guests = 0, ours = 0, sent = 0;
	json_t *j;
	str rest;

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (; sent < 2u * LOG_QUEUE_MAX / 1000; sent++) {
		log_line_close(log_guest_line_open(LOG_INFO, text));
		if (sent % 100 == 0)
			log_info("ours");
		log_publish();
	}
	lost = log_losses();
	assert_int_equal(pthread_create(&reading, NULL, read_all, &all), 0);
	log_flush(FLUSH_LIMIT);
	restore_output();
	pthread_join(reading, NULL);
	rest = buf_str(&all);
	while ((j = next_line(&rest))) {
		guests += strlen(text_at(j, "msg")) == 1000;
		ours += strcmp(text_at(j, "msg"), "ours") == 0;
		json_decref(j);
	}
	assert_int_equal(ours, (sent + 99) / 100);
	assert_true(guests * 1000 > LOG_GUESTS_MAX / 2);
	assert_int_equal(guests + lost.lines - before.lines, sent);
	assert_true(lost.bytes - before.bytes > LOG_QUEUE_MAX / 2);
	buf_done(&all);
}

static void non_blocking_output_loses_nothing(void **state)
{
	pthread_t reading;
	struct buf all = {0};
	str rest, line;
	size_t n = 0;

	(void)state;
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	for (int i = 0; i < 10000; i++)
		log_info("line %d", i);
	log_publish();
	log_flush(20);
	assert_int_equal(pthread_create(&reading, NULL, read_all, &all), 0);
	log_flush(FLUSH_LIMIT);
	restore_output();
	pthread_join(reading, NULL);
	rest = buf_str(&all);
	while (str_split(&rest, '\n', &line))
		n++;
	assert_int_equal(n, 10000);
	buf_done(&all);
}

static void output_that_nobody_can_read_any_more_is_no_reason_to_end(void **state)
{
	(void)state;
	close_fd(&reader);
	log_info("into the void");
	log_flush(FLUSH_LIMIT);
}

/* What a line of its own in the middle of another does to the process. */
static int status_of_nested(bool is_raw)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct buf *line = log_line_open(LOG_INFO, "outer");

		close(STDERR_FILENO);
		if (is_raw)
			log_raw(STR("{}"));
		else
			log_info("inner");
		log_line_close(line);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_line_inside_of_another_is_found_at_once(void **state)
{
	int plain = status_of_nested(false), raw = status_of_nested(true);

	(void)state;
	assert_true(WIFSIGNALED(plain) && WTERMSIG(plain) == SIGABRT);
	assert_true(WIFSIGNALED(raw) && WTERMSIG(raw) == SIGABRT);
	for (int i = 0; i < 2; i++)
		log_line_close(log_line_open(LOG_INFO, "one after the other"));
	log_line_close(log_line_open(LOG_DEBUG, "not written"));
	log_info("last");
}

#define to_pipe(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		to_pipe(a_line_has_time_level_process_and_fields),
		to_pipe(lines_above_the_level_are_not_written),
		to_pipe(threads_do_not_cut_each_other_s_lines),
		to_pipe(the_lines_of_guests_leave_room_for_ours),
		to_pipe(a_reader_that_does_not_read_blocks_nobody),
		to_pipe(non_blocking_output_loses_nothing),
		to_pipe(a_line_inside_of_another_is_found_at_once),
		to_pipe(output_that_nobody_can_read_any_more_is_no_reason_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
