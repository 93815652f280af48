/* terminal.h - the terminal from which we were started. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* We have a controlling terminal now. */
bool terminal_is_there(void);
/* At the start, before signals are handled: there is a terminal, and we are to end with it, unless
 * nohup(1) was used. */
bool terminal_holds_us(void);
