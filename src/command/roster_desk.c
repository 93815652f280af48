/* roster_desk.c - opens, reads, and gives up after a while. */
/* SPDX-License-Identifier: MIT */
#include "command/roster_desk.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "command/command_int.h"
#include "command/text.h"

#define READ_LIMIT 10000u /* msec for the store's answer */

static struct config *load_aloud(const struct config_source *source)
{
	struct config_faults faults;
	struct config *conf = config_load(source, &faults);

	config_faults_print(&faults, STDERR_FILENO);
	config_faults_done(&faults);
	return conf;
}

int roster_desk_open(struct roster_desk *d, const struct config_source *source)
{
	struct config_faults faults;
	int64_t when;

	*d = (struct roster_desk){0};
	d->file = config_load(source, &faults);
	if (!d->file)
		config_faults_print(&faults, STDERR_FILENO);
	config_faults_done(&faults);
	if (!d->file)
		return EXIT_USAGE;
	d->loop = loop_new();
	if (!d->loop) {
		tell_fault("too many open files");
		return EXIT_RUNTIME;
	}
	d->work = work_new(d->loop, 1);
	if (!source->is_thrust)
		d->place = roster_place_new(d->file, d->work, &d->why_none);
	if (!d->place || roster_recall(d->file, &d->roster, &when, NULL) < 0)
		d->roster = roster_new();
	return 0;
}

void roster_desk_close(struct roster_desk *d)
{
	roster_free(d->roster);
	roster_place_free(d->place);
	free(d->why_none);
	config_unref(d->file);
	if (d->work)
		work_free(d->work);
	if (d->loop)
		loop_free(d->loop);
	*d = (struct roster_desk){0};
}

int roster_desk_read(struct roster_desk *d)
{
	struct why why = {""};
	struct buf text = {0};
	int r;

	if (!d->place)
		return 0;
	r = roster_update(d->place, d->roster, clock_now() + READ_LIMIT, &why);
	if (r >= 0)
		return 0;
	text_add_harmless(&text, str_of(why.text));
	tell_fault("the roster cannot be read: " STR_FMT, STR_ARG(buf_str(&text)));
	if (roster_version(d->roster))
		tell_fault("version %llu of it is what is known here",
			(unsigned long long)roster_version(d->roster));
	buf_done(&text);
	return r;
}

struct config *roster_desk_load(struct roster_desk *d, const struct config_source *source)
{
	struct config_source with = *source;
	struct buf text = {0};
	struct config *conf;

	roster_write(d->roster, &text);
	with.roster = buf_str(&text);
	conf = load_aloud(&with);
	buf_done(&text);
	return conf;
}

void roster_desk_be_owner(const struct roster_desk *d, struct roster_owner *ret)
{
	roster_owner_become(
		ret, roster_place_directory(d->place), d->file->file.n ? d->file->file.p : NULL);
}
