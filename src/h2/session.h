/* session.h - one connection of HTTP/2 as its server sees it (RFC 9113): bytes become requests,
 * in the text of HTTP/1.1, and their payload; answers, in the same text, and theirs become bytes.
 * No sockets, no clock, no threads: nghttp2 behind the seam that the proxy needs.
 *
 * Feeding makes events; the owner takes them afterwards with h2_session_next, so that nothing here
 * calls it from the depth of a parser.  Streams are the owner's: it allocates them when `open` asks
 * for one, and frees them (h2_stream_done) once they are gone.
 *
 * Flow control is the back-pressure.  A stream holds at most its window of what its owner has not
 * read: the 65,535 bytes of RFC 9113 6.9.2 at first, and H2_WINDOW once it reads.  The window of
 * the connection is given back at once, since a stream whose owner does not read (its tenant
 * sleeps) must not hold up the others, until all of them together hold `max_received`.  What is to
 * be sent waits in the stream until the client's windows let it go; see h2_stream_waiting. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/list.h"
#include "base/magic.h"
#include "h2/guard.h"
#include "h2/request.h"
#include "h2/response.h"
#include "http/websocket.h"

#define H2_PREFACE STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
#define H2_WINDOW  (256u * 1024)
/* Payload of requests that a connection may hold, and what is left of that where memory is short.
 */
#define H2_RECEIVED_MAX	  (2048u * 1024)
#define H2_RECEIVED_SHORT (256u * 1024)
/* Frames are made as long as fewer bytes than this wait to be written; a buffer that was larger
 * than H2_OUT_KEPT is given back when it is empty. */
#define H2_OUT_KEPT (16u * 1024)
#define H2_OUT_MAX  (64u * 1024)

enum h2_event {
	H2_REQUEST = 1, /* its head is here (h2_stream_text); first, and once */
	H2_INPUT = 2,	/* so is payload, or its end */
	H2_ROOM = 4,	/* all that waited to be sent has become frames */
	H2_GONE = 8,	/* closed, by whom or what ever; last, and once */
};

struct h2_session;

/* Where in the client's bytes frames begin. */
struct h2_scan {
	size_t skip;   /* to the next one */
	uint8_t at;    /* of its head, that have come */
	uint32_t size; /* of its payload */
};

enum { H2_STREAM_MAGIC = MAGIC('h', '2', 's', 't'), H2_SESSION_MAGIC = MAGIC('h', '2', 's', 'e') };

/* Embed it; zero when `open` returns it. */
struct h2_stream {
	uint32_t magic; /* until h2_stream_done */
	struct h2_session *session;
	struct list link;   /* of the session: all of its streams */
	struct list ready;  /* of the session, while events wait */
	struct list doomed; /* of the session, from h2_stream_reset to the pump that obeys it */
	uint32_t doom;	    /* the error code of that */
	unsigned events;
	int32_t id;
	unsigned status;	/* of H2_REQUEST: the answer to one that cannot be served, or 0 */
	size_t text_at, text_n; /* in the session's texts */
	struct {
		uint64_t came;	     /* bytes of payload */
		uint64_t declared;   /* that will come, by Content-Length; UINT64_MAX: not told */
		struct buf received; /* payload that the owner has not read */
		struct buf trailers; /* lines */
		bool has_ended;	     /* the client's half */
		bool is_short; /* it ended before what was declared, with the answer on its way */
		bool is_end_read;
		bool is_wide;	 /* it has H2_WINDOW */
		bool is_ignored; /* what comes is thrown away */
	} in;
	struct {
		struct buf waiting;  /* payload that is no frame yet */
		struct buf trailers; /* lines */
		bool is_answered;    /* the final head went */
		bool is_deferred;    /* nghttp2 waits to be told of more payload */
		bool is_ended;	     /* our half, once what waits has gone */
		bool is_end_sent;    /* so it has */
	} out;
	char key[WEBSOCKET_KEY_SIZE]; /* of a WebSocket, which is_extended */
	bool is_extended;
	bool is_chunked; /* the text said so: payload is read in that coding */
	bool is_tunnel;	 /* after 101: the halves end each for itself */
	bool is_reset;	 /* by us: nothing comes or goes any more */
	bool is_ours;	 /* the reset's reason is none that the client gave */
	bool is_broken;	 /* reset by the client */
	bool is_gone;
};

