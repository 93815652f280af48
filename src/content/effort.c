/* effort.c - reads this thread's schedstat, and moves a step up or down. */
/* SPDX-License-Identifier: MIT */
#include "content/effort.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/str.h"

#define LOOK_EVERY 100

/* Percent of the time; see effort_step. */
static const struct {
	unsigned less_above, more_below;
} bounds[NEFFORTS] = {
	[EFFORT_LOW] = {100, 60},
	[EFFORT_MIDDLE] = {80, 30},
	[EFFORT_HIGH] = {50, 0},
};

/* "<ran> <waited while it could have run> <times>\n", in nanoseconds. */
static bool read_wanted(int fd, uint64_t *ret)
{
	char text[96];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	uint64_t ran, waited;
	str rest = {text, n > 0 ? (size_t)n : 0}, word;

	if (!str_split(&rest, ' ', &word) || number_parse(word, INT64_MAX, &ran) < 0)
		return false;
	if (!str_split(&rest, ' ', &word) || number_parse(word, INT64_MAX, &waited) < 0)
		return false;
	*ret = ran + waited;
	return true;
}

void effort_init(struct effort_meter *m, msec now)
{
	*m = (struct effort_meter){
		.fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC),
		.effort = EFFORT_MIDDLE,
		.looked_at = now,
	};
	if (!read_wanted(m->fd, &m->wanted))
		effort_done(m);
}

void effort_done(struct effort_meter *m)
{
	close_fd(&m->fd);
}

enum effort effort_step(enum effort effort, unsigned percent)
{
	assert(effort < NEFFORTS && percent <= 100);
	if (percent > bounds[effort].less_above)
		return effort - 1;
	if (percent < bounds[effort].more_below) {
		assert(effort + 1 < NEFFORTS);
		return effort + 1;
	}
	return effort;
}

enum effort effort_now(struct effort_meter *m, msec now)
{
	msec passed = now - m->looked_at;
	uint64_t wanted;

	if (m->fd < 0 || passed < LOOK_EVERY || !read_wanted(m->fd, &wanted))
		return m->effort;
	m->effort =
		effort_step(m->effort, (unsigned)MIN((wanted - m->wanted) / 10000 / passed, 100));
	m->wanted = wanted;
	m->looked_at = now;
	return m->effort;
}
