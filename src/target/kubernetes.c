/* kubernetes.c - pods in a cluster: a machine is a StatefulSet of one pod, which is scaled to 0
 * when it sleeps, or one pod of a StatefulSet with several, which never does.
 *
 * A few calls of the cluster's API, as the account of our own pod, which must be allowed them:
 * packaging/kubernetes/ has the role.  What is not allowed is done without, where that is
 * possible.  Each call blocks, and runs on a thread. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "target/http.h"

#define ACCOUNT	    "/var/run/secrets/kubernetes.io/serviceaccount"
#define REQUEST	    10000 /* msec, for one */
#define WAKE_LIMIT  60000
#define PAUSE_FIRST 100
#define PAUSE_LAST  1000
#define SECRET_MAX  65536 /* bytes of a token */
#define TEXT_MAX    300

struct kubernetes {
	struct target target; /* first */
	struct http_client http;
	char *api;     /* "https://10.96.0.1:443" */
	char *account; /* directory with token, ca.crt and namespace */
	char *ca;      /* of account; NULL: there is none */
	char *space;   /* namespace */
};

static const struct kubernetes *kubernetes_of(const struct target_call *call)
{
	return (const struct kubernetes *)(const void *)call->target;
}

/* --- one request --- */

/* The token is renewed while we run. */
static char *read_authority(struct target_call *call)
{
	CLEAN_FREE char *path = xasprintf("%s/token", kubernetes_of(call)->account);
	struct buf token = {0};
	char *line = NULL;
	int r = file_read_given(path, SECRET_MAX, &token);

	if (r == 0)
		line = xasprintf(
			"Authorization: Bearer " STR_FMT, STR_ARG(str_trim(buf_str(&token))));
	else
		target_call_set(call, -EACCES, "the account of this pod has no token: %s: %s", path,
			strerror(-r));
	if (token.p)
		explicit_bzero(token.p, token.cap);
	buf_done(&token);
	return line;
}

/* The message of a Status object: somebody else's words, on one line, and short. */
static void read_message(json_t *answer, char out[TEXT_MAX])
{
	const char *text = json_string_value(json_object_get(answer, "message"));
	size_t n = 0;

	for (const char *p = text ? text : ""; *p && n + 1 < TEXT_MAX; p++)
		out[n++] = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
	out[n] = '\0';
}

/* 0 and the answer's object (json_decref), or a target's error with its reason in the call. */
static int ask_api(struct target_call *call, const char *method, char *take_path, str body,
	const char *doing, json_t **ret)
{
	const struct kubernetes *k = kubernetes_of(call);
	CLEAN_FREE char *path = take_path;
	CLEAN_FREE char *url = xasprintf("%s%s", k->api, path);
	CLEAN_FREE char *authority = read_authority(call);
	struct http_request r = {.method = method,
		.url = url,
		.authority = authority,
		.type = body.n ? "application/merge-patch+json" : NULL,
		.body = body,
		.ca_file = k->ca,
		.limit = REQUEST};
	struct http_answer a = {0};
	json_t *answer = NULL;
	char message[TEXT_MAX];
	int error = authority ? http_ask(&k->http, call, &r, &a) : -EACCES;

	if (error == 0) {
		answer = json_loadb(buf_str(&a.body).p, buf_len(&a.body), 0, NULL);
		error = http_error(a.status);
		read_message(answer, message);
		if (error == 0 && !answer)
			error = -EIO;
		if (error < 0)
			target_call_set(call, error, "the cluster does not %s: %ld %s", doing,
				a.status, message);
		call->result.retry_after = a.retry_after;
	}
	buf_done(&a.body);
	if (authority)
		explicit_bzero(authority, strlen(authority));
	if (error < 0) {
		json_decref(answer);
		return error;
	}
	target_call_set(call, 0, "%s", ""); /* whatever was asked before */
	*ret = answer;
	return 0;
}

/* --- pods --- */

static str member(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? str_of(text) : STR_EMPTY;
}

static str name_of(json_t *pod)
{
	return member(json_object_get(pod, "metadata"), "name");
}

static bool is_ending(json_t *pod)
{
	return json_object_get(json_object_get(pod, "metadata"), "deletionTimestamp") != NULL;
}

/* In words that people know of machines. */
static const char *state_of_pod(json_t *pod)
{
	str phase = member(json_object_get(pod, "status"), "phase");

	if (!pod)
		return "stopped";
	if (is_ending(pod))
		return "stopping";
	if (str_eq(phase, STR("Running")))
		return "started";
	return str_eq(phase, STR("Pending")) ? "starting" : "failed";
}

/* The pod of a machine is the only one of a StatefulSet of that name, or has the name itself. */
static int get_pod(struct target_call *call, str machine, json_t **ret)
{
	const char *space = kubernetes_of(call)->space;
	int error = ask_api(call, "GET",
		xasprintf("/api/v1/namespaces/%s/pods/" STR_FMT "-0", space, STR_ARG(machine)),
		STR_EMPTY, "show the pod", ret);

	if (error != -ENOENT)
		return error;
	return ask_api(call, "GET",
		xasprintf("/api/v1/namespaces/%s/pods/" STR_FMT, space, STR_ARG(machine)),
		STR_EMPTY, "show the pod", ret);
}

