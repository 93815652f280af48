/* opening.c - the messages of a link to the opener, and the proxy's queue of requests. */
/* SPDX-License-Identifier: MIT */
#include "link/opening.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/magic.h"
#include "link/packet.h"

/* How many a link may have outstanding; others wait here.  So the answers always have room in the
 * socket, and few descriptors are in flight. */
#define ASKED_MAX 32

struct opening_head {
	uint32_t number, form, tenant_size, path_size;
};

struct answer_head {
	uint32_t number, result;
};

struct opening_answer {
	struct answer_head head;
	char why[OPENING_WHY_MAX];
};

/* The columns of opening.def. */
#define FILE_NONE false
#define FILE_ONE  true
#define WHY_NONE  0
#define WHY_SOME  OPENING_WHY_MAX

static const struct result_shape {
	bool has_file;
	size_t max_why;
} shapes[] = {
#define RESULT(NAME, file, why, doc) {FILE_##file, WHY_##why},
#include "link/opening.def"
};

/* --- messages --- */

int opening_receive(int fd, struct opening_request *ret)
{
	struct opening_head head;
	struct iovec parts[] = {{&head, sizeof(head)}, {ret->text, sizeof(ret->text)}};
	ssize_t n = packet_receive(fd, parts, NITEMS(parts), NULL);

	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(head) || head.tenant_size > OPENING_TENANT_MAX ||
		head.path_size > OPENING_PATH_MAX || head.form >= OPENING_NFORMS ||
		(size_t)n != sizeof(head) + head.tenant_size + head.path_size)
		return -EPROTO;
	ret->number = head.number;
	ret->form = head.form;
	ret->tenant = (str){ret->text, head.tenant_size};
	ret->path = (str){ret->text + head.tenant_size, head.path_size};
	return 0;
}

int opening_answer(int fd, uint32_t number, enum opening_result result, str why, int file)
{
	struct answer_head head = {number, result};
	struct iovec parts[] = {{&head, sizeof(head)},
		{(void *)(uintptr_t)why.p, MIN(why.n, shapes[result].max_why)}};

	assert(shapes[result].has_file == (file >= 0));
	return packet_send(fd, parts, NITEMS(parts), file);
}

enum { OPENER_MAGIC = MAGIC('o', 'p', 'n', 'r') };

/* --- the proxy's side --- */

struct opener {
	uint32_t magic;
	struct watch watch;
	struct list asked;   /* in the order in which they are answered */
	struct list waiting; /* not sent yet */
	size_t nasked;
	uint32_t number;
	opener_closed_fn *on_closed;
	void *arg;
};

enum { OPENING_MAGIC = MAGIC('o', 'p', 'n', 'g') };

struct opening {
	uint32_t magic;
	struct list link;
	opened_fn *on_opened; /* NULL: cancelled */
	void *arg;
	struct opening_head head;
	char text[]; /* tenant and path */
};

/* What waits is no longer answered; the owner of the link is about to end. */
static void close_broken(struct opener *o)
{
	int fd = o->watch.fd;

	watch_close(&o->watch);
	close(fd);
	o->on_closed(o->arg);
}

static int send_opening(struct opener *o, struct opening *op)
{
	struct iovec parts[] = {{&op->head, sizeof(op->head)},
		{op->text, op->head.tenant_size + op->head.path_size}};

	return packet_send(o->watch.fd, parts, NITEMS(parts), -1);
}

static void send_waiting(struct opener *o)
{
	while (!list_is_empty(&o->waiting) && o->nasked < ASKED_MAX) {
		struct opening *op = list_first(&o->waiting, struct opening, link);

		/* Without room it waits for the answer to another, or for LOOP_WRITE.  Another
		 * error: the end of the link is about to be read. */
		if (o->watch.fd < 0 || send_opening(o, op) < 0)
			return;
		list_remove(&op->link);
		list_append(&o->asked, &op->link);
		o->nasked++;
	}
}

static bool fits(const struct result_shape *s, size_t why, int fd)
{
	return s->has_file == (fd >= 0 || fd == -EMFILE) && why <= s->max_why;
}

static bool is_sound(const struct opener *o, const struct opening_answer *a, ssize_t n, int fd)
{
	return n >= (ssize_t)sizeof(a->head) && a->head.result < NITEMS(shapes) &&
	       fits(&shapes[a->head.result], (size_t)n - sizeof(a->head), fd) &&
	       !list_is_empty(&o->asked) &&
	       list_first(&o->asked, struct opening, link)->head.number == a->head.number;
}

static void take_answer(struct opener *o, const struct opening_answer *a, ssize_t n, int fd)
{
	struct opening *op = container_of(list_pop(&o->asked), struct opening, link);

	MAGIC_CHECK(op, OPENING_MAGIC);
	o->nasked--;
	if (op->on_opened && fd == -EMFILE)
		op->on_opened(op->arg, OPENING_REFUSED, STR("there are too many open files"), -1);
	else if (op->on_opened)
		op->on_opened(op->arg, (enum opening_result)a->head.result,
			(str){a->why, (size_t)n - sizeof(a->head)}, fd);
	else
		close_fd(&fd);
	MAGIC_END(op, OPENING_MAGIC);
	free(op);
}

/* False when there is nothing more to read now. */
static bool receive_answer(struct opener *o)
{
	struct opening_answer a;
	struct iovec part = {&a, sizeof(a)};
	int fd = -1;
	ssize_t n = packet_receive(o->watch.fd, &part, 1, &fd);

	if (n == -EAGAIN)
		return false;
	if (n < 0 || !is_sound(o, &a, n, fd)) {
		close_fd(&fd);
		close_broken(o);
		return false;
	}
	take_answer(o, &a, n, fd);
	return o->watch.fd >= 0;
}

static void on_opener_event(struct watch *w, unsigned events)
{
	struct opener *o = container_of(w, struct opener, watch);

	MAGIC_CHECK(o, OPENER_MAGIC);
	if (events & LOOP_READ)
		while (receive_answer(o))
			;
	send_waiting(o);
}

struct opener *opener_new(struct loop *l, int fd, opener_closed_fn *on_closed, void *arg)
{
	struct opener *o = xcalloc(1, sizeof(*o));

	MAGIC_BEGIN(o, OPENER_MAGIC);
	o->on_closed = on_closed;
	o->arg = arg;
	list_init(&o->asked);
	list_init(&o->waiting);
	if (watch_open(&o->watch, l, fd, on_opener_event) < 0) {
		close(fd);
		MAGIC_END(o, OPENER_MAGIC);
		free(o);
		return NULL;
	}
	return o;
}

struct opening *opener_ask(struct opener *o, str tenant, str path, enum opening_form form,
	opened_fn *on_opened, void *arg)
{
	struct opening *op = xmalloc(sizeof(*op) + tenant.n + path.n);

	MAGIC_BEGIN(op, OPENING_MAGIC);
	MAGIC_CHECK(o, OPENER_MAGIC);
	assert(tenant.n <= OPENING_TENANT_MAX && path.n <= OPENING_PATH_MAX);
	op->on_opened = on_opened;
	op->arg = arg;
	op->head = (struct opening_head){o->number++, form, (uint32_t)tenant.n, (uint32_t)path.n};
	memcpy(op->text, tenant.p, tenant.n);
	memcpy(op->text + tenant.n, path.p, path.n);
	list_init(&op->link);
	list_append(&o->waiting, &op->link);
	send_waiting(o);
	return op;
}

void opening_cancel(struct opening *op)
{
	MAGIC_CHECK(op, OPENING_MAGIC);
	op->on_opened = NULL;
}
