/* busy.c - reads Fly-Atc-Busy from the tenant's answers. */
/* SPDX-License-Identifier: MIT */
#include "proxy/busy.h"

#include "base/log.h"
#include "base/number.h"
#include "proxy/exchange_int.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* How much of a value is logged. */
#define SHOWN 40

/* Whole seconds; what is too large for a number is long. */
static int read_seconds(str value, msec *ret)
{
	uint64_t seconds = UINT64_MAX / 1000;

	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			return -EINVAL;
	if (number_parse(value, UINT64_MAX / 1000, &seconds) == -EINVAL)
		return -EINVAL;
	*ret = seconds * 1000;
	return 0;
}

static void warn_busy(const struct exchange *x, str value, const char *what)
{
	LOG_LEVEL_HERE(x->record.log_level);
	struct worker *w = x->worker;
	size_t n = worker_note_seldom(w, &w->noted.misstated);
	struct buf *line = n ? log_line_open(LOG_WARN, what) : NULL;

	if (!line)
		return;
	log_field_str(line, "tenant", x->wish.conf->id);
	log_field_str(line, "Fly-Atc-Busy", str_slice(value, 0, SHOWN));
	log_field_number(line, "times", (int64_t)n);
	log_line_close(line);
}

/* The rest of an answer may arrive after its copy has been replaced. */
static bool is_running_copy(const struct exchange *x)
{
	return x->trip.is_counted &&
	       x->trip.upstream->generation == atomic_load(&exchange_slot(x)->generation);
}

static void note_busy(struct exchange *x, str value)
{
	msec max = x->wish.conf->app->busy_max, length;

	if (read_seconds(value, &length) < 0) {
		warn_busy(x, value, "a tenant says that it is busy, but not for how many seconds");
		return;
	}
	if (length > max)
		warn_busy(x, value,
			max ? "a tenant says that it is busy for longer than busy_max; that is cut"
			    : "a tenant says that it is busy, but busy_max is 0");
	if (!is_running_copy(x))
		return;
	length = MIN(length, max);
	slot_say_busy(exchange_slot(x), length ? loop_now(x->worker->loop) + length : 0);
}

void busy_take(struct exchange *x, struct response_head *h)
{
	struct header *said = NULL;
	size_t n = 0;

	for (size_t i = 0; i < h->nheaders; i++) {
		if (h->headers[i].id != HEADER_FLY_ATC_BUSY)
			continue;
		said = &h->headers[i];
		said->is_hop = true;
		n++;
	}
	if (n > 1)
		warn_busy(x, said->value,
			"a tenant says several times in one answer for how long it is busy");
	else if (n)
		note_busy(x, said->value);
}
