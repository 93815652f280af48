/* purge.h - makes the proxy forget what it has cached of a tenant. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

struct supervisor;

/* control_ops.purge.  A proxy that dies meanwhile has forgotten everything. */
void purge_start(void *supervisor, str id, str path, control_purged_fn *done, void *done_arg);
/* The proxy has answered. */
void purge_on_answer(struct supervisor *s, uint64_t serial, uint32_t entries);
void purge_on_proxy_gone(struct supervisor *s);
