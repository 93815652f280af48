/* slept.c - compares clocks, and listens to the kernel. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/slept.h"

#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "base/str.h"

#define APART	     3000  /* msec by which two clocks may differ */
#define STOPPED	     10000 /* msec by which a look may be late: a machine may be busy */
#define STOPPED_SOON 1000
#define KMSG_MAX     8192 /* of one message */

enum slept_sign clocks_compare(const struct clocks *before, const struct clocks *now, msec period,
	bool soon, msec *ret_length)
{
	int64_t monotonic = now->monotonic - before->monotonic,
		boottime = now->boottime - before->boottime,
		realtime = now->realtime - before->realtime, late = monotonic - (int64_t)period;

	*ret_length = 0;
	if (boottime - monotonic > APART) {
		*ret_length = (msec)(boottime - monotonic);
		return SLEPT_APART;
	}
	if (late > (soon ? STOPPED_SOON : STOPPED)) {
		*ret_length = (msec)late;
		return SLEPT_STOPPED;
	}
	if (realtime - boottime > APART) {
		*ret_length = (msec)(realtime - boottime);
		return SLEPT_STEPPED;
	}
	return SLEPT_NOT;
}

static int64_t moment_of_clock(clockid_t which)
{
	struct timespec now;

	if (clock_gettime(which, &now) < 0)
		return 0;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct clocks clocks_now(void)
{
	return (struct clocks){moment_of_clock(CLOCK_MONOTONIC), moment_of_clock(CLOCK_BOOTTIME),
		moment_of_clock(CLOCK_REALTIME)};
}

/* --- the host's clock --- */

/* The kernel's macro FD_TO_CLOCKID (include/linux/posix-timers.h). */
static clockid_t clock_of(int fd)
{
	return (clockid_t)((~(unsigned)fd << 3) | 3u);
}

/* By how much the host is ahead of our time of day; 0: it is not, or is not there. */
static msec host_ahead(const struct slept *d)
{
	int64_t host = d->ptp_fd >= 0 ? moment_of_clock(clock_of(d->ptp_fd)) : 0;
	int64_t ours = moment_of_clock(CLOCK_REALTIME);

	return host > ours ? (msec)(host - ours) : 0;
}

/* True if it has got ahead since the last look. */
static bool has_fallen_behind(struct slept *d, msec *ret_length)
{
	msec ahead = host_ahead(d), before = d->ptp_ahead;

	d->ptp_ahead = ahead;
	*ret_length = ahead - before;
	return ahead > before + APART;
}

/* --- the kernel's messages --- */

/* "6,1235,5679,-;random: crng reseeded due to virtual machine fork".  From priority 8 on it is not
 * the kernel that speaks, and further on in a line may be names that somebody chose. */
static bool is_fork_message(str record)
{
	uint64_t priority;
	str head, number;

	return str_split(&record, ';', &head) && str_split(&head, ',', &number) &&
	       number_parse(number, 7, &priority) == 0 &&
	       str_starts(record, STR("random: crng reseeded due to virtual machine fork"));
}

static bool has_fork_message(str text)
{
	str line;

	while (str_split(&text, '\n', &line))
		if (is_fork_message(line))
			return true;
	return false;
}

static void on_kmsg(struct watch *w, unsigned events)
{
	struct slept *d = container_of(w, struct slept, kmsg);
	char text[KMSG_MAX];
	ssize_t n;

	(void)events;
	while ((n = read(w->fd, text, sizeof(text))) > 0)
		if (has_fork_message((str){text, (size_t)n}))
			d->fn(d->arg, "the kernel says that it was continued from a snapshot", 0,
				false);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR && errno != EPIPE)) {
		int fd = w->fd;

		watch_close(w); /* nothing more comes */
		close(fd);
	}
}

/* Only what comes from now on.  Most users may not read it. */
static void open_kmsg(struct slept *d, const char *path)
{
	int fd;

	if (!path || file_open_device(path, &fd) < 0)
		return;
	if (lseek(fd, 0, SEEK_END) < 0 && errno != ESPIPE) {
		close(fd);
		return;
	}
	if (watch_open_read(&d->kmsg, d->loop, fd, on_kmsg) < 0)
		close(fd);
}

/* --- the looks --- */

static void set_tick(struct slept *d);

static const char *sign_text(enum slept_sign sign)
{
	switch (sign) {
	case SLEPT_STOPPED:
		return "nothing ran for that long";
	case SLEPT_APART:
		return "CLOCK_BOOTTIME has gone on alone";
	case SLEPT_STEPPED:
		return "the time of day was set forward";
	case SLEPT_NOT:
		break;
	}
	return "";
}

static void on_tick(struct timer *timer)
{
	struct slept *d = container_of(timer, struct slept, tick);
	msec period = d->is_soon ? SLEPT_PERIOD_SOON : SLEPT_PERIOD, length;
	struct clocks before = d->last;
	enum slept_sign sign;

	d->last = clocks_now();
	set_tick(d);
	sign = clocks_compare(&before, &d->last, period, d->is_soon, &length);
	if (sign != SLEPT_NOT)
		d->fn(d->arg, sign_text(sign), length, sign == SLEPT_STEPPED);
	else if (has_fallen_behind(d, &length))
		d->fn(d->arg, "the host's clock has gone on alone", length, false);
}

static void set_tick(struct slept *d)
{
	timer_set(&d->tick, d->loop, clock_now() + (d->is_soon ? SLEPT_PERIOD_SOON : SLEPT_PERIOD),
		on_tick);
}

void slept_start(
	struct slept *d, struct loop *l, const struct slept_sources *from, slept_fn *fn, void *arg)
{
	*d = (struct slept){.loop = l, .ptp_fd = -1, .fn = fn, .arg = arg};
	d->kmsg.fd = -1;
	if (from->ptp && file_open_device(from->ptp, &d->ptp_fd) < 0)
		d->ptp_fd = -1;
	open_kmsg(d, from->kmsg);
	d->ptp_ahead = host_ahead(d);
	d->last = clocks_now();
	set_tick(d);
}

void slept_expect(struct slept *d, bool is_soon)
{
	if (!d->loop || d->is_soon == is_soon)
		return;
	d->is_soon = is_soon;
	d->last = clocks_now();
	set_tick(d);
}

void slept_stop(struct slept *d)
{
	int fd;

	if (!d->loop)
		return;
	timer_cancel(&d->tick);
	fd = d->kmsg.fd;
	if (fd >= 0) {
		watch_close(&d->kmsg);
		close(fd);
	}
	if (d->ptp_fd >= 0)
		close(d->ptp_fd);
	d->loop = NULL;
}
