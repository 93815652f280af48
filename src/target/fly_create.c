/* fly_create.c - makes a machine like this one in another region, with a disk where ours has one.
 *
 * The machine carries the wish's key as metadata, by which a second try finds what the first one
 * made, wherever that was cut off; a disk without a machine is taken by the next try. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/fly.h"

#define CREATE_LIMIT 120000 /* msec, for all of it */
#define FIND_TRIES   4	    /* of an answer that was lost; what is listed may lag */
#define FIND_PAUSE   1000
#define KEY	     "fly_atc_key"
#define WORD_MAX     63 /* bytes of a name, a region or a key */

/* What becomes part of a path or a query. */
static bool is_plain(str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = char_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr(others, c))
			return false;
	}
	return s.n <= WORD_MAX;
}

static bool check_wish(struct target_call *call)
{
	const struct target_wish *w = &call->wish;
	const char *fault = NULL;

	if (!is_plain(w->name, "-"))
		fault = "name of a machine: letters, digits and -";
	else if (!is_plain(w->region, ""))
		fault = "region";
	else if (!w->key.n || !is_plain(w->key, "-_"))
		fault = "key: letters, digits, - and _";
	if (fault)
		target_call_set(call, -EIO, "that is no %s", fault);
	return !fault;
}

/* --- what is there already --- */

/* 1: call->created is it; 0: there is none; or an error. */
static int find_made(struct target_call *call, msec until)
{
	json_t *list = fly_get(call,
		xasprintf("/machines?metadata." KEY "=" STR_FMT, STR_ARG(call->wish.key)), until,
		"list the machines");
	const json_t *machine;
	int r = 0;
	size_t i;

	if (!list)
		return call->result.error;
	json_array_foreach(list, i, machine)
	{
		str id = fly_member(machine, "id"), state = fly_member(machine, "state");

		/* Whether it was asked for by key is up to the API, so we look, too. */
		if (r == 0 && fly_is_machine(id) && !str_eq(state, STR("destroyed")) &&
			str_eq(fly_member(json_object_get(
						  json_object_get(machine, "config"), "metadata"),
				       KEY),
				call->wish.key)) {
			call->created = arena_dup(&call->arena, id);
			r = 1;
		}
	}
	json_decref(list);
	return r;
}

/* Our own configuration, to be changed; a new reference, or NULL. */
static json_t *own_config(struct target_call *call, msec until)
{
	json_t *machine = fly_get(
		call, xasprintf("/machines/%s", fly_of(call)->machine), until, "show this machine");
	json_t *config = json_incref(json_object_get(machine, "config"));
	str status = fly_member(machine, "host_status");

	if (machine && (!json_is_object(config) || (status.n && !str_eq(status, STR("ok"))))) {
		target_call_set(call, -EAGAIN,
			"what Fly knows of this machine is incomplete at the moment: its host cannot "
			"be reached");
		json_decref(config);
		config = NULL;
	}
	json_decref(machine);
	return config;
}

static json_t *post_json(struct target_call *call, const char *path, const json_t *body, msec until,
	const char *doing)
{
	CLEAN_FREE char *text = json_dumps(body, JSON_COMPACT);

	return fly_post(call, xstrdup(path), str_of(text), until, doing);
}

/* --- the disk --- */

/* One that has our disk's name, is in that region, and belongs to nobody; an id or NULL. */
static char *find_free_volume(
	struct target_call *call, str name, str region, msec until, bool *ret_failed)
{
	json_t *list = fly_get(call, xstrdup("/volumes"), until, "list the volumes"), *v;
	char *found = NULL;
	size_t i;

	*ret_failed = !list;
	json_array_foreach(list, i, v)
	{
		str id = fly_member(v, "id"), state = fly_member(v, "state");

		if (!found && str_eq(fly_member(v, "name"), name) &&
			str_eq(fly_member(v, "region"), region) &&
			!fly_member(v, "attached_machine_id").n && is_plain(id, "_") &&
			(!state.n || str_eq(state, STR("created"))))
			found = str_dup(id);
	}
	json_decref(list);
	return found;
}

static json_t *volume_like(const json_t *ours, str region, const json_t *guest)
{
	static const char *const kept[] = {"name", "size_gb", "encrypted", "fstype",
		"snapshot_retention", "auto_backup_enabled"};
	json_t *wish = json_object();

	for (size_t i = 0; i < NITEMS(kept); i++) {
		json_t *value = json_object_get(ours, kept[i]);

		if (value && !json_is_null(value))
			json_object_set(wish, kept[i], value);
	}
	json_object_set_new(wish, "region", json_stringn(region.p, region.n));
	if (guest)
		json_object_set(wish, "compute", (json_t *)(uintptr_t)guest);
	return wish;
}

static char *make_volume(
	struct target_call *call, const json_t *ours, str region, const json_t *guest, msec until)
{
	json_t *wish = volume_like(ours, region, guest),
	       *made = post_json(call, "/volumes", wish, until, "make a volume");
	str id = fly_member(made, "id");
	char *found = is_plain(id, "_") && id.n ? str_dup(id) : NULL;

