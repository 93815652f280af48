/* log.c - each thread collects lines, one more thread writes them. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"

#define TIME_TEXT 24u	       /* 2026-11-28T07:00:00.000Z */
#define KEPT_MAX  (256u << 10) /* bytes of a buffer that is kept for the next lines */
#define GUEST	  '\x1e'       /* what comes before a guest's line, until it is in the queue */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, drained;
	pthread_t writer;
	bool has_writer, is_writing;
	struct buf queue;
	size_t guests; /* bytes of the queue that are guests' */
	struct log_losses untold, all;
	const char *name;
	_Atomic int level;
} shared = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.drained = PTHREAD_COND_INITIALIZER,
	.name = "fly-atc",
	.level = LOG_INFO,
};

static _Thread_local int own_level = LOG_LEVEL_SHARED;
static _Thread_local bool has_guests;  /* in lines */
static _Thread_local struct buf lines; /* finished lines of this thread, and the one being built */
static _Thread_local bool is_building; /* between log_line_open and log_line_close */
static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG"};

void log_init(const char *name, enum log_level level)
{
	assert(name);
	shared.name = name;
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	assert(level <= LOG_DEBUG);
	atomic_store_explicit(&shared.level, (int)level, memory_order_relaxed);
}

int log_level_own(int level)
{
	int before = own_level;

	assert(level >= LOG_LEVEL_SHARED && level <= (int)LOG_DEBUG);
	own_level = level;
	return before;
}

void log_level_back(const int *before)
{
	own_level = *before;
}

bool log_is_on(enum log_level level)
{
	if (own_level != LOG_LEVEL_SHARED)
		return (int)level <= own_level;
	return (int)level <= atomic_load_explicit(&shared.level, memory_order_relaxed);
}

/* Standard output may be non-blocking: any program that shares it with us can set that. */
static void write_all(str s)
{
	while (s.n) {
		ssize_t n = write(STDOUT_FILENO, s.p, s.n);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return; /* nobody reads any more, and there is nowhere left to complain */
		else if (n > 0)
			s = str_slice(s, (size_t)n, s.n);
	}
}

