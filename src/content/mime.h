/* mime.h - media types by the extensions of files. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Of a path, without case; text has its charset.  Empty for what is not known. */
str mime_of(str path);
#define MIME_UNKNOWN STR("application/octet-stream")
