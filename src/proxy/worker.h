/* worker.h - one event-loop thread of the proxy: a listener, its connections, its upstream pools,
 * its held requests. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/magic.h"
#include "base/buf.h"
#include "base/map.h"
#include "content/open_files.h"
#include "http/head.h"
#include "http/header.h"
#include "link/opening.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "net/outbox.h"
#include "net/socket.h"
#include "net/splice.h"
#include "proxy/origin.h"
#include "proxy/request_id.h"
#include "proxy/shared.h"
#include "proxy/snapshot.h"

/* The most that one read from a client or from a tenant may bring. */
#define CLIENT_READ   (16u * 1024)
#define UPSTREAM_READ (64u * 1024)
#define SPARE_PIPES   8

struct client;
struct cache_share;
struct compressor;
struct exchange;

/* A line in the log for something that may happen often: one every ten seconds, with the count. */
struct seldom {
	size_t count; /* since the last line */
	msec next;    /* not before */
};

enum { TENANT_MAGIC = MAGIC('p', 't', 'n', 't') };

/* What a thread knows of a tenant beyond the scoreboard; made when the tenant is first asked for.
 * It never becomes another tenant's: once it has been removed from the configuration, its last
 * exchange frees it. */
struct worker_tenant {
	uint32_t magic;
	uint32_t slot;
	uint64_t owner;	      /* of the slot */
	size_t nexchanges;    /* exchanges that point here */
	bool is_former;	      /* removed: no longer in worker.tenants */
	struct origin origin; /* where its requests go: to the running copy */
	char *socket_path;    /* of origin.at, where that is no port */
	struct list held;     /* exchanges that wait for the tenant */
	struct list streams;  /* exchanges without an end of their own: tunnels and event streams */
	struct timer streams_end; /* of those that had just begun when it was told to end */
	struct list watched;	  /* exchanges that show its progress to a browser */
	enum tenant_state told;	  /* last */
	bool wake_sent;
	struct cache_share *share; /* its share of the cache; NULL: not asked for yet */
	char *reason;		   /* why it failed; NULL or empty when it did not */
};

#define HEADERS_MAX 256u

/* Memory of a thread that only one user at a time may have, until what was made there has been sent
 * or copied.  A second one would spoil it meanwhile: that aborts. */
struct scratch {
	struct buf text;
	bool is_lent;
};

/* Empty. */
static inline struct buf *scratch_lend(struct scratch *s)
{
	assert(!s->is_lent);
	s->is_lent = true;
	buf_clear(&s->text);
	return &s->text;
}

/* May be repeated. */
static inline void scratch_return(struct scratch *s)
{
	s->is_lent = false;
}

/* Where the fields of a head are put while it is parsed. */
struct scratch_headers {
	struct header items[HEADERS_MAX];
	bool is_lent;
};

static inline struct header *scratch_headers_lend(struct scratch_headers *s)
{
	assert(!s->is_lent);
	s->is_lent = true;
	return s->items;
}

static inline void scratch_headers_return(struct scratch_headers *s)
{
	s->is_lent = false;
}

enum { WORKER_MAGIC = MAGIC('w', 'r', 'k', 'r') };

