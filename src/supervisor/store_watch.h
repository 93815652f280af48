/* store_watch.h - whether the backup's store answers, for health checks (server.health_store).
 *
 * The store is asked only when a health check comes, and then at most every 15 seconds, or every 5
 * while it is silent: however many health checks there are, it costs no more, and without any there
 * is no traffic. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "link/channel.h"

struct supervisor;

struct store_watch {
	enum store_state state;
	msec asked_at; /* the moment of the last question */
	bool is_asking;
};

/* A health check has come; or the configuration now in force may want to know, so that the first
 * answer is fetched before a health check comes. */
void store_watch_asked(struct supervisor *s);
