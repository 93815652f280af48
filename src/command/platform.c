/* platform.c - compares how long our end may take with fly.toml's kill_timeout. */
/* SPDX-License-Identifier: MIT */
#include "command/platform.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/number.h"
#include "command/fly_toml.h"
#include "supervisor/supervisor.h"

#define FLY_TOML "fly.toml"
/* Anything larger is not a fly.toml. */
#define SIZE_LIMIT (1u << 20)

/* --- how long an end may take --- */

static msec longest_stop(const struct config *c)
{
	msec longest = 0;

	for (size_t i = 0; i < c->ntenants; i++) {
		msec limit = c->tenants[i].app->stop_timeout;

		if (!limit)
			return MSEC_NEVER;
		longest = MAX(longest, limit);
	}
	return longest;
}

static msec sum(msec a, msec b)
{
	return a == MSEC_NEVER || b == MSEC_NEVER ? MSEC_NEVER : a + b;
}

static msec limit_or_never(msec setting)
{
	return setting ? setting : MSEC_NEVER;
}

/* Requests, then the tenants, then their backups.  A single application takes as long as it
 * likes. */
static msec longest_end(const struct config *c)
{
	msec drain = limit_or_never(c->server.drain_timeout);
	msec sync = c->backup.url.n ? limit_or_never(c->backup.sync_timeout) : 0;

	if (c->is_single)
		return sum(MIN(drain, (msec)SUPERVISOR_SINGLE_DRAIN), sync);
	return sum(sum(drain, longest_stop(c)), sync);
}

static void add_needs(const struct config *c, msec needed, struct buf *out)
{
	char length[NUMBER_TEXT_MAX];

	number_duration_text(needed, length);
	buf_printf(out, "fly-atc may need %s to end (%s%s)",
		needed == MSEC_NEVER ? "any time" : length,
		c->is_single ? "requests" : "drain_timeout and stop_timeout",
		c->backup.url.n ? ", and backup.sync_timeout" : "");
	if (needed > FLY_KILL_TIMEOUT_MAX)
		buf_add(out, STR(", and Fly waits for 5m at most"));
}

/* --- what Fly is configured to do --- */

static bool read_at(char *take_path, struct buf *out, char **ret_path)
{
	if (file_read_given(take_path, SIZE_LIMIT, out) < 0) {
		free(take_path);
		return false;
	}
	*ret_path = take_path;
	return true;
}

static char *beside(str file)
{
	size_t n = file.n;

	while (n && file.p[n - 1] != '/')
		n--;
	return xasprintf(STR_FMT FLY_TOML, STR_ARG(str_slice(file, 0, n)));
}

static bool find_fly_toml(const struct config *c, struct buf *out, char **ret_path)
{
	return read_at(xstrdup(FLY_TOML), out, ret_path) ||
	       (c->file.n && read_at(beside(c->file), out, ret_path));
}

static void judge_kill_timeout(const struct config *c, const char *path, str text, struct buf *out)
{
	msec needed = longest_end(c), given = FLY_KILL_TIMEOUT;
	char length[NUMBER_TEXT_MAX];
	unsigned line = 1;
	int r = fly_toml_kill_timeout(text, &given, &line);

	if (r == -EINVAL) {
		buf_printf(out, "%s:%u: warning: kill_timeout is no length of time, as \"30s\"\n",
			path, line);
		return;
	}
	given = MIN(given, (msec)FLY_KILL_TIMEOUT_MAX);
	if (given >= needed)
		return;
	number_duration_text(given, length);
	buf_printf(out, "%s:%u: warning: ", path, line);
	if (r == -ENOENT)
		buf_add(out, STR("there is no kill_timeout, so that Fly kills after 5s; "));
	else
		buf_printf(out, "Fly kills after %s (kill_timeout); ", length);
	add_needs(c, needed, out);
	buf_add_char(out, '\n');
}

/* In an image that does not contain the file. */
static void hint(const struct config *c, struct buf *out)
{
	msec needed = longest_end(c);

	if (needed <= FLY_KILL_TIMEOUT)
		return;
	buf_add(out, STR("environment: warning: on Fly: "));
	add_needs(c, needed, out);
	buf_add(out,
		STR("; give it that as kill_timeout in fly.toml, which is not here to be looked at, or it is "
		    "killed after 5s\n"));
}

static bool is_on_fly(const struct config *c)
{
	return c->target == TARGET_FLY || getenv("FLY_APP_NAME");
}

void platform_check(const struct config *c, struct buf *out)
{
	CLEAN_FREE char *path = NULL;
	struct buf text = {0};

	if (find_fly_toml(c, &text, &path))
		judge_kill_timeout(c, path, buf_str(&text), out);
	else if (is_on_fly(c))
		hint(c, out);
	buf_done(&text);
}