static json_t *find_pod(json_t *pods, str machine)
{
	CLEAN_FREE char *only = xasprintf(STR_FMT "-0", STR_ARG(machine));
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod)
	{
		str name = name_of(pod);

		if (str_eq(name, machine) || str_eq(name, str_of(only)))
			return pod;
	}
	return NULL;
}

/* --- the list --- */

/* Without leave to list pods the machines of the configuration are listed without their states. */
static void list_pods(struct target_call *call)
{
	json_t *list = NULL;
	int error = ask_api(call, "GET",
		xasprintf("/api/v1/namespaces/%s/pods", kubernetes_of(call)->space), STR_EMPTY,
		"list pods", &list);
	json_t *pods = json_object_get(list, "items");

	for (size_t i = 0; i < call->nmachines && error == 0; i++)
		call->machines[i].state =
			str_of(state_of_pod(find_pod(pods, call->machines[i].name)));
	if (error == -EACCES)
		target_call_set(call, 0, "%s", "");
	json_decref(list);
}

/* --- addresses --- */

/* As the cluster has it now: names are remembered for half a minute, also that there is none. */
static void find_address(struct target_call *call)
{
	json_t *pod = NULL;
	struct address address = {.family = AF_INET, .port = (uint16_t)call->target->port};
	int error = get_pod(call, call->machine, &pod);
	str ip = member(json_object_get(pod, "status"), "podIP");

	if (error == 0 && ip.n && !is_ending(pod)) {
		if (inet_pton(AF_INET, ip.p, &address.v4) != 1) {
			address.family = AF_INET6;
			if (inet_pton(AF_INET6, ip.p, &address.v6) != 1)
				error = -EIO;
		}
		if (error == 0)
			target_call_add_address(call, &address);
		else
			target_call_set(call, error, "the cluster tells an address that is none");
	} else if (error == 0 || error == -ENOENT) {
		target_call_set(call, -EAGAIN, "its pod has no address: it is %s",
			state_of_pod(error == 0 ? pod : NULL));
	}
	json_decref(pod);
}

/* --- the scale --- */

static char *scale_path(const struct target_call *call, str machine)
{
	return xasprintf("/apis/apps/v1/namespaces/%s/statefulsets/" STR_FMT "/scale",
		kubernetes_of(call)->space, STR_ARG(machine));
}

static int set_scale(struct target_call *call, str machine, uint64_t replicas)
{
	struct buf body = {0};
	struct json *j = &(struct json){.out = &body};
	json_t *answer = NULL;
	int error;

	json_open_object(j, NULL);
	json_open_object(j, "spec");
	json_number(j, "replicas", replicas);
	json_close_object(j);
	json_close_object(j);
	error = ask_api(call, "PATCH", scale_path(call, machine), buf_str(&body),
		replicas ? "start the machine" : "stop the machine", &answer);
	json_decref(answer);
	buf_done(&body);
	return error;
}

/* 0 and how many pods the StatefulSet of this machine is to have. */
static int get_scale(struct target_call *call, str machine, json_int_t *ret)
{
	json_t *scale = NULL;
	int error = ask_api(
		call, "GET", scale_path(call, machine), STR_EMPTY, "show the StatefulSet", &scale);

	/* Zero is left out. */
	if (error == 0)
		*ret = json_integer_value(
			json_object_get(json_object_get(scale, "spec"), "replicas"));
	json_decref(scale);
	return error;
}

static bool rest_a_while(const struct target_call *call, msec length)
{
	poll(NULL, 0, (int)length);
	return !target_call_is_over(call);
}

/* Why the pod is not there yet, as far as the cluster says. */
static void explain_wait(struct target_call *call, json_t *pod)
{
	json_t *conditions = json_object_get(json_object_get(pod, "status"), "conditions"), *c;
	char message[TEXT_MAX] = "";
	size_t i;

	json_array_foreach(conditions, i, c) if (str_eq(member(c, "status"), STR("False")) &&
						 member(c, "message").n && !*message)
		read_message(c, message);
	target_call_set(call, -ETIMEDOUT, "its pod is %s%s%s", state_of_pod(pod),
		*message ? ": " : "", message);
}

/* What goes wrong in a moment of it may go right in the next. */
static void await_pod(struct target_call *call)
{
	msec until = clock_now() + WAKE_LIMIT, pause = PAUSE_FIRST;

	do {
		json_t *pod = NULL;
		int error = get_pod(call, call->machine, &pod);
		bool is_there = error == 0 && strcmp(state_of_pod(pod), "started") == 0;

		/* That it may not be seen is no reason to believe that it is not there. */
		if (is_there || error == -EACCES)
			target_call_set(call, 0, "%s", "");
		else if (error == 0)
			explain_wait(call, pod);
		json_decref(pod);
		if (is_there || error == -EACCES)
			return;
		pause = MIN(pause * 2, (msec)PAUSE_LAST);
	} while (clock_now() < until && rest_a_while(call, pause));
}

