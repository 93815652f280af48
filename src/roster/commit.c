/* commit.c - writes a version: resolved against what is there, validated, and appended; again, if
 * somebody else was first. */
/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "roster/roster_int.h"

#define MAX_PAUSE  64u /* msec, before it is tried again */
#define MAX_WRITES 5u  /* without an answer; each has tries of its own */

struct commit {
	struct roster_place *place;
	struct config_source source;
	struct roster *roster;
	const struct roster_request *request; /* or: */
	const struct roster_return *back;
	bool is_dry;
	struct config *base; /* the file alone */
	struct roster_record record;
	msec until;
	struct roster_outcome *outcome;
	struct why *why;
};

void roster_outcome_done(struct roster_outcome *o)
{
	buf_done(&o->text);
	config_faults_done(&o->faults);
}

/* NULL: faults. */
static struct config *load_with(struct commit *c, const struct roster *r)
{
	struct buf text = {0};
	struct config *conf;

	if (r)
		roster_write(r, &text);
	c->source.roster = buf_str(&text);
	config_faults_done(&c->outcome->faults);
	conf = config_load(&c->source, &c->outcome->faults);
	c->source.roster = STR_EMPTY;
	buf_done(&text);
	return conf;
}

/* NULL: faults, or all of it has to be loaded. */
static struct config *load_part(struct commit *c)
{
	struct roster *part = roster_part(c->roster, &c->record);
	struct config *conf = part ? load_with(c, part) : NULL;

	roster_free(part);
	if (conf && roster_part_is_enough(conf, &c->record))
		return conf;
	config_unref(conf);
	return NULL;
}

/* The configuration with the record, which the roster does not have yet. */
static int validate(struct commit *c)
{
	uint64_t before = c->roster->version;
	struct config *conf;

	record_do(&c->record, c->roster);
	c->roster->version = c->record.version;
	conf = load_part(c);
	if (!conf)
		conf = load_with(c, c->roster);
	c->roster->version = before;
	record_undo(&c->record, c->roster);
	if (!conf) {
		why_set(c->why, "the configuration would have faults");
		return -EBADMSG;
	}
	config_unref(conf);
	return 0;
}

static void pause_a_little(unsigned tries)
{
	uint8_t random;

	random_bytes(&random, sizeof(random));
	poll(NULL, 0, (int)(random % MIN(1u << MIN(tries, 6u), MAX_PAUSE)));
}

/* Whether the version that is there is ours: the answer to our write may have been lost.  0,
 * -ESTALE (another's), -EAGAIN (there is none), -EIO, -EBADMSG. */
static int is_ours(struct commit *c, struct why *ret_why)
{
	struct roster_record there;
	int r = roster_read_record(c->place, c->record.version, c->until, &there, ret_why);
	bool is_it;

	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	is_it = str_eq(there.id, c->record.id);
	roster_record_done(&there);
	return is_it ? 0 : -ESTALE;
}

/* 0, -ESTALE: another's version is there.  Without an answer the very same bytes are written again
 * as long as there is nothing: the first of them that arrives is the one that counts. */
static int append(struct commit *c, str text)
{
	struct why lost = {""};
	int there = -EAGAIN;

	for (unsigned tries = 0; there == -EAGAIN && tries < MAX_WRITES; tries++) {
		if (tries > 0)
			pause_a_little(tries);
		if (place_append(c->place, c->record.version, text, c->until, &lost) == 0)
			return 0;
		there = is_ours(c, c->why);
	}
	if (there == -EAGAIN)
		why_set(c->why, "the store has not written the change: %s", lost.text);
	else if (there == -EIO)
		why_set(c->why, "it is not known whether the change was written: %s", lost.text);
	return there == -EAGAIN ? -EIO : there;
}

static int write_record(struct commit *c)
{
	struct buf text = {0};
	int r;

	record_write(&c->record, c->roster->head, &text);
	if (buf_len(&text) > STORE_OBJECT_MAX) {
		why_set(c->why, "that is too much for one change; do it in several");
		r = -EINVAL;
	} else {
		r = append(c, buf_str(&text));
	}
	if (r == 0) {
		record_do(&c->record, c->roster);
		c->roster->version = c->record.version;
		c->roster->is_confirmed = true;
		record_hash(buf_str(&text), c->roster->head);
		place_save_state(c->place, c->roster, c->until);
	}
	buf_done(&text);
	return r;
}

static int resolve_again(struct commit *c)
{
	roster_record_done(&c->record);
	if (c->request)
		return request_resolve(c->request, c->base, c->roster, &c->record, c->why);
	return return_resolve(c->back, c->place, c->until, c->roster, &c->record, c->why);
}

/* 0, or -ESTALE: somebody else was first. */
static int try_once(struct commit *c)
{
	int r = roster_update(c->place, c->roster, c->until, c->why);

	if (r >= 0)
		r = resolve_again(c);
	buf_clear(&c->outcome->text);
	if (r < 0 || !c->record.nchanges)
		return r;
	roster_record_describe(&c->record, &c->outcome->text);
	r = validate(c);
	if (r == 0 && !c->is_dry)
		r = write_record(c);
	if (r == 0)
		c->outcome->version = c->record.version;
	return r;
}

static int try_until(struct commit *c)
{
	int r = try_once(c);

	for (unsigned tries = 1; r == -ESTALE; tries++) {
		if (clock_now() >= c->until) {
			why_set(c->why, "others have written all the time; try again");
			return -EIO;
		}
		pause_a_little(tries);
		r = try_once(c);
	}
	return r;
}

static int run(struct commit *c)
{
	int r = c->is_dry ? 0 : place_prepare(c->place, c->why);

	MAGIC_CHECK(c->roster, ROSTER_MAGIC);
	if (r < 0)
		return r;
	c->base = load_with(c, NULL);
	if (!c->base) {
		why_set(c->why, "the configuration has faults");
		return -EBADMSG;
	}
	/* The store may be another one since it was last asked. */
	c->roster->is_confirmed = false;
	r = try_until(c);
	config_unref(c->base);
	roster_record_done(&c->record);
	return r;
}

int roster_commit(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_request *q, msec until, struct roster_outcome *ret, struct why *ret_why)
{
	struct commit c = {.place = p,
		.source = *source,
		.roster = r,
		.request = q,
		.is_dry = q->is_dry,
		.until = until,
		.outcome = ret,
		.why = ret_why};

	*ret = (struct roster_outcome){0};
	return run(&c);
}

int roster_revert(struct roster_place *p, const struct config_source *source, struct roster *r,
	const struct roster_return *q, msec until, struct roster_outcome *ret, struct why *ret_why)
{
	struct commit c = {.place = p,
		.source = *source,
		.roster = r,
		.back = q,
		.is_dry = q->is_dry,
		.until = until,
		.outcome = ret,
		.why = ret_why};

	*ret = (struct roster_outcome){0};
	return run(&c);
}
