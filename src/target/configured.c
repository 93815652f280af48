/* configured.c - what the configuration says of machines: for targets that know no more. */
/* SPDX-License-Identifier: MIT */
#include <netdb.h>

#include "base/alloc.h"
#include "base/number.h"
#include "target/target_int.h"

void target_configured_add(struct target_call *call)
{
	const struct config *c = call->target->conf;
	bool has_self = false;

	for (size_t i = 0; i < c->nmachines; i++) {
		const struct machine_conf *m = &c->machines[i];
		bool is_self = str_eq(m->name, c->our_machine);

		has_self = has_self || is_self;
		target_call_add_machine(call, &(struct target_machine){.name = m->name,
						      .label = STR_EMPTY,
						      .region = m->region,
						      .state = STR_EMPTY,
						      .address = m->address,
						      .is_self = is_self});
	}
	if (!has_self && c->our_machine.n)
		target_call_add_machine(call, &(struct target_machine){.name = c->our_machine,
						      .label = STR_EMPTY,
						      .region = c->our_region,
						      .state = STR_EMPTY,
						      .address = STR_EMPTY,
						      .is_self = true});
}

void target_configured_list(struct target_call *call)
{
	target_configured_add(call);
	target_call_end(call);
}

/* --- addresses --- */

static void add_resolved(struct target_call *call, const struct addrinfo *list)
{
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		struct sockaddr_storage from = {0};
		struct address address;

		if (a->ai_addrlen > sizeof(from))
			continue;
		memcpy(&from, a->ai_addr, a->ai_addrlen);
		address_from(&address, &from);
		target_call_add_address(call, &address);
	}
}

/* "m1.example.com:8080", on a thread. */
static void resolve_name(struct target_call *call)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV},
			*list = NULL;
	str text = str_of(call->own);
	size_t colon = text.n;
	CLEAN_FREE char *host = NULL;
	int r;

	while (colon && text.p[colon - 1] != ':')
		colon--;
	host = str_dup(str_slice(text, 0, colon ? colon - 1 : 0));
	r = getaddrinfo(host, text.p + colon, &hints, &list);
	if (r == 0)
		add_resolved(call, list);
	else
		target_call_set(call,
			r == EAI_AGAIN || r == EAI_NONAME || r == EAI_NODATA ? -EAGAIN : -EIO,
			"%s: %s", host, gai_strerror(r));
	if (list)
		freeaddrinfo(list);
}

void target_configured_addresses(struct target_call *call)
{
	const struct machine_conf *m = config_find_machine(call->target->conf, call->machine);
	struct endpoint at;

	if (!m) {
		target_call_set(call, -ENOENT, "no machine of this name is in machines:");
	} else if (!m->address.n) {
		target_call_set(call, -ENOTSUP, "machines: does not say its address");
	} else if (endpoint_parse(m->address, &at) == 0) {
		target_call_add_address(call, &at.address);
	} else {
		call->own = arena_printf(&call->arena, STR_FMT, STR_ARG(m->address));
		target_call_work(call, resolve_name);
		return;
	}
	target_call_end(call);
}