/* A pod of several is always on, or will be: its StatefulSet sees to that. */
static void wake_pod(struct target_call *call)
{
	json_int_t replicas = 0;
	int error = get_scale(call, call->machine, &replicas);

	if (error == 0 && replicas == 0)
		error = set_scale(call, call->machine, 1);
	if (error == 0 || error == -ENOENT)
		await_pod(call);
}

static void scale_to_nothing(struct target_call *call)
{
	json_int_t replicas = 0;
	int error = get_scale(call, call->machine, &replicas);

	if (error == -ENOENT || (error == 0 && replicas > 1))
		target_call_set(call, -ENOTSUP,
			"a pod of a StatefulSet with several cannot sleep alone; a machine that "
			"sleeps needs a StatefulSet of its own, of the same name");
	else if (error == 0 && replicas == 1)
		(void)!set_scale(call, call->machine, 0);
}

/* --- calls --- */

static void begin_call(struct target_call *call, target_call_fn *run)
{
	struct kubernetes *k = (struct kubernetes *)call->target;

	if (http_prepare(&k->http, call, "the cluster's API"))
		target_call_work(call, run);
	else
		target_call_end(call);
}

/* Names become part of paths: only those that the configuration has, whose form was checked. */
static void begin_call_about(struct target_call *call, target_call_fn *run)
{
	if (config_find_machine(call->target->conf, call->machine)) {
		begin_call(call, run);
		return;
	}
	target_call_set(call, -ENOENT, "no machine of this name is in machines:");
	target_call_end(call);
}

static void list_machines(struct target_call *call)
{
	target_configured_add(call);
	begin_call(call, list_pods);
}

/* One that says where it is may be outside of the cluster. */
static void find_machine_address(struct target_call *call)
{
	const struct machine_conf *m = config_find_machine(call->target->conf, call->machine);

	if (m && m->address.n)
		target_configured_addresses(call);
	else
		begin_call_about(call, find_address);
}

static void wake_machine(struct target_call *call)
{
	begin_call_about(call, wake_pod);
}

static void stop_machine(struct target_call *call)
{
	if (call->how == TARGET_STOP) {
		begin_call_about(call, scale_to_nothing);
		return;
	}
	target_call_set(call, -ENOTSUP,
		call->how == TARGET_SUSPEND
			? "a pod cannot be suspended; `stop` scales it to 0"
			: "a pod that exits is started again; `stop` scales it to 0");
	target_call_end(call);
}

static void stop_ourselves(struct target_call *call)
{
	call->machine = arena_dup(&call->arena, call->target->conf->our_machine);
	stop_machine(call);
}

static void close_kubernetes(struct target *t)
{
	struct kubernetes *k = (struct kubernetes *)t;

	free(k->api);
	free(k->account);
	free(k->ca);
	free(k->space);
}

static const struct target_ops ops = {
	.name = "kubernetes",
	.close = close_kubernetes,
	.list = list_machines,
	.wake = wake_machine,
	.sleep = stop_ourselves,
	.sleep_other = stop_machine,
	.addresses = find_machine_address,
};

/* --- the start --- */

static char *read_space(const char *account)
{
	CLEAN_FREE char *path = xasprintf("%s/namespace", account);
	struct buf text = {0};
	char *space =
		file_read_given(path, 256, &text) == 0 ? str_dup(str_trim(buf_str(&text))) : NULL;

	if (space)
		space[strcspn(space, "\r\n")] = '\0';
	buf_done(&text);
	return space && *space ? space : xstrdup("default");
}

int target_kubernetes_new(const struct target_setup *setup, struct target **ret, char **ret_reason)
{
	const char *host = target_environ(setup->environ, "KUBERNETES_SERVICE_HOST"),
		   *port = target_environ(setup->environ, "KUBERNETES_SERVICE_PORT"),
		   *account = target_environ(setup->environ, "ATC_KUBERNETES_ACCOUNT");
	struct kubernetes *k;

	if (!host || !*host) {
		*ret_reason =
			xstrdup("target kubernetes: KUBERNETES_SERVICE_HOST is not set: this is no "
				"pod of a cluster; set machine.target for another one");
		return -EINVAL;
	}
	k = xcalloc(1, sizeof(*k));
	k->api = xasprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		port && *port ? port : "443");
	k->account = xstrdup(account && *account ? account : ACCOUNT);
	k->ca = xasprintf("%s/ca.crt", k->account);
	if (access(k->ca, R_OK) < 0) {
		free(k->ca);
		k->ca = NULL;
	}
	k->space = read_space(k->account);
	k->target.ops = &ops;
	*ret = &k->target;
	return 0;
}
