/* store_watch.h - whether the backup's store answers, for health checks (server.health_store).
 *
 * It is asked only because a health check is, and then at most every 15 seconds, or 5 while it is
 * silent: nobody's health check costs more than that, and without any there is no traffic. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "link/channel.h"

struct supervisor;

struct store_watch {
	enum store_state state;
	msec asked_at; /* the moment of the last question */
	bool is_asking;
};

/* A health check has come; or the configuration in force may have begun to want to know, so that
 * the first answer is fetched before a health check comes. */
void store_watch_asked(struct supervisor *s);
