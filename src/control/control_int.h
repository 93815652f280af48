/* control_int.h - what the files of the control server share: the server, its sessions, what they
 * answer. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/magic.h"
#include "control/control.h"
#include "http/head.h"

#define CONTROL_MAX_SESSIONS	64  /* but for subscribers */
#define CONTROL_MAX_SUBSCRIBERS 512 /* of the events */
#define CONTROL_MAX_HEAD	16384u
#define CONTROL_MAX_BODY	65536u
#define CONTROL_REQUEST_TIMEOUT 10000u	/* from connection or first byte to the end of a head */
#define CONTROL_IDLE_TIMEOUT	60000u	/* between two requests */
#define CONTROL_WRITE_TIMEOUT	30000u	/* without a byte taken */
#define CONTROL_MAX_FOLLOW	262144u /* bytes that wait for a client that follows a log */

struct event;
struct json;
struct memory;
struct session;

/* Answers by session_answer and its kin, now or later. */
typedef void session_fn(struct session *s, const struct request_head *h);

enum { CONTROL_MAGIC = MAGIC('c', 't', 'r', 'l') };

struct control {
	uint32_t magic;
	struct loop *loop;
	const struct control_ops *ops;
	void *arg;
	char *path;
	int fd;
	ino_t inode; /* of the socket's name, so that we do not remove a successor's */
	struct watch watch;
	struct list sessions;
	size_t nsessions,
		nsubscribers;	 /* the sessions; also one that was dropped, until it is closed */
	struct list followers;	 /* of a log */
	struct list subscribers; /* of the events: */
	struct list events;	 /* the last ones */
	size_t events_size;
};

enum session_state {
	SESSION_READING,   /* a request is awaited, or read */
	SESSION_BUSY,	   /* its answer comes later: session_answer */
	SESSION_FOLLOWING, /* its answer has no end */
	SESSION_ENDING,	   /* closes when everything is written */
};

enum { SESSION_MAGIC = MAGIC('s', 'e', 's', 's') };

/* An answer without an end. */
struct stream {
	struct list link;	    /* control->followers or subscribers */
	uint64_t dropped;	    /* lines of a log that the client did not read in time */
	bool is_subscribed;	    /* to the events, or was until it was dropped: */
	str only_tenant, only_user; /* the tenant or user it wants to hear of; empty: all */
	struct event *next; /* the first of the kept ones that it was not given yet; or NULL */
	/* Called when everything is written: adds more.  False: there is no more now.  Or NULL. */
	bool (*give_more)(struct session *s);
};

/* One connection. */
struct session {
	uint32_t magic;
	struct list link; /* control->sessions */
	struct control *control;
	session_fn *on_request;
	struct watch watch;
	struct timer deadline;
	unsigned waits_for; /* what the deadline is for: session.c */
	enum session_state state;
	bool keep_alive, has_eof, is_http10;
	bool has_continued; /* 100 was sent */
	struct buf in, out;
	size_t scanned;
	/* of the present request */
	struct arena arena;
	str tenant;
	str body, entry; /* what follows /v1/roster/ */
	bool is_for_all;
	/* A callback that answers later keeps the session there, and finds NULL when the session
	 * has ended. */
	struct session **waits_in;
	struct memory *memory;
	struct stream stream;
};

/* session.c */
/* Takes fd. */
void session_new(struct control *c, int fd, session_fn *on_request);
/* The answer comes later; *place is NULL if the session has ended by then. */
void session_wait(struct session *s, struct session **place);
/* The session that waits there, or NULL; it no longer waits after this. */
struct session *session_waited(struct session **place);
/* The whole answer; this request is done.  May be called from callbacks. */
void session_answer(struct session *s, unsigned status, str type, str body);
/* {"error": reason}. */
void session_refuse(struct session *s, unsigned status, str reason);
/* An answer without an end: the head, then pieces.  Until it ends it is on the list `among`, unless
 * that is NULL. */
void session_stream(struct session *s, str type, struct list *among);
void session_stream_piece(struct session *s, str piece);
/* A line that is left out, and counted, where too many wait for a client that does not read
 * them. */
void session_stream_line(struct session *s, str line);
/* It has an end after all. */
void session_stream_end(struct session *s);
/* At the end of this turn: there is more. */
void session_go_on_soon(struct session *s);
/* Writes what the socket takes at once, and closes. */
void session_finish(struct session *s);

/* routes.c: finds what a request asks for, and does or begins it. */
void control_route(struct session *s, const struct request_head *h);
/* action.c: what takes time.  It goes on even if the session ends. */
void action_start(struct session *s, control_action_fn *op, bool waits);
void action_busy(struct session *s, str hold, msec length);
void action_hold(struct session *s, str hold, msec length);
void action_reload(struct session *s);
void action_faults(
	struct json *j, const char *key, const struct config_faults *faults, bool are_warnings);
void action_purge(struct session *s, str path);
void action_restart_all(struct session *s, const struct control_roll *how, bool waits);
/* machines.c: of the fleet. */
void machines_list(struct session *s);
void machines_order(struct session *s, const struct control_machine_order *order);
/* report.c: status and tenants as JSON. */
void report_status(struct session *s);
void report_tenant(struct session *s);
void report_config(struct session *s);
/* The object of one tenant, without memory; for the answer to an action. */
void report_tenant_json(struct control *c, str id, struct buf *out);
/* The fields of "sleep". */
void report_sleep_fields(struct control *c, struct json *j);
/* cached.c: the cache, and the answer when some of it is gone. */
void cached_report(struct session *s);
void cached_answer_purged(struct session *s, int err, uint32_t entries);
/* rosters.c: the roster is read and written; the answers come later. */
void rosters_take_news(struct session *s, uint64_t version);
void rosters_write(struct session *s, const struct control_roster_request *q);
void rosters_show_history(struct session *s, uint64_t version, size_t n);
/* "users/bob/add" into the request; false if it is none. */
bool rosters_read_path(struct session *s, str path, struct control_roster_request *ret);
void rosters_show_users(struct session *s);
/* logs.c */
void logs_answer(struct session *s, size_t lines, bool follows);
/* events.c: tenant and user may be empty, and are the session's. */
void events_answer(struct session *s, str tenant, str user);
/* Tells all subscribers that it is over. */
void events_end(struct control *c);

#define JSON_TYPE   STR("application/json")
#define LINES_TYPE  STR("application/x-ndjson")
#define EVENTS_TYPE STR("text/event-stream")
