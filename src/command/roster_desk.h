/* roster_desk.h - what each command about the roster needs: the file's configuration, the place,
 * and the roster as it is. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "command/roster_owner.h"
#include "roster/roster.h"

struct roster_desk {
	struct loop *loop;
	struct work *work;	    /* runs nothing; calls of the place ask it whether to go on */
	struct config *file;	    /* without the roster */
	struct roster_place *place; /* NULL: there is none */
	char *why_none;
	struct roster *roster;
};

/* 0, or an exit code: the faults of the file have been reported. */
int roster_desk_open(struct roster_desk *d, const struct config_source *source) MUST_USE;
void roster_desk_close(struct roster_desk *d);
/* Brings the roster up to date.  0, or what roster_update says, which has been reported: then it is
 * the one that is known on this machine, or none. */
int roster_desk_read(struct roster_desk *d);
/* The configuration with the roster.  NULL: faults, which have been reported. */
struct config *roster_desk_load(struct roster_desk *d, const struct config_source *source) MUST_USE;
/* What is written now is the place's owner's, until roster_owner_return. */
void roster_desk_be_owner(const struct roster_desk *d, struct roster_owner *ret);