static void add_time(struct json *line)
{
	static _Thread_local time_t cached_second;
	static _Thread_local char cached_text[TIME_TEXT + 1];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != cached_second || !cached_text[0]) {
		struct tm tm;

		gmtime_r(&now.tv_sec, &tm);
		strftime(cached_text, sizeof(cached_text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		cached_second = now.tv_sec;
	}
	for (long ms = now.tv_nsec / 1000000, i = 3; i; ms /= 10, i--)
		cached_text[19 + i] = (char)('0' + ms % 10);
	json_str_inline(line, "time", (str){cached_text, TIME_TEXT});
}

static void open_line(struct buf *line, enum log_level level, const char *msg)
{
	struct json j = {.out = line};

	assert(level < NITEMS(level_names));
	json_open_object(&j, NULL);
	add_time(&j);
	json_str_inline(&j, "level", str_of(level_names[level]));
	json_str_inline(&j, "process", str_of(shared.name));
	json_str_inline(&j, "msg", str_of(msg));
}

static void add_losses(struct buf *line, const struct log_losses *l)
{
	struct json j = {line, true};

	json_number(&j, "lines", l->lines);
	json_number(&j, "bytes", l->bytes);
	json_close_object(&j);
	buf_add_char(line, '\n');
}

/* With the lock held. */
static void tell_dropped(void)
{
	struct buf line = {0};

	if (!shared.untold.bytes)
		return;
	open_line(&line, LOG_WARN, "log lines dropped: standard output is read too slowly");
	add_losses(&line, &shared.untold);
	buf_add(&shared.queue, buf_str(&line));
	buf_done(&line);
	shared.untold = (struct log_losses){0};
}

static void count_loss(struct log_losses *losses, uint64_t nlines, uint64_t bytes)
{
	losses->lines += nlines;
	losses->bytes += bytes;
}

static void drop(str text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	count_loss(&shared.untold, n, text.n);
	count_loss(&shared.all, n, text.n);
}

static bool has_room(size_t n)
{
	return buf_len(&shared.queue) + n <= LOG_QUEUE_MAX;
}

/* Each line by itself, since a guest's may find no room where ours does. */
static void queue_lines(str text)
{
	str line;

	while (str_split(&text, '\n', &line)) {
		bool is_guest = line.n && line.p[0] == GUEST;
		size_t n = line.n + 1 - is_guest;

		if (!line.n && !text.n)
			break;
		line = str_slice(line, is_guest, line.n);
		if (!has_room(n) || (is_guest && shared.guests + n > LOG_GUESTS_MAX)) {
			count_loss(&shared.untold, 1, n);
			count_loss(&shared.all, 1, n);
			continue;
		}
		shared.guests += is_guest ? n : 0;
		buf_add(&shared.queue, line);
		buf_add_char(&shared.queue, '\n');
		assert(shared.guests <= buf_len(&shared.queue));
	}
}

/* The memory of a burst is not kept. */
static void clear(struct buf *b)
{
	if (b->cap > KEPT_MAX)
		buf_done(b);
	else
		buf_clear(b);
}

static void *write_lines(void *unused)
{
	struct buf out = {0};

	(void)unused;
	prctl(PR_SET_NAME, "fly-atc-log");
	pthread_mutex_lock(&shared.lock);
	for (;;) {
		struct buf swap = out;

		tell_dropped();
		while (!buf_len(&shared.queue)) {
			shared.is_writing = false;
			pthread_cond_broadcast(&shared.drained);
			pthread_cond_wait(&shared.more, &shared.lock);
		}
		shared.is_writing = true;
		out = shared.queue;
		shared.queue = swap;
		shared.guests = 0;
		pthread_mutex_unlock(&shared.lock);
		write_all(buf_str(&out));
		clear(&out);
		pthread_mutex_lock(&shared.lock);
	}
	return NULL;
}

/* Signals are for the loops; the writer takes none. */
static void start_writer(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&shared.writer, NULL, write_lines, NULL) == 0) {
		pthread_detach(shared.writer);
		shared.has_writer = true;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void free_lines(void *unused)
{
	(void)unused;
	log_publish();
	buf_done(&lines);
}

static void make_end_key(void)
{
	if (pthread_key_create(&end_key, free_lines) != 0)
		abort();
}

/* Its buffer is to be freed at the thread's end: pthread calls free_lines where the value is
 * set. */
static void remember_end(void)
{
	static _Thread_local bool is_remembered;

	if (is_remembered)
		return;
	is_remembered = true;
	pthread_once(&end_key_once, make_end_key);
	pthread_setspecific(end_key, &lines);
}

void log_publish(void)
{
	assert(!is_building); /* half a line would go out */
	if (!buf_len(&lines))
		return;
	remember_end();
	pthread_mutex_lock(&shared.lock);
	if (!shared.has_writer)
		start_writer();
	if (has_room(buf_len(&lines)))
		tell_dropped();
	if (has_guests)
		queue_lines(buf_str(&lines));
	else if (has_room(buf_len(&lines)))
		buf_add(&shared.queue, buf_str(&lines));
	else
		drop(buf_str(&lines));
	if (shared.has_writer) {
		pthread_cond_signal(&shared.more);
	} else {
		write_all(buf_str(&shared.queue));
		buf_clear(&shared.queue);
	}
	pthread_mutex_unlock(&shared.lock);
	has_guests = false;
	clear(&lines);
}

void log_flush(msec limit)
{
	struct timespec until;

	log_publish();
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(limit / 1000);
	until.tv_nsec += (long)(limit % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&shared.lock);
	while (shared.has_writer && (buf_len(&shared.queue) || shared.is_writing))
		if (pthread_cond_timedwait(&shared.drained, &shared.lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&shared.lock);
}

void log_after_fork(const char *name)
{
	pthread_mutex_init(&shared.lock, NULL);
	pthread_cond_init(&shared.more, NULL);
	pthread_cond_init(&shared.drained, NULL);
	shared.has_writer = shared.is_writing = false;
	shared.untold = shared.all = (struct log_losses){0};
	shared.guests = 0;
	shared.name = name;
	buf_clear(&shared.queue);
	buf_clear(&lines);
	is_building = false;
}

struct buf *log_line_open(enum log_level level, const char *msg)
{
	if (!log_is_on(level))
		return NULL;
	assert(!is_building); /* two lines would become one broken one */
	is_building = true;
	open_line(&lines, level, msg);
	return &lines;
}

struct buf *log_guest_line_open(enum log_level level, const char *msg)
{
	if (!log_is_on(level))
		return NULL;
	assert(!is_building);
	has_guests = true;
	buf_add_char(&lines, GUEST);
	open_line(&lines, level, msg);
	return &lines;
}

struct log_losses log_losses(void)
{
	struct log_losses losses;

	pthread_mutex_lock(&shared.lock);
	losses = shared.all;
	pthread_mutex_unlock(&shared.lock);
	return losses;
}

void log_field_str(struct buf *line, const char *key, str value)
{
	if (!line)
		return;
	assert(line == &lines);
	json_str(&(struct json){line, true}, key, value);
}

void log_field_number(struct buf *line, const char *key, int64_t value)
{
	if (!line)
		return;
	assert(line == &lines);
	json_int(&(struct json){line, true}, key, value);
}

void log_field_json(struct buf *line, const char *key, str value)
{
	if (!line)
		return;
	assert(line == &lines);
	json_raw(&(struct json){line, true}, key, value);
}

void log_line_close(struct buf *line)
{
	if (!line)
		return;
	assert(line == &lines);
	buf_add(line, STR("}\n"));
	is_building = false;
}

void log_raw(str line)
{
	assert(!is_building && !memchr(line.p, '\n', line.n));
	buf_add(&lines, line);
	buf_add_char(&lines, '\n');
}

static PRINTF(2, 0) void log_text(enum log_level level, const char *fmt, va_list ap)
{
	char *msg;

	if (!log_is_on(level) || vasprintf(&msg, fmt, ap) < 0)
		return;
	log_line_close(log_line_open(level, msg));
	free(msg);
}

#define DEFINE_LOG(name, level)                                                                    \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		log_text(level, fmt, ap);                                                          \
		va_end(ap);                                                                        \
	}

DEFINE_LOG(log_error, LOG_ERROR)
DEFINE_LOG(log_warn, LOG_WARN)
DEFINE_LOG(log_info, LOG_INFO)
DEFINE_LOG(log_debug, LOG_DEBUG)