struct h2_conf {
	unsigned max_streams;
	size_t max_header_bytes; /* of the list, as RFC 9113 6.5.2 counts; more is a 431 */
	/* A new one, zero; it is not called again before it returned. */
	struct h2_stream *(*open)(struct h2_session *s);
};

struct h2_session {
	uint32_t magic;
	nghttp2_session *ng;
	struct h2_conf conf;
	struct list streams, ready, doomed;
	struct buf out; /* frames; the owner writes and consumes them */
	struct h2_request request;
	struct h2_fields fields;
	struct buf texts; /* of the requests of one feed */
	struct h2_budget broken, noise;
	struct h2_scan scan;
	unsigned seen;		  /* frames that nghttp2 has told of, since the feed began */
	size_t waiting, received; /* of all streams */
	size_t max_received;	  /* more, and the client gets no more window for the connection */
	size_t debt;		  /* what it was not given */
	msec now;
	struct {
		int32_t ended[32]; /* the last streams that the client has ended and that are closed
				    */
		unsigned nended;
		int32_t last_id, gap_from,
			gap_to; /* the newest stream; numbers passed over before it */
	} closed;
	struct {
		size_t size;	/* of the block of fields that comes, as h2_request.size */
		int32_t stream; /* a block of fields has begun for it; 0: none has */
	} head;
	const char *fault; /* what the client did that ends the connection; or NULL */
	bool is_dead;	   /* nothing can be fed any more */
};

/* Says our SETTINGS first. */
void h2_session_open(struct h2_session *s, const struct h2_conf *conf);
/* The streams that are left are the owner's to end first. */
void h2_session_done(struct h2_session *s);
/* Feeding and pumping make events, and nothing else does: they are taken with h2_session_next,
 * until it is NULL, in the turn that made them.
 *
 * Bytes from the client, the preface first. */
void h2_session_feed(struct h2_session *s, str bytes, msec now);
/* Makes frames of what can be sent now. */
void h2_session_pump(struct h2_session *s);
/* The next stream with events, which are taken from it: *ret_events. */
struct h2_stream *h2_session_next(struct h2_session *s, unsigned *ret_events);
/* Nothing is under way: gives back what is large. */
void h2_session_rest(struct h2_session *s);
/* No stream is served that comes after this; GOAWAY tells the client which were. */
void h2_session_drain(struct h2_session *s);
/* Nothing will come, and nothing is to be sent but what is in `out`. */
bool h2_session_is_over(const struct h2_session *s);
/* A block of fields has begun and not ended. */
static inline bool h2_session_is_in_head(const struct h2_session *s)
{
	return s->head.stream;
}

/* With H2_REQUEST: the head, for request_head_parse.  Valid until the next feed or pump. */
str h2_stream_text(const struct h2_stream *st);
/* Appends what was received, at most about `max` bytes, framed as the head said.  >0: how many; 0:
 * the end; -EAGAIN: nothing now (H2_INPUT tells). */
ssize_t h2_stream_read(struct h2_stream *st, struct buf *to, size_t max) MUST_USE;
/* A head: interim, final, or 101; as in response.h.  Without a body it ends our half. */
void h2_stream_head(struct h2_stream *st, str text, bool has_body);
void h2_stream_write(struct h2_stream *st, str payload);
/* Payload that is no frame yet. */
static inline size_t h2_stream_waiting(const struct h2_stream *st)
{
	return buf_len(&st->out.waiting);
}
/* Ends our half, once what waits has gone.  A client that has not ended its own gets a moment to do
 * so, from the owner, who resets the stream afterwards (RFC 9113 8.1); a tunnel that leads nowhere
 * is reset at once. */
void h2_stream_end(struct h2_stream *st, str trailers);
/* The next pump ends it, after what waits and the client's windows let go: nothing more can be
 * said.
 */
void h2_stream_reset(struct h2_stream *st, uint32_t error_code);
/* The owner will not read any more: what comes is thrown away, and H2_INPUT tells that it came. */
void h2_stream_ignore(struct h2_stream *st);
/* Frees what it holds; it must be gone, or the session about to be. */
void h2_stream_done(struct h2_stream *st);
