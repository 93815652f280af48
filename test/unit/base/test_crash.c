/* test_crash.c - what a process leaves behind that dies by its own fault. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"

typedef void fault_fn(void);

/* A child watches itself and has the fault; returns the signal that ended it. */
static int die(struct crash_record *record, fault_fn *fault)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		crash_watch(record, "1.2.3");
		fault();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static int map(void **state)
{
	*state = mmap(NULL, sizeof(struct crash_record), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return *state == MAP_FAILED;
}

static int unmap(void **state)
{
	return munmap(*state, sizeof(struct crash_record));
}

/* cmocka has an assert of its own. */
NORETURN void __assert_fail(
	const char *expression, const char *file, unsigned line, const char *function);

static const char *describe(const void *work, str *ret_id)
{
	*ret_id = *(const str *)work;
	return "hold";
}

static void fail_assertion(void)
{
	static const str id = STR_INIT("4f-2");

	crash_describe_work(describe);
	crash_work = &id;
	__assert_fail("x->is_held", "proxy/held.c", 93, "hold_leave");
}

static void an_assertion_is_told_with_its_place_and_its_work(void **state)
{
	struct crash_record *r = *state;
	char text[CRASH_TEXT_MAX];
	str got;

	assert_int_equal(die(r, fail_assertion), SIGABRT);
	assert_int_equal(r->is_written, 1);
	assert_int_equal(r->signal, SIGABRT);
	crash_text(r, text, sizeof(text));
	got = str_of(text);
	assert_true(str_starts(got, STR("proxy/held.c:93: x->is_held (hold_leave), thread ")));
	assert_true(str_find(got, STR(", request 4f-2 at hold, version 1.2.3")) > 0);
}

static void abort_at_once(void)
{
	abort();
}

static void abort_is_told_by_its_signal(void **state)
{
	struct crash_record *r = *state;
	char text[CRASH_TEXT_MAX];

	assert_int_equal(die(r, abort_at_once), SIGABRT);
	assert_int_equal(r->line, 0);
	crash_text(r, text, sizeof(text));
	assert_true(str_starts(str_of(text), STR("signal 6, thread ")));
	assert_int_equal(str_find(str_of(text), STR("request")), -1);
}

static void *abort_in_thread(void *arg)
{
	crash_watch_thread("seamstress");
	abort();
	return arg;
}

static void start_thread_that_aborts(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, abort_in_thread, NULL) == 0)
		pthread_join(thread, NULL);
}

static void the_thread_is_named(void **state)
{
	struct crash_record *r = *state;

	assert_int_equal(die(r, start_thread_that_aborts), SIGABRT);
	assert_string_equal(r->thread, "seamstress");
}

static void what_another_wrote_is_not_believed(void **state)
{
	struct crash_record *r = *state;
	char text[CRASH_TEXT_MAX], small[8];

	memset(r, 0x1b, sizeof(*r));
	crash_text(r, text, sizeof(text));
	for (size_t i = 0; text[i]; i++)
		assert_in_range(text[i], 0x20, 0x7e);
	crash_text(r, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OWN 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef OWN
#endif
#endif
#endif

#ifdef OWN
static size_t sink;

static void overflow(size_t depth)
{
	volatile char frame[4096];

	frame[depth % sizeof(frame)] = 1;
	if (depth < SIZE_MAX)
		overflow(depth + 1);
	sink += (size_t)frame[0];
}

static void overflow_the_stack(void)
{
	overflow(0);
}

static void an_overflow_of_the_stack_is_told_too(void **state)
{
	struct crash_record *r = *state;

	assert_int_equal(die(r, overflow_the_stack), SIGSEGV);
	assert_int_equal(r->is_written, 1);
	assert_int_equal(r->signal, SIGSEGV);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_assertion_is_told_with_its_place_and_its_work, map, unmap),
		cmocka_unit_test_setup_teardown(abort_is_told_by_its_signal, map, unmap),
		cmocka_unit_test_setup_teardown(the_thread_is_named, map, unmap),
		cmocka_unit_test_setup_teardown(what_another_wrote_is_not_believed, map, unmap),
#ifdef OWN
		cmocka_unit_test_setup_teardown(an_overflow_of_the_stack_is_told_too, map, unmap),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
