/* confs.h - configurations made by hand, for tests of routing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "config/config.h"
#include "route/table.h"

#define assert_str(s, literal)                                                                     \
	do {                                                                                       \
		str assert_str_got = (s);                                                          \
		str assert_str_want = str_of(literal);                                             \
		if (!str_eq(assert_str_got, assert_str_want))                                      \
			fail_msg("got \"" STR_FMT "\", wanted \"" STR_FMT "\"",                    \
				STR_ARG(assert_str_got), STR_ARG(assert_str_want));                \
	} while (0)

static const struct app_conf pass_app = {.prefix = PREFIX_PASS},
			     strip_app = {.prefix = PREFIX_STRIP};

/* A tenant whose id is its prefix without the first slash (or "main"), with the host before it
 * where it has one. */
static inline struct tenant_conf tenant_at(const char *host, const char *prefix,
	const struct app_conf *app, const char *machine, const char *region)
{
	return (struct tenant_conf){
		.id = *prefix ? str_of(prefix + 1)
		      : *host ? str_of(host)
			      : STR("main"),
		.prefix = str_of(prefix),
		.host = str_of(host),
		.app = app,
		.machine = str_of(machine),
		.lives_on = str_of(machine),
		.region = str_of(region),
	};
}

static inline struct config config_of(struct tenant_conf *tenants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tenants[i].slot = (uint32_t)i;
	return (struct config){.tenants = tenants, .ntenants = n};
}
