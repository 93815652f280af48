/* operator.h - the functions behind the control socket. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

/* The argument of each is the supervisor. */
extern const struct control_ops operator_ops;
