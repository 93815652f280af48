/* environment.h - lists of NAME=value, and the environment of each child. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Zero is an empty one.  items is NULL-ended once something was added. */
struct environment {
	char **items;
	size_t count, cap;
};

/* A copy of a NULL-ended list. */
void environment_copy(struct environment *e, char *const *from);
/* NULL if it is not there. */
const char *environment_value(const struct environment *e, const char *name);
void environment_done(struct environment *e);

/* How the application listens. */
struct tenant_port {
	unsigned number;	 /* of tcp and fd */
	const char *socket_path; /* of unix, else NULL */
	bool is_inherited;	 /* descriptor 3 listens */
};

/* In the tenant's directory: its HOME, TMPDIR and XDG_RUNTIME_DIR. */
#define ENVIRONMENT_HOME ".home"
#define ENVIRONMENT_TMP	 ".tmp"
#define ENVIRONMENT_RUN	 ".run"

/* The environment of a tenant, without what the file says in env: ours without secrets (those known
 * by kind, and secret_names), and what its framework reads.  `port` is NULL for the prepare
 * command.  `secret` is its SECRET_KEY_BASE. */
void environment_of_tenant(struct environment *e, char *const *ours, const struct tenant_conf *t,
	const struct tenant_port *port, const char *secret, const struct str_list *secret_names);
/* Overwrites secrets where the kernel has put them, since /proc shows them there. */
void environment_wipe(char **items, const struct str_list *secret_names);
/* The environment of the only application, likewise: ours, and PORT. */
void environment_of_single(
	struct environment *e, char *const *ours, const struct tenant_conf *t, unsigned port);
/* Adds what the file says.  The words of command and prepare are expanded before. */
void environment_add_rows(struct environment *e, const struct tenant_conf *t,
	const struct env_list *rows, unsigned port);
/* For a hook of the machine: ours without secrets, and what the hook says. */
void environment_of_hook(struct environment *e, char *const *ours, const struct hook_conf *hook,
	const struct str_list *secret_names);
/* For the proxy: what it needs, and no secrets. */
void environment_of_proxy(struct environment *e, char *const *ours);
