/* kept.c - the last known roster on this machine's disk.
 *
 * <storage>/.fly-atc-roster.json: a line that says of which place it is, then the state.  It is
 * believed only for that place, and whoever reads the store compares it with that. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "roster/roster_int.h"

#define NAME ".fly-atc-roster.json" /* no tenant begins with a dot */

static char *kept_path(const struct config *c)
{
	return xasprintf(STR_FMT "/" NAME, STR_ARG(c->server.storage));
}

int roster_keep(const struct config *c, const struct roster *r, struct why *ret_why)
{
	CLEAN_FREE char *path = kept_path(c);
	struct buf text = {0};
	struct json j = {.out = &text};
	int err;

	json_open_object(&j, NULL);
	json_number(&j, "roster", ROSTER_FORMAT);
	json_str(&j, "place", c->backup.url.n ? c->backup.url : c->file);
	json_int(&j, "kept", (int64_t)time(NULL));
	json_close_object(&j);
	buf_add_char(&text, '\n');
	roster_write(r, &text);
	buf_add_char(&text, '\n');
	err = file_make_parents(FILE_GIVEN, path, 0700);
	if (err == 0)
		err = file_write(FILE_GIVEN, path, buf_str(&text), 0600);
	buf_done(&text);
	if (err < 0)
		why_set(ret_why, "cannot write %s: %s", path, strerror(-err));
	return err < 0 ? -EIO : 0;
}

/* -ENOENT: it is of another place. */
static int read_first(const struct config *c, str line, int64_t *ret_when)
{
	json_t *j = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
	const char *place = json_string_value(json_object_get(j, "place"));
	const json_t *kept = json_object_get(j, "kept");
	int r = place && json_is_integer(kept) ? 0 : -EBADMSG;

	if (r == 0 && !str_eq(str_of(place), c->backup.url.n ? c->backup.url : c->file))
		r = -ENOENT;
	if (r == 0)
		*ret_when = json_integer_value(kept);
	json_decref(j);
	return r;
}

int roster_recall(
	const struct config *c, struct roster **ret, int64_t *ret_when, struct why *ret_why)
{
	CLEAN_FREE char *path = kept_path(c);
	struct buf text = {0};
	struct why why = {"it is damaged"};
	str rest, line;
	int64_t when;
	int r = file_read(FILE_GIVEN, path, ROSTER_TEXT_MAX, &text);

	if (r < 0) {
		buf_done(&text);
		why_set(ret_why, "cannot read %s: %s", path, strerror(-r));
		return r == -ENOENT ? r : -EIO;
	}
	rest = buf_str(&text);
	r = str_split(&rest, '\n', &line) ? read_first(c, line, &when) : -EBADMSG;
	if (r == 0 && (!rest.n || str_eq(rest, STR("\n"))))
		*ret = roster_new(); /* version 0 is written as nothing */
	else if (r == 0)
		r = roster_parse(rest, ret, &why);
	if (r == 0)
		*ret_when = when;
	if (r == -ENOENT)
		why_set(&why, "it is of another store");
	if (r < 0)
		why_set(ret_why, "%s: %s", path, why.text);
	buf_done(&text);
	return r;
}
