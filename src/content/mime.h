/* mime.h - media types by the extensions of files. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* By the extension of a path, in any case; text has its charset.  Empty if it is unknown. */
str mime_of(str path);
#define MIME_UNKNOWN STR("application/octet-stream")
