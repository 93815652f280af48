/* machines.c - the machines of the fleet: listed, woken, put to sleep, made and removed. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "control/control_int.h"

enum { MACHINE_WAIT_MAGIC = MAGIC('m', 'w', 'a', 't') };

/* Outlives its session, since the platform's answer may come later. */
struct machine_wait {
	uint32_t magic;
	struct session *session; /* NULL: no session waits for the end */
	struct buf list;	 /* of the machines: JSON so far */
	struct json json;
};

static struct machine_wait *wait_new(struct session *s)
{
	struct machine_wait *w = xcalloc(1, sizeof(*w));

	MAGIC_BEGIN(w, MACHINE_WAIT_MAGIC);
	w->json.out = &w->list;
	session_wait(s, &w->session);
	return w;
}

static void wait_free(struct machine_wait *w)
{
	buf_done(&w->list);
	MAGIC_END(w, MACHINE_WAIT_MAGIC);
	free(w);
}

static unsigned status_of(int err)
{
	switch (err) {
	case 0:
		return 200;
	case -EINVAL:
		return 400;
	case -EACCES:
		return 403;
	case -ENOENT:
		return 404;
	case -EBUSY:
	case -ECANCELED:
		return 409;
	case -ENOTSUP:
		return 501;
	case -ETIMEDOUT:
		return 504;
	default:
		return 503;
	}
}

static void answer_machine(struct session *s, int err, str text)
{
	struct buf body = {0};
	struct json j = {.out = &body};

	json_open_object(&j, NULL);
	json_str(&j, err ? "error" : "machine", text);
	json_close_object(&j);
	buf_add_char(&body, '\n');
	session_answer(s, status_of(err), JSON_TYPE, buf_str(&body));
	buf_done(&body);
}

/* --- the list --- */

static void add_machine(void *arg, const struct control_machine *m)
{
	struct machine_wait *w = arg;
	struct json *j = &w->json;

	json_open_object(j, NULL);
	json_str(j, "name", m->name);
	json_str_or_null(j, "label", m->label);
	json_str_or_null(j, "region", m->region);
	json_str_or_null(j, "state", m->state);
	json_str_or_null(j, "address", m->address);
	json_bool(j, "self", m->is_self);
	json_number(j, "tenants", m->ntenants);
	json_close_object(j);
}

static void on_listed(void *arg, int err, str reason)
{
	struct machine_wait *w = arg;
	struct session *s = session_waited(&w->session);
	struct control_fleet f = {0};
	struct buf body = {0};
	struct json j = {.out = &body};

	MAGIC_CHECK(w, MACHINE_WAIT_MAGIC);
	if (s && err) {
		answer_machine(s, err, reason);
	} else if (s) {
		s->control->ops->fleet(s->control->arg, &f);
		json_open_object(&j, NULL);
		json_str(&j, "target", f.target);
		json_str_or_null(&j, "app", f.app);
		json_str_or_null(&j, "machine", f.machine);
		json_str_or_null(&j, "region", f.region);
		json_str_or_null(&j, "image", f.image);
		if (f.memory)
			json_number(&j, "memory", f.memory);
		json_close_array(&w->json);
		json_raw(&j, "machines", buf_str(&w->list));
		json_close_object(&j);
		buf_add_char(&body, '\n');
		session_answer(s, 200, JSON_TYPE, buf_str(&body));
	}
	buf_done(&body);
	wait_free(w);
}

void machines_list(struct session *s)
{
	struct machine_wait *w = wait_new(s);

	json_open_array(&w->json, NULL);
	s->control->ops->machines(s->control->arg, add_machine, on_listed, w);
}

/* --- orders --- */

static void on_ordered(void *arg, int err, str text)
{
	struct machine_wait *w = arg;
	struct session *s = session_waited(&w->session);

	MAGIC_CHECK(w, MACHINE_WAIT_MAGIC);
	if (s)
		answer_machine(s, err, text);
	wait_free(w);
}

void machines_order(struct session *s, const struct control_machine_order *order)
{
	s->control->ops->machine(s->control->arg, order, on_ordered, wait_new(s));
}
