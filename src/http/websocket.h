/* websocket.h - WebSocket (RFC 6455), as far as a proxy takes part in it: the handshake that it
 * makes itself, and where the frames of a server end, between which it may send a close frame.
 * */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/str.h"

#define WEBSOCKET_KEY_SIZE 24u

/* A new Sec-WebSocket-Key. */
void websocket_key(char out[WEBSOCKET_KEY_SIZE]);
/* True if `accept` is the Sec-WebSocket-Accept that answers the key. */
bool websocket_is_accepted(str key, str accept) MUST_USE;

#define WEBSOCKET_HEAD_MAX 10u /* of a frame that is not masked */

/* What a server sends, followed by frames (RFC 6455 5.2).  {0} is the beginning. */
struct websocket_frames {
	uint64_t left; /* of the payload of the frame under way */
	unsigned char head[WEBSOCKET_HEAD_MAX];
	uint8_t nhead;	/* bytes of the next head that are here */
	bool is_over;	/* the server has sent its close frame */
	bool is_broken; /* that was not a frame of a server: it is unknown where the next one
			 begins */
};

/* The next bytes, cut anywhere. */
void websocket_follow(struct websocket_frames *f, str bytes);
/* Between two frames, and more may come: even between those of one message (RFC 6455 5.4). */
bool websocket_may_speak(const struct websocket_frames *f);
/* A close frame: 1001, "going away" (RFC 6455 7.4.1). */
#define WEBSOCKET_GOING_AWAY ((str){"\x88\x02\x03\xe9", 4})
