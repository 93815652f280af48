/* announce.c - what is told about a tenant: to the proxy, and to people who wait for it. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "link/channel.h"
#include "tenant/tenant_int.h"

static bool is_among_output(const struct tenant *t, uint32_t first, str line)
{
	for (uint32_t i = first; i < t->output.last.count; i++)
		if (str_starts(output_at(&t->output, i).text, line))
			return true;
	return false;
}

/* The lines that say why it failed, unless they are among the last lines, which are shown
 * anyway. */
static void add_error(const struct tenant *t, uint32_t first, struct buf *text)
{
	str rest = str_of(t->faults.error ? t->faults.error : ""), line;

	if (str_split(&rest, '\n', &line) && !is_among_output(t, first, line))
		buf_printf(text, "\n%s\n\n…", t->faults.error);
}

/* In development the page shows the application's last lines. */
static void add_last_words(const struct tenant *t, struct buf *text)
{
	uint32_t first = t->output.last.count > OUTPUT_LAST_LINES
				 ? t->output.last.count - OUTPUT_LAST_LINES
				 : 0;
	size_t size =
		buf_len(text) + (t->faults.error ? strlen(t->faults.error) : 0) + sizeof("\n\n\n…");

	for (uint32_t i = t->output.last.count; i > first; i--) {
		size += output_at(&t->output, i - 1).text.n + 1;
		if (size > CHANNEL_TEXT_MAX)
			first = i;
	}
	add_error(t, first, text);
	for (uint32_t i = first; i < t->output.last.count; i++) {
		buf_add_char(text, '\n');
		buf_add(text, output_at(&t->output, i).text);
	}
}

/* The reason as anyone may read it: the one for operators names files, programs and addresses. */
static const char *reason_for_all(enum tenant_state failed_in)
{
	switch (failed_in) {
	case TENANT_RESTORING:
		return "Its data could not be brought here.";
	case TENANT_PREPARING:
		return "Its data could not be prepared.";
	case TENANT_STARTING:
		return "It did not become ready.";
	case TENANT_RUNNING:
		return "It ended again and again.";
	case TENANT_ABSENT:
	case TENANT_QUEUED:
	case TENANT_DRAINING:
	case TENANT_STOPPING:
	case TENANT_STOPPED:
	case TENANT_FAILED:
	case TENANT_NSTATES:
		break;
	}
	return "It failed.";
}

/* For the page that visitors see meanwhile, and once for the log. */
static void add_gap(struct tenant *t, const struct tenant_conf *conf, struct buf *text)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	struct buf gap = {0};

	backup_add_gap(t->all->backup, conf, &gap);
	if (buf_len(&gap))
		buf_printf(text, "Not backed up: " STR_FMT ".", STR_ARG(buf_str(&gap)));
	if (buf_len(&gap) && t->life.state == TENANT_STARTING && !t->told.gap) {
		t->told.gap = true;
		log_warn("tenant " STR_FMT ": not backed up: " STR_FMT, STR_ARG(conf->id),
			STR_ARG(buf_str(&gap)));
	}
	buf_done(&gap);
}

void announce_state(struct tenant *t)
{
	const struct tenant_conf *conf = tenant_conf(t);
	struct buf text = {0};

	MAGIC_CHECK(t, TENANT_MAGIC);
	list_remove(&t->in_untold);
	if (t->life.state == TENANT_FAILED && t->faults.reason) {
		if (conf && str_eq(conf->app->environment, STR("development"))) {
			buf_add(&text, str_of(t->faults.reason));
			add_last_words(t, &text);
		} else {
			buf_add(&text, str_of(t->faults.public_reason
						       ? t->faults.public_reason
						       : reason_for_all(t->faults.failed_in)));
		}
	}
	if (conf && state_is_on_its_way(t->life.state) && tenant_uses_backup(t))
		add_gap(t, conf, &text);
	t->all->host->tell_proxy(t->all->host_arg, t->slot, t->life.state, buf_str(&text));
	buf_done(&text);
}

/* Steps on the way up may follow each other at once: only the last is worth a message, which takes
 * time from the start under way.  Those who wait for other states are told of each. */
void announce_soon(struct tenant *t)
{
	struct slot *slot = tenant_slot(t);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (atomic_load(&slot->state) == t->life.state)
		return;
	atomic_store(&slot->since, loop_now(t->all->loop));
	atomic_store(&slot->state, t->life.state);
	if (!state_is_on_its_way(t->life.state)) {
		announce_state(t);
		return;
	}
	list_remove(&t->in_untold);
	list_append(&t->all->untold, &t->in_untold);
}
