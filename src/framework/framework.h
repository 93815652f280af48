/* framework.h - what frameworks want of who runs and serves their applications. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

enum framework { FRAMEWORK_RAILS, FRAMEWORK_NODE, FRAMEWORK_GENERIC };
enum listen_how { LISTEN_TCP, LISTEN_FD, LISTEN_UNIX };
enum prefix_how { PREFIX_PASS, PREFIX_STRIP };

/* The start of an application with tenants. */
struct framework_start {
	const char *run_dir; /* where our files for applications are */
	str prefix;	     /* of the paths that it sees; empty: none */
	bool is_inherited;   /* descriptor 3 listens */
};

#define FRAMEWORK_WORDS 3 /* at most, beside those of the command */
