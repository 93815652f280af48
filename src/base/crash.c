/* crash.c - handlers for fatal signals, and what they write into the record. */
/* SPDX-License-Identifier: MIT */
#include "base/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#include <link.h>
#define HAS_BACKTRACE 1
#endif

#include "base/alloc.h"
#include "base/number.h"

/* A handler with a backtrace in it; MINSIGSTKSZ alone is too small where registers are wide. */
#define STACK_SIZE (64 * 1024)

_Thread_local const void *crash_work;

static struct crash_record own;
static struct crash_record *record = &own;
static const char *version_text = "unknown";
static crash_describe_fn *describe_work;
static uintptr_t program_start, program_end;
static atomic_flag is_taken = ATOMIC_FLAG_INIT;

/* --- the text --- */

struct text {
	char *out;
	size_t n, size;
};

static void add(struct text *t, const char *s, size_t max)
{
	for (size_t i = 0; i < max && s[i] && t->n + 1 < t->size; i++)
		t->out[t->n++] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
}

#define ADD(t, literal) add(t, literal, sizeof(literal) - 1)
#define ADD_FIELD(t, f) add(t, f, sizeof(f))

static void add_unsigned(struct text *t, uint64_t v)
{
	char digits[20];

	add(t, digits, number_write(digits, v));
}

static void add_address(struct text *t, uint64_t v)
{
	char digits[20];

	ADD(t, " 0x");
	add(t, digits, number_write_hex(digits, v));
}

static void add_cause(struct text *t, const struct crash_record *r)
{
	if (r->line) {
		ADD_FIELD(t, r->file);
		ADD(t, ":");
		add_unsigned(t, r->line);
		ADD(t, ": ");
		ADD_FIELD(t, r->expression);
		ADD(t, " (");
		ADD_FIELD(t, r->function);
		ADD(t, ")");
	} else {
		ADD(t, "signal ");
		add_unsigned(t, (uint32_t)r->signal);
	}
}

static void add_work(struct text *t, const struct crash_record *r)
{
	if (!r->step[0])
		return;
	ADD(t, ", request ");
	ADD_FIELD(t, r->id);
	ADD(t, " at ");
	ADD_FIELD(t, r->step);
}

void crash_text(const struct crash_record *r, char *out, size_t size)
{
	struct text t = {out, 0, size};

	add_cause(&t, r);
	ADD(&t, ", thread ");
	ADD_FIELD(&t, r->thread);
	add_work(&t, r);
	ADD(&t, ", version ");
	ADD_FIELD(&t, r->version);
	if (r->frames[0])
		ADD(&t, ", at");
	for (size_t i = 0; i < CRASH_FRAMES && r->frames[i]; i++)
		add_address(&t, r->frames[i]);
	out[t.n] = 0;
}

/* --- writing it down --- */

static void copy(char *to, size_t size, const char *from, size_t n)
{
	size_t i = 0;

	for (; i + 1 < size && i < n && from[i]; i++)
		to[i] = from[i];
	to[i] = 0;
}

#define COPY(to, from) copy(to, sizeof(to), from, SIZE_MAX)

static void write_frames(struct crash_record *r)
{
#ifdef HAS_BACKTRACE
	void *at[4 * CRASH_FRAMES];
	int n = backtrace(at, NITEMS(at));
	size_t kept = 0;

	for (int i = 0; i < n && kept < CRASH_FRAMES; i++)
		if ((uintptr_t)at[i] >= program_start && (uintptr_t)at[i] < program_end)
			r->frames[kept++] = (uintptr_t)at[i] - program_start;
#else
	(void)r;
#endif
}

static void say_it(const struct crash_record *r)
{
	static const char begin[] = "fly-atc: ended by its own fault: ";
	char line[CRASH_TEXT_MAX];
	size_t n = sizeof(begin) - 1;

	memcpy(line, begin, n);
	crash_text(r, line + n, sizeof(line) - n - 1);
	n = strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

static void write_work(struct crash_record *r)
{
	const void *work = crash_work;
	str id = STR_EMPTY;
	const char *step;

	if (!work || !describe_work)
		return;
	step = describe_work(work, &id);
	COPY(r->step, step);
	copy(r->id, sizeof(r->id), id.p, id.n);
}

/* What is certain comes first: the thread's work and its stack may be the very thing that is
 * broken. */
static void write_down(int number)
{
	struct crash_record *r = record;

	r->signal = number;
	COPY(r->version, version_text);
	prctl(PR_GET_NAME, r->thread);
	atomic_store(&r->is_written, 1);
	write_work(r);
	write_frames(r);
	if (r == &own)
		say_it(r);
}

/* The signal comes once more, this time without us. */
static void on_signal(int number)
{
	if (!atomic_flag_test_and_set(&is_taken))
		write_down(number);
	signal(number, SIG_DFL);
	raise(number);
}

/* The C library's assert() calls this when it fails, in this program and in its libraries; ours is
 * found first. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier) */
void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
	if (!atomic_flag_test_and_set(&is_taken)) {
		record->line = line;
		COPY(record->file, file);
		COPY(record->function, function ? function : "?");
		COPY(record->expression, expression);
		write_down(SIGABRT);
	}
	abort();
}

/* --- watching --- */

void crash_describe_work(crash_describe_fn *describe)
{
	describe_work = describe;
}

#ifdef HAS_BACKTRACE
/* The program itself comes first. */
static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	program_start = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			program_end =
				MAX(program_end, info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
							 info->dlpi_phdr[i].p_memsz);
	return 1;
}
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

/* Sanitizers have reports of their own for the others. */
static const int signals[] = {
	SIGABRT,
#ifndef HAS_SANITIZER
	SIGSEGV,
	SIGBUS,
	SIGFPE,
	SIGILL,
	SIGSYS,
#endif
};

void crash_watch(struct crash_record *where, const char *version)
{
	record = where ? where : &own;
	version_text = version;
#ifdef HAS_BACKTRACE
	void *once[1];

	dl_iterate_phdr(on_object, NULL);
	backtrace(once, 1); /* it loads a library the first time */
#endif
	crash_watch_thread(NULL);
	for (size_t i = 0; i < NITEMS(signals); i++)
		sigaction(signals[i],
			&(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, NULL);
}

void crash_watch_thread(const char *name)
{
	static _Thread_local void *memory; /* lives as long as the thread can die on it */
	stack_t stack = {.ss_size = STACK_SIZE};

	if (name)
		prctl(PR_SET_NAME, name);
	if (!memory)
		memory = xmalloc(STACK_SIZE);
	stack.ss_sp = memory;
	if (sigaltstack(&stack, NULL) < 0)
		free_ptr(&memory);
}
