/* operator.h - what the control socket shows and does. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "control/control.h"

/* The argument of each is the supervisor. */
extern const struct control_ops operator_ops;
