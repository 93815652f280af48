/* websocket.h - the handshake of WebSocket (RFC 6455 4), for a proxy that makes it itself. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define WEBSOCKET_KEY_SIZE 24u

/* A new Sec-WebSocket-Key. */
void websocket_key(char out[WEBSOCKET_KEY_SIZE]);
/* True if `accept` is the Sec-WebSocket-Accept that answers the key. */
bool websocket_is_accepted(str key, str accept) MUST_USE;
