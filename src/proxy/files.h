/* files.h - an answer whose body is a file, of the public directory (FILE) or one that the tenant
 * names (sendfile.h): validators, preconditions, ranges. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "content/open_files.h"
#include "http/compose.h"
#include "proxy/exchange.h"

/* Fields that are added to those present, and the bytes of their names and values. */
#define FILE_ANSWER_FIELDS 8
#define FILE_ANSWER_BYTES  512

struct file_answer {
	const struct header *asked; /* the request's fields */
	size_t nasked;
	struct compose fields; /* of the answer */
	unsigned status;
	str reason; /* empty: the status has one */
	struct open_file *file;
	str text; /* the whole content; empty: still to be read */
};

/* Adds what every answer with a file has, where it is missing, and gives it to the client:
 * STEP_SEND. 200 becomes 206, 304, 412 or 416 where the request says so.  Takes the reference of
 * the file. */
enum step file_answer_give(struct exchange *x, struct file_answer *take_answer, str type);
