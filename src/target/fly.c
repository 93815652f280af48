/* fly.c - Fly.io as a target: what it needs from the environment, and who does what. */
/* SPDX-License-Identifier: MIT */
#include "target/fly.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/number.h"

/* Plain HTTP; it does not leave the private network. */
#define API_INSIDE "http://_api.internal:4280"
#define SOCKET	   "/.fly/api"

/* --- calls --- */

/* By the API if there is a token, else by other means, if there are any. */
static void by_api(struct target_call *call, target_call_fn *run, target_call_fn *otherwise)
{
	const struct fly *f = fly_of(call);

	if (f->authority ? fly_has_curl(call) : otherwise != NULL) {
		target_call_work(call, f->authority ? run : otherwise);
		return;
	}
	if (!f->authority)
		target_call_set(call, -ENOTSUP,
			"that takes a token for Fly's API: fly secrets set "
			"FLY_API_TOKEN=\"$(fly tokens create deploy)\"");
	target_call_end(call);
}

/* A name becomes part of a path, and of a name in DNS. */
static bool check_name(struct target_call *call)
{
	if (fly_is_machine(call->machine))
		return true;
	target_call_set(call, -ENOENT, "\"" STR_FMT "\" is not the id of a machine of Fly's",
		STR_ARG(call->machine));
	target_call_end(call);
	return false;
}

static void list_all(struct target_call *call)
{
	by_api(call, fly_list_by_api, fly_list_by_names);
}

static void wake_one(struct target_call *call)
{
	if (!check_name(call))
		return;
	if (fly_of(call)->authority)
		by_api(call, fly_wake_by_api, NULL);
	else
		fly_knock(call);
}

static void sleep_here(struct target_call *call)
{
	if (call->how == TARGET_EXIT) /* and Fly's restart policy `on-failure` leaves it at that */
		target_call_end(call);
	else
		fly_sleep(call);
}

static void put_to_sleep(struct target_call *call)
{
	if (!check_name(call))
		return;
	if (call->how == TARGET_EXIT) {
		target_call_set(call, -ENOTSUP, "only a machine itself can exit");
		target_call_end(call);
		return;
	}
	by_api(call, fly_sleep_by_api, NULL);
}

static void create(struct target_call *call)
{
	by_api(call, fly_create, NULL);
}

static void destroy(struct target_call *call)
{
	if (check_name(call))
		by_api(call, fly_destroy, NULL);
}

/* What the configuration says wins, as everywhere. */
static void find_addresses(struct target_call *call)
{
	const struct machine_conf *m = config_find_machine(call->target->conf, call->machine);

	if (m && m->address.n)
		target_configured_addresses(call);
	else if (check_name(call))
		target_call_work(call, fly_addresses);
}

static void self(const struct target *t, struct target_self *ret)
{
	const struct fly *f = container_of((struct target *)(uintptr_t)t, struct fly, target);
	const char *image = target_environ(t->environ, "FLY_IMAGE_REF"),
		   *memory = target_environ(t->environ, "FLY_VM_MEMORY_MB");
	uint64_t mb = 0;

	if (memory && number_parse(str_of(memory), UINT32_MAX, &mb) < 0)
		mb = 0;
	*ret = (struct target_self){.machine = str_of(f->machine),
		.region = str_of(f->region),
		.app = str_of(f->app),
		.image = str_of(image ? image : ""),
		.memory = mb << 20};
}

/* --- begin and end --- */

static void stop_fly(struct target *t)
{
	fly_sleep_stop(container_of(t, struct fly, target));
}

static void close_fly(struct target *t)
{
	struct fly *f = container_of(t, struct fly, target);

	if (f->has_curl)
		f->curl.global_cleanup();
	free(f->app);
	free(f->machine);
	free(f->region);
	free(f->group);
	free(f->api);
	if (f->authority)
		explicit_bzero(f->authority, strlen(f->authority));
	free(f->authority);
	free(f->socket);
	free(f->edge);
}

static const struct target_ops ops = {
	.name = "fly",
	.discovers = true,
	.stop = stop_fly,
	.close = close_fly,
	.self = self,
	.list = list_all,
	.wake = wake_one,
	.sleep = sleep_here,
	.sleep_other = put_to_sleep,
	.addresses = find_addresses,
	.create = create,
	.destroy = destroy,
};

static const char *setting(
	const struct target_setup *setup, const char *name, const char *otherwise)
{
	const char *value = target_environ(setup->environ, name);

	return value && *value ? value : otherwise;
}

/* Some tokens bring the word before them along. */
static char *authority_of(const struct target_setup *setup)
{
	const char *token = setting(setup, "FLY_API_TOKEN", NULL);
	str text;

	if (!token)
		token = setting(setup, "FLY_ACCESS_TOKEN", NULL);
	text = str_trim(str_of(token ? token : ""));
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ')
			text.n = i; /* a line more than was meant */
	if (!text.n)
		return NULL;
	return str_starts(text, STR("FlyV1 ")) || str_starts(text, STR("Bearer "))
		       ? str_dup(text)
		       : xasprintf("Bearer " STR_FMT, STR_ARG(text));
}

int target_fly_new(const struct target_setup *setup, struct target **ret, char **ret_reason)
{
	const char *names = setting(setup, "FLY_ATC_DNS", NULL), *app, *machine;
	struct name_server server = {0};
	struct fly *f;

	app = setting(setup, "FLY_APP_NAME", NULL);
	machine = setting(setup, "FLY_MACHINE_ID", NULL);
	if (!app || !machine) {
		*ret_reason =
			xstrdup("target fly needs FLY_APP_NAME and FLY_MACHINE_ID, which Fly sets");
		return -EINVAL;
	}
	if (names && name_server_parse(str_of(names), &server) < 0) {
		*ret_reason = xasprintf("FLY_ATC_DNS: \"%s\" is no address and port", names);
		return -EINVAL;
	}
	f = xcalloc(1, sizeof(*f));
	f->target.ops = &ops;
	f->names = server;
	f->app = xstrdup(app);
	f->machine = xstrdup(machine);
	f->region = xstrdup(setting(setup, "FLY_REGION", ""));
	f->group = xstrdup(setting(setup, "FLY_PROCESS_GROUP", ""));
	f->api = xstrdup(setting(setup, "FLY_FLAPS_BASE_URL", API_INSIDE));
	f->socket = xstrdup(setting(setup, "FLY_ATC_FLY_API", SOCKET));
	f->authority = authority_of(setup);
	if (setting(setup, "FLY_ATC_EDGE", NULL))
		f->edge = xstrdup(setting(setup, "FLY_ATC_EDGE", ""));
	list_init(&f->sleeps);
	*ret = &f->target;
	return 0;
}