struct worker {
	uint32_t magic;
	struct shared *shared;
	struct loop *loop;
	struct view *view;
	struct list former_views; /* former ones that exchanges may still use */
	struct {
		struct slot *slots;
		struct worker_tenant **tenants; /* by slot; grown on demand */
		uint32_t ntenants;
	} by_slot;
	struct {
		struct watch listener;
		int fd;
		struct timer retry; /* set while there are as many connections as allowed */
		bool is_under_way;  /* in this turn */
		int at_once;	    /* how many are taken at once, at the next event */
	} accepting;
	struct {
		struct activity *activity;
		struct activity_cell *cell; /* of this thread */
		msec stirred;	/* when the supervisor was last told: of a sign of sleep, */
		msec busy_told; /* of a request */
	} machine;
	bool is_draining;
	struct {
		size_t max_sockets;	      /* of all threads, see shortage.h */
		bool wants_descriptors;	      /* at the end of this turn: see shortage.h */
		struct timer timer;	      /* set while a connection is to be ended for others */
		struct seldom ended, refused; /* lines in the log: clients ended for others, or
						 beyond their share */
	} shortage;
	struct {
		struct seldom misstated; /* by tenants: how busy they are */
		struct seldom ahead;	 /* markers from the future */
	} noted;			 /* lines in the log */
	struct {
		struct list idle;   /* between two requests, the longest idle last */
		struct list active; /* everything else */
		size_t count;
	} connections;
	struct {
		struct origin_limits of_tenants, of_machines; /* their limits, by the view */
		struct map peers; /* struct worker_peer by name: machines that were asked for */
	} origins;
	struct {
		struct exchange *running; /* the one on the stack, which has the scratch; or NULL */
		struct list woken;	  /* exchanges that run after it */
		struct list free;
		size_t nfree;
		struct list seeking; /* exchanges that wait for a look at the roster: seeking.h */
		uint64_t looked;     /* the number of the last one */
	} exchanges;
	/* Asks the tenant for something that is stored, once nothing else runs (background.h). */
	void (*renew)(
		struct worker *w, const struct request_head *head, const struct address *peer);
	struct {
		struct opener *opener;	  /* files of tenants */
		struct open_files public; /* of public directories */
		struct open_files sent;	  /* of tenants, opened by the supervisor */
		struct timer sweep_timer; /* set while there are some */
		size_t ahead; /* bytes of a file that are read before its head is made */
	} files;
	struct {
		struct splice_pipe
			spare[SPARE_PIPES]; /* empty ones, for large bodies; the rest are closed */
		int nspare;
	} pipes;
	struct {
		struct list
			clients; /* clients that gave way to others and go on in the next turn */
		struct timer timer;
	} eager;
	struct timer trim_timer; /* set after a flood */
	struct request_ids ids;
	struct compressor *compressor; /* made when it is first needed */
	struct {
		/* Scratch of the turn; see inbox.h. */
		struct gather gather;
		struct gather payload;	 /* payload of an answer, on its way through stages */
		struct buf added;	 /* lines that stages add to a head */
		struct scratch head_out; /* a head or a whole answer, until it is sent */
		struct scratch key;	 /* the cache's key, until it is kept */
		struct scratch selector; /* for a look-up there */
		struct scratch_headers headers;
		struct response_head response; /* the tenant's, from RELAY to HEAD */
		char client_bytes[CLIENT_READ];
		char upstream_bytes[UPSTREAM_READ];
	} scratch;
	struct header_set response_has;
};

/* Takes the listening socket, the link to the opener and a reference of the snapshot.  NULL if they
 * cannot be watched. */
struct worker *worker_new(struct shared *shared, int take_listen_fd, int take_opener_fd,
	const struct scoreboard *board, size_t index, struct snapshot *take_snapshot);
/* In the worker's thread; returns when a drain has ended. */
void worker_run(struct worker *w);

/* From any thread: they post to the worker's loop. */
void worker_post_view(struct worker *w, struct snapshot *take_snapshot);
void worker_post_drain(struct worker *w);
/* The machine has slept. */
void worker_post_resumed(struct worker *w);
void worker_post_ask(struct worker *w, uint64_t number);
/* There was a look at the roster, and what came of it was posted before. */
void worker_post_looked(struct worker *w, uint64_t number);
void worker_post_state(struct worker *w, uint32_t slot, enum tenant_state state, str reason);

/* From the worker's own thread. */
/* For one more exchange, which gives it back by worker_leave_tenant (NULL is fine). */
struct worker_tenant *worker_tenant(struct worker *w, const struct tenant_conf *conf);
void worker_leave_tenant(struct worker_tenant *t);
/* Its origin's address becomes that of the running copy. */
void worker_locate_tenant(struct worker *w, struct worker_tenant *t);
/* The answer has no end of its own: it is cut when the tenant is about to end. */
void worker_stream_began(struct exchange *x);
#define WORKER_BUSY_PAUSE 200 /* msec between two reports of requests to the supervisor */
/* A request has come: other threads may need attention. */
static inline void worker_busy(struct worker *w)
{
	msec now = loop_now(w->loop);

	if (now < w->machine.busy_told + WORKER_BUSY_PAUSE)
		return;
	w->machine.busy_told = now;
	w->shared->ops->busy(w->shared);
}
/* Asks the supervisor to start a tenant, once, until the tenant is reported at rest again. */
void worker_wake(struct worker *w, struct worker_tenant *t);
/* Every connection is counted; the end of the last one ends a drain. */
void worker_connection_came(struct worker *w);
void worker_connection_gone(struct worker *w);
/* Files were opened: those no longer used are closed again, even if nothing else happens. */
void worker_sweep_files(struct worker *w);
/* Much memory has been freed, or soon will be: the allocator gives it back to the system. */
void worker_trim_later(struct worker *w);
/* One more has happened.  The number since the last line, if it is time for another; else 0. */
size_t worker_note_seldom(struct worker *w, struct seldom *s);
/* It has more to do, but others come first. */
void worker_go_on_later(struct client *c);
