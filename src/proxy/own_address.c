/* own_address.c - the address at which an application listens, in fields of its answers. */
/* SPDX-License-Identifier: MIT */
#include "proxy/own_address.h"

#include <stdio.h>

#include "proxy/answer.h"
#include "proxy/exchange_int.h"

/* As we have told the application. */
static str scheme_of(struct exchange *x)
{
	struct request_head asked;
	str scheme;

	asked_head(&x->arena, &x->trip.asked, &x->trip.request, &asked);
	scheme = header_value(asked.headers, asked.nheaders, HEADER_X_FORWARDED_PROTO);
	return str_eq_nocase(scheme, STR("https")) ? STR("https") : STR("http");
}

static void hide(struct exchange *x, struct header *f, struct rewrite *own)
{
	struct buf value = {0};

	if (!own->origin.n)
		own->origin = str_of(arena_printf(&x->arena, STR_FMT "://" STR_FMT,
			STR_ARG(scheme_of(x)), STR_ARG(x->reply.rewrite.host)));
	if (answer_rewrite(&value, f, own)) {
		f->value = arena_dup(&x->arena, buf_str(&value));
		f->is_mended = true; /* the line as it came has the other one */
	}
	buf_done(&value);
}

void own_address_hide(struct exchange *x, struct response_head *h)
{
	struct rewrite own = {.own_port = atomic_load(&exchange_slot(x)->port)};
	char text[16];
	size_t n;

	if (!own.own_port || !x->reply.rewrite.host.n)
		return;
	n = (size_t)snprintf(text, sizeof(text), ":%u", own.own_port);
	for (struct header *f = h->headers; f < h->headers + h->nheaders; f++)
		if (answer_has_places(f) && str_find(f->value, (str){text, n}) >= 0)
			hide(x, f, &own);
}
