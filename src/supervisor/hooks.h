/* hooks.h - what the operator wants to be run at certain moments of the machine. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "config/config.h"

struct supervisor;

/* fault: what went wrong, which has been logged; or NULL. */
typedef void hook_done_fn(void *arg, const char *fault);

/* Those that run now. */
struct hooks {
	struct list running;
};

void hooks_init(struct hooks *h);
/* Runs it; `done` comes once, never from inside this call, at once if there is no command. */
void hook_run(struct supervisor *s, const char *name, const struct hook_conf *hook,
	hook_done_fn *done, void *arg);
/* Whether it runs, or is about to report its end. */
bool hook_is_running(const struct supervisor *s, const char *name);
/* Those that run are killed; their `done` comes. */
void hooks_kill(struct supervisor *s);
