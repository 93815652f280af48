/* fly_machines.c - which machines the app has, and where they are: by the API, else by names. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "target/fly.h"

/* msec: for the API, before the names are asked; for all of it */
#define API_LIMIT   1500
#define LIST_LIMIT  15000
#define MACHINE_MAX 32 /* bytes of an id; today 14 */

bool fly_is_machine(str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = char_lower(name.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return false;
	}
	return name.n > 0 && name.n <= MACHINE_MAX;
}

/* --- by the API --- */

/* Another process group runs something else. */
static bool is_of_group(const struct fly *f, const json_t *machine)
{
	const json_t *config = json_object_get(machine, "config");
	str group = fly_member(json_object_get(config, "metadata"), "fly_process_group");

	if (!config)
		config = json_object_get(machine, "incomplete_config");
	if (!group.n)
		group = fly_member(json_object_get(config, "metadata"), "fly_process_group");
	return !group.n || !*f->group || str_eq(group, str_of(f->group));
}

static void add_shown(struct target_call *call, const json_t *machine)
{
	const struct fly *f = fly_of(call);
	str id = fly_member(machine, "id"), state = fly_member(machine, "state");

	if (!fly_is_machine(id) || !is_of_group(f, machine) || str_eq(state, STR("destroyed")) ||
		str_eq(state, STR("destroying")))
		return;
	target_call_add_machine(call, &(struct target_machine){.name = id,
					      .label = fly_member(machine, "name"),
					      .region = fly_member(machine, "region"),
					      .state = state,
					      .address = STR_EMPTY,
					      .is_self = str_eq(id, str_of(f->machine))});
}

/* --- by names: whoever is in the app's private network may ask --- */

/* Of "148e45d7c20978 sea,3d8d413b29d638 ord". */
static bool next_pair(str *rest, str *ret_id, str *ret_region)
{
	str pair;

	while (str_split(rest, ',', &pair)) {
		pair = str_trim(pair);
		if (str_split(&pair, ' ', ret_id) && fly_is_machine(*ret_id)) {
			*ret_region = str_trim(pair);
			return true;
		}
	}
	return false;
}

static bool is_among(str texts, str wanted)
{
	str id, region;

	while (next_pair(&texts, &id, &region))
		if (str_eq(id, wanted))
			return true;
	return false;
}

static void add_named(struct target_call *call, str all, str awake)
{
	const struct fly *f = fly_of(call);
	str id, region;

	while (next_pair(&all, &id, &region))
		target_call_add_machine(
			call, &(struct target_machine){.name = id,
				      .label = STR_EMPTY,
				      .region = region,
				      .state = is_among(awake, id) ? STR("started") : STR("asleep"),
				      .address = STR_EMPTY,
				      .is_self = str_eq(id, str_of(f->machine))});
}

static const char *name_error(int error)
{
	switch (error) {
	case -ENOENT:
		return "there is no such name";
	case -ETIMEDOUT:
		return "no name server answers";
	default:
		return "the name server's answer makes no sense";
	}
}

void fly_list_by_names(struct target_call *call)
{
	const struct fly *f = fly_of(call);
	CLEAN_FREE char *all_name = xasprintf("all.vms.%s.internal", f->app),
			*awake_name = xasprintf("vms.%s.internal", f->app);
	struct buf all = {0}, awake = {0};
	int r = names_texts(&f->names, all_name, &all);

	if (r == 0)
		r = names_texts(&f->names, awake_name, &awake);
	if (r == 0)
		add_named(call, buf_str(&all), buf_str(&awake));
	else
		target_call_set(
			call, r == -ENOENT ? -EAGAIN : r, "%s: %s", all_name, name_error(r));
	buf_done(&all);
	buf_done(&awake);
}

static void list_by_api(struct target_call *call, msec until)
{
	json_t *list = fly_get(call, xstrdup("/machines"), until, "list the machines");
	const json_t *machine;
	size_t i;

	if (list && !json_is_array(list))
		target_call_set(call, -EIO,
			"the Machines API answered something that is no list of machines");
	else if (list)
		target_call_set(call, 0, "%s", "");
	json_array_foreach(list, i, machine) add_shown(call, machine);
	json_decref(list);
}

/* By names, too, if the API does not answer well: who lives where does not depend on one of them.
 */
void fly_list_by_api(struct target_call *call)
{
	msec began = clock_now();
	struct target_result api;

	list_by_api(call, began + API_LIMIT);
	if (!call->result.error || target_call_is_over(call))
		return;
	api = call->result;
	target_call_set(call, 0, "%s", "");
	fly_list_by_names(call);
	if (!call->result.error || target_call_is_over(call))
		return;
	call->result = api;
	if (api.error != -EACCES)
		list_by_api(call, began + LIST_LIMIT);
}

void fly_addresses(struct target_call *call)
{
	const struct fly *f = fly_of(call);
	CLEAN_FREE char *name =
		xasprintf(STR_FMT ".vm.%s.internal", STR_ARG(call->machine), f->app);
	struct address found[TARGET_ADDRESSES_MAX];
	int n = names_addresses(
		&f->names, name, (uint16_t)call->target->port, found, NITEMS(found));

	for (int i = 0; i < n; i++)
		target_call_add_address(call, &found[i]);
	if (n == -ENOENT)
		target_call_set(call, -EAGAIN, "%s has no address: it sleeps, or is no more", name);
	else if (n < 0)
		target_call_set(call, n, "%s: %s", name, name_error(n));
}
