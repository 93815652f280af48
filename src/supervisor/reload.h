/* reload.h - a new configuration, all of it or nothing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

struct supervisor;

/* Reads the configuration again and takes it over.  done (may be NULL) is called once, from the end
 * of a turn, when no thread of the proxy uses the former one any more, or when that takes too long;
 * the outcome is logged in any case. */
void reload_start(struct supervisor *s, control_reload_fn *done, void *arg);
/* The proxy uses the configuration in force. */
void reload_on_configured(struct supervisor *s);
/* Nobody waits for the proxy any more. */
void reload_give_up(struct supervisor *s);
