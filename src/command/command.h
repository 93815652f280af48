/* command.h - the command line: what is asked for, and doing it. */
/* SPDX-License-Identifier: MIT */
#pragma once

/* Returns the exit status: 0, 1 when something failed at run time, 2 for faults of usage or
 * configuration; for `run` with a single application that application's. */
int command_main(int argc, char **argv);
