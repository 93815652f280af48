/* terminal.h - the terminal that we were started on. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* We have a controlling terminal now. */
bool terminal_is_there(void);
/* At the start, before signals are taken: there is one, and we are to end with it, as nohup(1)
 * would not have it. */
bool terminal_holds_us(void);
