/* fuzz.h - what fuzz targets share.  A target asserts what must hold for every input. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline str fuzz_str(const uint8_t *data, size_t size)
{
	return (str){size ? (const char *)data : "", size};
}
