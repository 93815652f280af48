/* access_log.h - one line for each exchange. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "proxy/errors.h"

#define ACCESS_UNKNOWN                                                                             \
	(-1) /* for numbers: a length that nobody gave, a time that was never taken */

/* Filled by the exchange; strings are borrowed for the call and may be empty. */
struct access_record {
	str path;	 /* as routed; logged decoded */
	int log_level;	 /* the tenant's; LOG_LEVEL_SHARED before there is one */
	unsigned status; /* 0: no answer began, and the error's status is logged */
	msec duration;	 /* from the first byte of the request to the last byte of the answer */
	str method;
	int64_t request_length; /* Content-Length; ACCESS_UNKNOWN when chunked */
	str request_type;
	int64_t response_length; /* bytes of body that were sent */
	str response_type;
	str remote_addr; /* client.address */
	str user_agent;
	str file_source; /* "sendfile" or "public": a file was sent; else empty */
	str cache;	 /* X-Cache */
	str query;	 /* raw */
	unsigned minor;	 /* as in struct exchange */
	str host;
	str tenant;
	str machine; /* the other one, to which it was sent */
	str request_id;
	int64_t upstream_ms; /* from sending the request to the first byte of the answer; or
				ACCESS_UNKNOWN */
	int64_t wake_ms;     /* held for a tenant to be ready; or ACCESS_UNKNOWN */
	enum error error;
	bool is_cut; /* an answer of `status` began but was not completed */
	str detail;  /* why, where the error does not say enough */
};

/* An exchange has had its line, but `unsent` bytes of its answer will not be sent after all: this
 * adds a line of its own. */
void access_log_cut(str request_id, str remote_addr, enum error error, size_t unsent);

/* Writes the line; nothing unless the log's level has INFO.  Fields that are empty or unknown are
 * left out, except those that Thruster always writes. */
void access_log(const struct access_record *r);
