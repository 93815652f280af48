/* status.h - status codes and their phrases (the IANA registry). */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* The registered phrase; "Unknown" for other codes. */
str status_reason(unsigned status);
