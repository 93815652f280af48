/* fly_knock.c - wakes a machine without a token: a small request for one of its users goes to the
 * edge like any client's; whichever machine gets it answers with a replay to the owner, which the
 * edge starts for that.
 *
 * Only what is documented is used: that a replay to an instance starts it.  The path is of the
 * user, but of no tenant, so that the owner answers it without waking one. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/fly.h"

#define KNOCK_LIMIT	60000 /* msec */
#define CONNECT_TIMEOUT 3000L
#define PAUSE_FIRST	250
#define PAUSE_LAST	4000
#define NO_TENANT	"/.fly-atc/wake"

struct knock {
	char *path;
	char *host; /* that the user's pages have; NULL: any */
};

/* The user's own path: "/bellevue" of "/bellevue/2025/winter". */
static str user_path(str prefix)
{
	ssize_t slash = str_find_char(str_slice(prefix, 1, prefix.n), '/');

	return slash < 0 ? prefix : str_slice(prefix, 0, (size_t)slash + 1);
}

/* One that any host reaches is better. */
static const struct tenant_conf *tenant_of(const struct config *conf, str machine)
{
	const struct tenant_conf *found = NULL;

	for (size_t i = 0; i < conf->ntenants; i++) {
		const struct tenant_conf *t = &conf->tenants[i];

		if (!str_eq(t->lives_on, machine))
			continue;
		if (!t->host.n)
			return t;
		found = t;
	}
	return found;
}

/* --- on a thread --- */

static size_t on_nothing(char *data, size_t size, size_t n, void *arg)
{
	(void)data, (void)arg;
	return size * n;
}

static int on_knock_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return target_call_is_over(arg);
}

static void set_knock(const struct curl_library *lib, CURL *curl, struct target_call *call,
	msec until, char error[CURL_ERROR_SIZE])
{
	msec now = clock_now();

	lib->easy_setopt(curl, CURLOPT_NOBODY, 1L); /* HEAD */
	lib->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->easy_setopt(curl, CURLOPT_PROXY, "");
	lib->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT);
	lib->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(until > now ? until - now : 1));
	lib->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_nothing);
	lib->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_knock_progress);
	lib->easy_setopt(curl, CURLOPT_XFERINFODATA, call);
	lib->easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
}

/* The status of the answer, or 0 and the call has the reason. */
static long knock_at(struct target_call *call, const char *base, const char *host, msec until)
{
	const struct fly *f = fly_of(call);
	const struct curl_library *lib = &f->curl;
	const struct knock *k = call->own;
	CLEAN_FREE char *url = xasprintf("%s%s", base, k->path),
			*line = xasprintf("Host: %s", host);
	struct curl_slist *headers = lib->slist_append(NULL, line);
	char error[CURL_ERROR_SIZE] = "";
	CURL *curl = lib->easy_init();
	long status = 0;
	CURLcode code;

	if (!curl)
		abort();
	lib->easy_setopt(curl, CURLOPT_URL, url);
	lib->easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	set_knock(lib, curl, call, until, error);
	code = lib->easy_perform(curl);
	lib->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		status = 0;
		target_call_set(
			call, -EAGAIN, "%s: %s", base, *error ? error : lib->easy_strerror(code));
	}
	lib->easy_cleanup(curl);
	lib->slist_free_all(headers);
	return status;
}

/* By the app's private address, if it has one; else as the public does. */
static long knock_once(struct target_call *call, msec until)
{
	const struct fly *f = fly_of(call);
	const struct knock *k = call->own;
	CLEAN_FREE char *public_name = xasprintf("%s.fly.dev", f->app);
	const char *host = k->host ? k->host : public_name;
	CLEAN_FREE char *inside = xasprintf("http://%s.flycast", f->app),
			*outside = xasprintf("https://%s", host);
	long status;

	if (f->edge)
		return knock_at(call, f->edge, host, until);
	status = knock_at(call, inside, host, until);
	return status ? status : knock_at(call, outside, host, until);
}

static void knock_until_answered(struct target_call *call)
{
	msec until = clock_now() + KNOCK_LIMIT, pause = PAUSE_FIRST;

	for (;;) {
		long status = knock_once(call, until);

		if (status && status < 500) {
			target_call_set(call, 0, "%s", "");
			return;
		}
		if (status)
			target_call_set(call, -EAGAIN,
				"Fly's edge could not bring a request to " STR_FMT " (%ld)",
				STR_ARG(call->machine), status);
		if (clock_now() + pause >= until || !fly_pause(call, pause))
			return;
		pause = MIN(pause * 2, (msec)PAUSE_LAST);
	}
}

/* --- in the loop --- */

void fly_knock(struct target_call *call)
{
	const struct tenant_conf *t = tenant_of(call->target->conf, call->machine);
	struct knock *k;

	if (!t) {
		target_call_set(call, -ENOTSUP,
			"without a token (FLY_API_TOKEN) a machine is woken by a request for one of "
			"its users, and " STR_FMT " has none",
			STR_ARG(call->machine));
		target_call_end(call);
		return;
	}
	if (!fly_has_curl(call)) {
		target_call_end(call);
		return;
	}
	k = arena_zalloc(&call->arena, sizeof(*k));
	k->path = arena_printf(&call->arena, STR_FMT NO_TENANT, STR_ARG(user_path(t->prefix)));
	if (t->host.n)
		k->host = arena_printf(&call->arena, STR_FMT, STR_ARG(t->host));
	call->own = k;
	target_call_work(call, knock_until_answered);
}
