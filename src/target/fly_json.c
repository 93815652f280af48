/* fly_json.c - questions to the Machines API that are answered with JSON. */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "target/fly.h"

str fly_member(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return json_is_string(value) ? (str){json_string_value(value), json_string_length(value)}
				     : STR_EMPTY;
}

json_t *fly_json(struct target_call *call, struct fly_request *take_r, const char *doing)
{
	struct fly_answer a = {0};
	json_t *j = NULL;

	if (fly_ask(call, take_r, &a) == 0 && fly_accept(call, &a, doing)) {
		j = json_loadb(buf_str(&a.body).p, buf_len(&a.body), 0, NULL);
		if (!j)
			target_call_set(call, -EIO,
				"the Machines API was asked to %s, and did not answer in JSON",
				doing);
	}
	buf_done(&a.body);
	return j;
}

json_t *fly_get(struct target_call *call, char *take_path, msec until, const char *doing)
{
	struct fly_request r = {.method = "GET", .path = take_path, .until = until};

	return fly_json(call, &r, doing);
}

json_t *fly_post(struct target_call *call, char *take_path, str body, msec until, const char *doing)
{
	struct fly_request r = {.method = "POST", .path = take_path, .body = body, .until = until};

	return fly_json(call, &r, doing);
}