	if (made && !found)
		target_call_set(
			call, -EIO, "the Machines API made a volume, and did not say which");
	json_decref(wish);
	json_decref(made);
	return found;
}

/* The mount's own volume becomes one in that region.  `is_new`: none that is there already. */
static int change_volume(struct target_call *call, json_t *config, json_t *mount, str region,
	bool is_new, msec until)
{
	str ours_id = fly_member(mount, "volume");
	json_t *ours;
	char *id = NULL;
	bool has_failed = false;

	if (!is_plain(ours_id, "_")) {
		target_call_set(call, -EIO, "this machine's mount is of no volume");
		return -EIO;
	}
	ours = fly_get(call, xasprintf("/volumes/" STR_FMT, STR_ARG(ours_id)), until,
		"show this machine's volume");
	if (ours && !is_new)
		id = find_free_volume(call, fly_member(ours, "name"), region, until, &has_failed);
	if (ours && !id && !has_failed)
		id = make_volume(call, ours, region, json_object_get(config, "guest"), until);
	json_decref(ours);
	if (!id)
		return call->result.error;
	json_object_set_new(mount, "volume", json_string(id));
	json_object_del(mount, "name");
	free(id);
	return 0;
}

static int change_volumes(
	struct target_call *call, json_t *config, str region, bool is_new, msec until)
{
	json_t *mounts = json_object_get(config, "mounts"), *mount;
	size_t i;
	int r = 0;

	json_array_foreach(mounts, i, mount) if (r == 0) r =
		change_volume(call, config, mount, region, is_new, until);
	return r;
}

/* --- the machine --- */

static void mark(json_t *config, str key)
{
	json_t *metadata = json_object_get(config, "metadata");

	if (!json_is_object(metadata)) {
		metadata = json_object();
		json_object_set_new(config, "metadata", metadata);
	}
	json_object_set_new(metadata, KEY, json_stringn(key.p, key.n));
	/* What is ours alone. */
	json_object_del(config, "schedule");
	json_object_del(config, "standbys");
}

static int post_machine(struct target_call *call, const json_t *config, str region, msec until)
{
	const struct target_wish *w = &call->wish;
	json_t *body = json_object(), *made;
	str id;
	int r = 0;

	json_object_set(body, "config", (json_t *)(uintptr_t)config);
	json_object_set_new(body, "region", json_stringn(region.p, region.n));
	if (w->name.n)
		json_object_set_new(body, "name", json_stringn(w->name.p, w->name.n));
	made = post_json(call, "/machines", body, until, "make the machine");
	id = fly_member(made, "id");
	if (made && !fly_is_machine(id))
		target_call_set(
			call, -EIO, "the Machines API made a machine, and did not say which");
	else if (made)
		call->created = arena_dup(&call->arena, id);
	if (!call->created.n)
		r = call->result.error;
	json_decref(body);
	json_decref(made);
	return r;
}

/* It may have been made although we were not told. */
static int find_in_spite(struct target_call *call, msec until)
{
	int error = call->result.error;
	const char *reason = call->result.reason;

	for (int i = 0; i < FIND_TRIES && fly_pause(call, i ? FIND_PAUSE : 0); i++)
		if (find_made(call, until) == 1)
			return 0;
	target_call_set(call, error, "%s", reason);
	return error;
}

/* Somebody else was faster with a volume that belonged to nobody. */
static bool has_lost_volume(struct target_call *call, const json_t *config, msec until)
{
	struct target_result before = call->result;
	const json_t *mount;
	bool is_lost = false;
	size_t i;

	json_array_foreach(json_object_get(config, "mounts"), i, mount)
	{
		str id = fly_member(mount, "volume");
		json_t *v = fly_get(call, xasprintf("/volumes/" STR_FMT, STR_ARG(id)), until,
			"show the volume");

		is_lost = is_lost || fly_member(v, "attached_machine_id").n;
		json_decref(v);
	}
	call->result = before;
	return is_lost;
}

static int make(struct target_call *call, bool is_new, msec until, bool *ret_lost)
{
	str region = call->wish.region.n ? call->wish.region : str_of(fly_of(call)->region);
	json_t *config = own_config(call, until);
	int r;

	*ret_lost = false;
	if (!config)
		return call->result.error;
	mark(config, call->wish.key);
	r = change_volumes(call, config, region, is_new, until);
	if (r == 0) {
		r = post_machine(call, config, region, until);
		if (r < 0 && r != -EACCES)
			r = find_in_spite(call, until);
		*ret_lost = r < 0 && !is_new && has_lost_volume(call, config, until);
	}
	json_decref(config);
	return r;
}

void fly_create(struct target_call *call)
{
	msec until = clock_now() + CREATE_LIMIT;
	bool is_lost;
	int r;

	if (!check_wish(call))
		return;
	r = find_made(call, until);
	if (r == 0) {
		r = make(call, false, until, &is_lost);
		if (is_lost && !target_call_is_over(call))
			r = make(call, true, until, &is_lost);
	}
	if (r < 0)
		return;
	/* Made it is; whether it has started by now is to be seen where machines are listed. */
	(void)!fly_await(call, call->created, "started", NULL, until);
	target_call_set(call, 0, "%s", "");
}
