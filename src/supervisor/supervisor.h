/* supervisor.h - the trusted process: it starts and stops everything else, and sees no client. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* What Thruster answers to requests whose single application has ended. */
#define SUPERVISOR_SINGLE_DRAIN 5000u

/* Runs fly-atc until it is told to end, or until the application of a single tenant ends.  Takes
 * the reference to conf, of which slots need not be assigned yet.  `source` is read again by each
 * reload and is borrowed until this returns. Logging has been initialised.  Returns the exit status
 * of the program: 0, 1 after a failure that was reported on standard error, or that of the single
 * application (128+n after signal n). */
int supervisor_run(struct config *take_conf, const struct config_source *source) MUST_USE;

/* The proxy is this program, executed again with the arguments {"fly-atc: proxy", "--proxy",
 * "<listeners>"}: main calls proxy_main when its first argument is SUPERVISOR_PROXY_FLAG.  The
 * descriptors from SUPERVISOR_PROXY_LISTENERS on are the listening sockets, one for each event-loop
 * thread, and then as many links to the opener of files. */
#define SUPERVISOR_PROXY_FLAG	    "--proxy"
#define SUPERVISOR_PROXY_CHANNEL    3
#define SUPERVISOR_PROXY_SCOREBOARD 4
#define SUPERVISOR_PROXY_LISTENERS  5
