/* compressible.h - media types whose bytes are worth compressing. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

/* Content-Type as it was sent, with its parameters; an empty one is worth trying.  False for what
 * is compressed already, for what is unknown and large (application/octet-stream: a download needs
 * its length and its ranges more), and for framings that are not content (gRPC). */
bool type_is_compressible(str content_type);
