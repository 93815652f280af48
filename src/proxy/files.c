/* files.c - a request that a file of the public directory answers. */
/* SPDX-License-Identifier: MIT */
#include "content/public_file.h"
#include "http/uri.h"
#include "proxy/exchange_int.h"
#include "proxy/file_answer.h"

#define CACHE_FOR_EVER STR("public, max-age=31536000, immutable")
#define CACHE_ASK      STR("no-cache")

static enum step answer(struct exchange *x, struct public_file *f)
{
	const struct request_head *head = x->wish.arrival->head;
	struct file_answer a = {
		.asked = head->headers,
		.nasked = head->nheaders,
		.status = 200,
		.file = f->file,
		.text = open_files_text(&x->worker->open_files, f->file),
	};
	struct compose *c = &a.fields;

	x->record.source = STR("public");
	compose_begin(c, &x->arena, FILE_ANSWER_FIELDS, FILE_ANSWER_BYTES);
	compose_add(c, HEADER_CACHE_CONTROL, f->is_immutable ? CACHE_FOR_EVER : CACHE_ASK);
	if (f->encoding.n)
		compose_add(c, HEADER_CONTENT_ENCODING, f->encoding);
	if (f->is_negotiated)
		compose_add(c, HEADER_VARY, STR("Accept-Encoding"));
	return file_answer_give(x, &a, f->type.n ? f->type : STR("text/plain; charset=utf-8"));
}

static enum public_verdict find_public(
	struct exchange *x, const struct request_head *head, str path, struct public_file *ret)
{
	const struct app_conf *app = x->wish.conf->app;
	enum public_verdict verdict;
	int dir;

	/* The name of a file has no separator in it; decoded, it would name another. */
	if (!app->public.n || !exchange_is_read(x) || !x->trip.up.is_done || head->has_upgrade ||
		uri_hides_separator(path))
		return PUBLIC_NONE;
	dir = publics_find(&x->view->snapshot->publics, app->public);
	if (dir < 0 || config_path_matches(&app->public_exclude, path))
		return PUBLIC_NONE;
	if (str_find_char(path, '%') >= 0)
		path = uri_decode(&x->arena, path);
	verdict = public_file_find(&x->worker->open_files, dir, path,
		header_value(head->headers, head->nheaders, HEADER_ACCEPT_ENCODING), &x->arena,
		loop_now(x->worker->loop), ret);
	worker_sweep_files(x->worker);
	return verdict;
}

enum step files_step(struct exchange *x)
{
	struct public_file file;

	switch (find_public(x, x->wish.arrival->head, exchange_path_below(x), &file)) {
	case PUBLIC_FILE:
		return answer(x, &file);
	case PUBLIC_REFUSED:
		return exchange_fail(x, ERROR_NOT_FOUND, STR_EMPTY);
	case PUBLIC_NONE:
		break;
	}
	return STEP_CACHE;
}
