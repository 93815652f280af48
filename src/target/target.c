/* target.c - finds the target, and passes calls on to it; what it cannot do is said here. */
/* SPDX-License-Identifier: MIT */
#include "target/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "target/target_int.h"

static const char *const names[TARGET_NKINDS] = {
#define TARGET(NAME, text, doc) text,
#include "target/targets.def"
};

/* --- answers that are due --- */

enum answer_shape { SHAPE_DONE, SHAPE_ADDRESSES, SHAPE_CREATED };

struct due {
	struct list link; /* target->answers */
	struct target *target;
	enum answer_shape shape;
	union {
		target_done_fn *done;
		target_addresses_fn *addresses;
		target_created_fn *created;
	} fn;
	void *arg;
	int error;
	char reason[];
};

static void give_answer(const struct due *d)
{
	struct target_result r = {.error = d->error, .reason = d->reason};

	switch (d->shape) {
	case SHAPE_DONE:
		d->fn.done(d->arg, &r);
		return;
	case SHAPE_ADDRESSES:
		d->fn.addresses(d->arg, &r, NULL, 0);
		return;
	case SHAPE_CREATED:
		d->fn.created(d->arg, &r, STR_EMPTY);
		return;
	}
}

/* target_free takes from the list what is not to be given any more, and leaves it to us. */
static void on_due(void *arg)
{
	struct due *d = arg;

	if (d->target) {
		list_remove(&d->link);
		give_answer(d);
	}
	free(d);
}

static struct due *due_new(
	struct target *t, enum answer_shape shape, void *arg, int error, const char *reason)
{
	size_t n = strlen(reason) + 1;
	struct due *d = xcalloc(1, sizeof(*d) + n);

	d->target = t;
	d->shape = shape;
	d->arg = arg;
	d->error = error;
	memcpy(d->reason, reason, n);
	list_append(&t->answers, &d->link);
	loop_defer(t->loop, on_due, d);
	return d;
}

void target_answer(
	struct target *t, target_done_fn *done, void *arg, int error, const char *fmt, ...)
{
	char reason[512];
	va_list ap;

	MAGIC_CHECK(t, TARGET_MAGIC);
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	due_new(t, SHAPE_DONE, arg, error, reason)->fn.done = done;
}

static struct due *cannot(struct target *t, enum answer_shape shape, void *arg, const char *what)
{
	char reason[128];

	snprintf(reason, sizeof(reason), "target %s cannot %s", names[t->kind], what);
	return due_new(t, shape, arg, -ENOTSUP, reason);
}

/* --- the target --- */

const char *target_environ(const struct target *t, const char *name)
{
	size_t n = strlen(name);

	for (char *const *e = t->environ; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

static target_make_fn *const makers[TARGET_NKINDS] = {
	[TARGET_KIND_NONE] = target_none_new,
};

struct target *target_new(const struct target_setup *setup, char **ret_reason)
{
	enum target_kind kind = TARGET_KIND_NONE;
	struct target *t = makers[kind](setup, ret_reason);

	if (!t)
		return NULL;
	MAGIC_BEGIN(t, TARGET_MAGIC);
	t->kind = kind;
	t->loop = setup->loop;
	t->conf = config_ref(setup->conf);
	t->environ = setup->environ;
	t->port = setup->port;
	list_init(&t->answers);
	return t;
}

void target_free(struct target *t)
{
	if (!t)
		return;
	MAGIC_CHECK(t, TARGET_MAGIC);
	while (!list_is_empty(&t->answers))
		container_of(list_pop(&t->answers), struct due, link)->target = NULL;
	if (t->ops->close)
		t->ops->close(t);
	config_unref(t->conf);
	MAGIC_END(t, TARGET_MAGIC);
	free(t);
}

bool target_is_pending(const struct target *t)
{
	return t && t->ops->is_pending && t->ops->is_pending(t);
}

void target_configure(struct target *t, struct config *conf)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	config_unref(t->conf);
	t->conf = config_ref(conf);
	if (t->ops->configure)
		t->ops->configure(t);
}

enum target_kind target_kind(const struct target *t)
{
	return t->kind;
}

const char *target_name(enum target_kind kind)
{
	return names[kind];
}

struct target_self target_self(const struct target *t)
{
	struct target_self self = {.machine = t->conf->fly_machine,
		.region = t->conf->fly_region,
		.app = STR_EMPTY,
		.image = STR_EMPTY};

	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->self)
		t->ops->self(t, &self);
	return self;
}

void target_list(struct target *t, target_machine_fn *each, target_done_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->list)
		t->ops->list(t, each, done, arg);
	else
		cannot(t, SHAPE_DONE, arg, "list machines")->fn.done = done;
}

void target_wake(struct target *t, str machine, target_done_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->wake)
		t->ops->wake(t, machine, done, arg);
	else
		cannot(t, SHAPE_DONE, arg, "wake a machine")->fn.done = done;
}

void target_sleep(struct target *t, enum target_sleep how, target_done_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->sleep)
		t->ops->sleep(t, how, done, arg);
	else
		cannot(t, SHAPE_DONE, arg, "put this machine to sleep")->fn.done = done;
}

void target_sleep_other(
	struct target *t, str machine, enum target_sleep how, target_done_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->sleep_other)
		t->ops->sleep_other(t, machine, how, done, arg);
	else
		cannot(t, SHAPE_DONE, arg, "put another machine to sleep")->fn.done = done;
}

void target_addresses(struct target *t, str machine, target_addresses_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->addresses)
		t->ops->addresses(t, machine, done, arg);
	else
		cannot(t, SHAPE_ADDRESSES, arg, "tell where a machine is")->fn.addresses = done;
}

void target_create(
	struct target *t, const struct target_wish *wish, target_created_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->create)
		t->ops->create(t, wish, done, arg);
	else
		cannot(t, SHAPE_CREATED, arg, "make a machine")->fn.created = done;
}

void target_destroy(struct target *t, str machine, target_done_fn *done, void *arg)
{
	MAGIC_CHECK(t, TARGET_MAGIC);
	if (t->ops->destroy)
		t->ops->destroy(t, machine, done, arg);
	else
		cannot(t, SHAPE_DONE, arg, "remove a machine")->fn.done = done;
}
