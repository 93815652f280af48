/* forward.c - a request's head, field by field, as the tenant gets it. */
/* SPDX-License-Identifier: MIT */
#include "proxy/forward.h"

#include "http/uri.h"
#include "proxy/lines.h"
#include "proxy/rewrite.h"

/* What is done with a field; those not named here are kept. */
enum rule {
	KEEP,
	DROP,
	IF_BELIEVED, /* kept from a trusted peer, the first one if it is one value */
	IF_EDGE,     /* kept from the edge */
	EXPECT,
	ONCE,
	FORWARDED_PROTO,
	FORWARDED_HOST,
	DESTINATION,
	EDGE_PROTO,
	REQUEST_START,
	REQUEST_ID,
	RESOURCE_TAGS,
	UNKNOWN, /* the name decides */
};

static const uint8_t rules[HEADER_NIDS] = {
	[HEADER_OTHER] = UNKNOWN,
	[HEADER_EXPECT] = EXPECT,
	[HEADER_AUTHORIZATION] = ONCE,
	[HEADER_PROXY] = DROP,
	/* Rack 3 believes Forwarded rather than X-Forwarded-*. */
	[HEADER_FORWARDED] = DROP,
	[HEADER_SCRIPT_NAME] = DROP,
	[HEADER_X_SCRIPT_NAME] = DROP,
	[HEADER_X_SENDFILE] = DROP,
	[HEADER_X_SENDFILE_TYPE] = DROP,
	[HEADER_X_ACCEL_MAPPING] = DROP,
	[HEADER_X_ACCEL_REDIRECT] = DROP,
	[HEADER_X_ACCEL_BUFFERING] = DROP,
	[HEADER_X_FORWARDED_PREFIX] = DROP,
	[HEADER_X_FORWARDED_FOR] = DROP, /* ours alone */
	[HEADER_X_FORWARDED_PROTO] = FORWARDED_PROTO,
	[HEADER_X_FORWARDED_HOST] = FORWARDED_HOST,
	[HEADER_X_FORWARDED_PORT] = IF_BELIEVED,
	[HEADER_X_FORWARDED_SSL] = IF_BELIEVED,
	[HEADER_X_FORWARDED_SERVER] = IF_BELIEVED,
	[HEADER_X_FORWARDED_SCHEME] = IF_BELIEVED,
	[HEADER_X_REAL_IP] = IF_BELIEVED,
	[HEADER_X_REQUEST_START] = REQUEST_START,
	[HEADER_X_REQUEST_ID] = REQUEST_ID,
	[HEADER_DESTINATION] = DESTINATION,
	[HEADER_IF] = RESOURCE_TAGS,
	[HEADER_FLY_ATC_HOP] = DROP,
	[HEADER_FLY_ATC_MACHINE] = DROP,
	[HEADER_FLY_CLIENT_IP] = IF_EDGE,
	[HEADER_FLY_REQUEST_ID] = IF_EDGE,
	[HEADER_FLY_REPLAY] = IF_EDGE,
	[HEADER_FLY_REPLAY_SRC] = IF_EDGE,
	[HEADER_FLY_REPLAY_FAILED] = IF_EDGE,
	[HEADER_FLY_REPLAY_CACHE] = IF_EDGE,
	[HEADER_FLY_REPLAY_CACHE_STATUS] = IF_EDGE,
	[HEADER_FLY_REGION] = IF_EDGE,
	[HEADER_FLY_FORWARDED_PORT] = IF_EDGE,
	[HEADER_FLY_FORWARDED_PROTO] = EDGE_PROTO,
	[HEADER_FLY_FORWARDED_SSL] = IF_EDGE,
};

/* What is learnt while going through the fields. */
struct connection_walk {
	const struct forward_in *in;
	struct head_lines lines;
	bool is_believed;     /* X-Forwarded-* are */
	uint64_t believed[2]; /* a bit for each field of IF_BELIEVED that was kept */
	bool has_proto, has_forwarded_host, has_start, has_id; /* kept as they came */
	bool wants_trailers;
	str proto, forwarded_host; /* believed, but not in the form in which they came */
	str edge_proto;
	str authorization;
	struct rewrite rewrite;	    /* of the tenant's places */
	struct forward_field *next; /* to be noted */
};
static_assert(HEADER_NIDS <= 128, "a bit for each");

#define INLINE static inline __attribute__((always_inline))

INLINE void note_field(struct connection_walk *w, enum header_id id, size_t at, size_t name_length)
{
	*w->next++ = (struct forward_field){
		(uint32_t)at, (uint32_t)name_length & 0xffffff, (uint32_t)id & 0xff};
}

/* `name` includes the colon and the blank.  Inlined, since most names are constants to copy. */
INLINE void add_field(struct connection_walk *w, enum header_id id, str name, str value)
{
	note_field(w, id, w->lines.out->end, name.n - 2);
	add_line(w->lines.out, name, value);
}

/* It is kept: notes where it will stand. */
INLINE void keep_line(struct connection_walk *w, const struct header *h)
{
	lines_keep(&w->lines, h);
	note_field(w, h->id, w->lines.out->end + (size_t)(h->name.p - w->lines.run), h->name.n);
}

static bool name_starts(str name, str prefix)
{
	if (name.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++) {
		char c = name.p[i] == '_' ? '-' : char_lower(name.p[i]);

		if (c != prefix.p[i])
			return false;
	}
	return true;
}

static bool name_is(str name, str other)
{
	return name.n == other.n && name_starts(name, other);
}

/* The rule for a name that is not in header.def.  Some servers read '_' as '-' (CGI, Rack, WSGI),
 * so a name with an underscore passes for another. */
static enum rule rule_of_name(str name, bool keeps_underscores)
{
	enum rule rule = KEEP;

	if (!keeps_underscores && memchr(name.p, '_', name.n))
		return DROP;
	switch (name.p[0] | 0x20) {
	case 'x':
		if (name_starts(name, STR("x-forwarded-")))
			rule = IF_BELIEVED;
		else if (name_is(name, STR("x-original-url")) ||
			 name_is(name, STR("x-rewrite-url")))
			return DROP;
		break;
	case 'f':
		if (name_starts(name, STR("fly-")))
			rule = IF_EDGE;
		break;
	}
	return rule != KEEP && memchr(name.p, '_', name.n) ? DROP : rule;
}

static bool is_scheme(str s)
{
	return str_eq_nocase(s, STR("https")) || str_eq_nocase(s, STR("http"));
}

/* The first of a list: what the proxy nearest to the client said. */
static str first_of(str list)
{
	ssize_t comma = str_find_char(list, ',');

	return comma < 0 ? list : str_trim(str_slice(list, 0, (size_t)comma));
}

/* A value that is believed and whole stays where it is; of a list, the first one is remembered. */
static bool keep_first(str value, bool (*is_valid)(str), bool *has, str *ret_first)
{
	str first = first_of(value);

	if (*has || ret_first->n || !is_valid(first))
		return false;
	*has = first.n == value.n;
	if (!*has)
		*ret_first = first;
	return *has;
}

/* Given several values, or a list, an application may take any of them; so it gets one or none. */
static bool keep_believed(struct connection_walk *w, const struct header *h)
{
	uint64_t *word = &w->believed[h->id / 64], bit = UINT64_C(1) << h->id % 64;

	if (!w->is_believed || str_find_char(h->value, ',') >= 0)
		return false;
	if (h->id == HEADER_OTHER)
		return true;
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/* Written here if the value changes; true if the line is kept as it is. */
static bool keep_place(struct connection_walk *w, const struct header *h, rewrite_fn *rewrite)
{
	struct buf *out = w->lines.out;
	size_t before;

	lines_drop(&w->lines, h);
	before = buf_len(out);
	buf_add(out, h->name);
	buf_add(out, STR(": "));
	if (rewrite(out, &w->rewrite, h->value)) {
		note_field(w, h->id, before, h->name.n);
		buf_add(out, STR("\r\n"));
		return false;
	}
	out->end = out->start + before;
	return true;
}

static bool keep_authorization(struct connection_walk *w, str value)
{
	/* Some browsers send it twice alike, which strict applications refuse. */
	if (w->authorization.p)
		return !str_eq(w->authorization, value);
	w->authorization = value;
	return true;
}

/* True if the line is kept as it is; otherwise its replacement is written, or remembered for
 * later. */
static bool apply_rule(struct connection_walk *w, const struct header *h)
{
	enum rule rule = rules[h->id];

	if (rule == UNKNOWN)
		rule = rule_of_name(h->name, w->in->keeps_underscores);
	switch (rule) {
	case KEEP:
		return true;
	case DROP:
	case UNKNOWN:
		return false;
	case IF_BELIEVED:
		return keep_believed(w, h);
	case IF_EDGE:
		return w->in->remote->has_edge;
	case EXPECT:
		return w->in->keeps_expect;
	case ONCE:
		return keep_authorization(w, h->value);
	case FORWARDED_PROTO:
		return w->is_believed && keep_first(h->value, is_scheme, &w->has_proto, &w->proto);
	case FORWARDED_HOST:
		return w->is_believed && keep_first(h->value, uri_host_is_valid,
						 &w->has_forwarded_host, &w->forwarded_host);
	case DESTINATION:
		return keep_place(w, h, rewrite_destination);
	case RESOURCE_TAGS:
		return keep_place(w, h, rewrite_if);
	case EDGE_PROTO:
		if (w->in->remote->has_edge && is_scheme(h->value))
			w->edge_proto = h->value;
		return w->in->remote->has_edge;
	case REQUEST_START:
		if (!w->in->remote->is_trusted || w->has_start || !h->value.n)
			return false;
		return w->has_start = true;
	case REQUEST_ID:
		if (w->has_id || !str_eq(h->value, w->in->request_id))
			return false;
		return w->has_id = true;
	}
	return false;
}

static void copy_lines(struct connection_walk *w)
{
	const struct request_head *head = w->in->head;

	for (const struct header *h = head->headers; h < head->headers + head->nheaders; h++) {
		if (!h->is_hop && (rules[h->id] == KEEP || apply_rule(w, h)))
			keep_line(w, h);
		else
			lines_drop(&w->lines, h);
		if (h->id == HEADER_TE && str_list_has(h->value, STR("trailers")))
			w->wants_trailers = true;
	}
	lines_end(&w->lines, head->headers, head->nheaders);
}

/* The host that the request is for; HTTP/1.0 may omit it. */
static str host_of(const struct forward_in *in)
{
	if (in->head->host.n)
		return in->head->host;
	if (in->hop.n)
		return STR("localhost");
	return in->route->tenant->host.n ? in->route->tenant->host : STR("localhost");
}

/* One address: the client's, as far as we believe what we are told.  From a list, each application
 * would take a different one. */
static void add_forwarded_for(struct connection_walk *w)
{
	const struct remote *remote = w->in->remote;
	str address = w->is_believed ? remote->address : remote->peer;

	if (remote->fly_client.n)
		address = remote->fly_client;
	if (address.n)
		add_field(w, HEADER_X_FORWARDED_FOR, STR("X-Forwarded-For: "), address);
}

static str proto_of(const struct connection_walk *w)
{
	if (w->proto.n)
		return w->proto;
	return w->edge_proto.n ? w->edge_proto : STR("http");
}

static void add_start(struct connection_walk *w)
{
	struct buf *out = w->lines.out;

	note_field(w, HEADER_X_REQUEST_START, out->end, STR("X-Request-Start").n);
	buf_add(out, STR("X-Request-Start: t="));
	buf_add_number(out, w->in->now);
	buf_add(out, STR("\r\n"));
}

static void add_origin(struct connection_walk *w)
{
	const struct forward_in *in = w->in;

	add_forwarded_for(w);
	if (!w->has_proto)
		add_field(w, HEADER_X_FORWARDED_PROTO, STR("X-Forwarded-Proto: "), proto_of(w));
	if (!w->has_forwarded_host)
		add_field(w, HEADER_X_FORWARDED_HOST, STR("X-Forwarded-Host: "),
			w->forwarded_host.n ? w->forwarded_host : host_of(in));
	if (!w->has_id)
		add_field(w, HEADER_X_REQUEST_ID, STR("X-Request-ID: "), in->request_id);
	if (!w->has_start)
		add_start(w);
}

static void add_prefix(struct connection_walk *w)
{
	const struct tenant_conf *tenant = w->in->route->tenant;

	if (!tenant->prefix.n)
		return;
	add_field(w, HEADER_X_FORWARDED_PREFIX, STR("X-Forwarded-Prefix: "), tenant->prefix);
	if (tenant->app->prefix == PREFIX_STRIP)
		add_field(w, HEADER_X_SCRIPT_NAME, STR("X-Script-Name: "), tenant->prefix);
}

static void add_hop(struct connection_walk *w)
{
	add_field(w, HEADER_FLY_ATC_HOP, STR("Fly-Atc-Hop: "), w->in->hop);
	add_field(w, HEADER_FLY_ATC_MACHINE, STR("Fly-Atc-Machine: "), w->in->machine);
}

static void add_connection(struct connection_walk *w)
{
	const struct request_head *head = w->in->head;

	if (forward_is_upgrade(head)) {
		add_field(w, HEADER_CONNECTION, STR("Connection: "), STR("Upgrade"));
		add_field(w, HEADER_UPGRADE, STR("Upgrade: "), head->upgrade);
	} else if (w->wants_trailers && head->minor == 1) {
		add_field(w, HEADER_CONNECTION, STR("Connection: "), STR("TE"));
		add_field(w, HEADER_TE, STR("TE: "), STR("trailers"));
	}
	if (head->body == BODY_CHUNKED)
		add_field(w, HEADER_TRANSFER_ENCODING, STR("Transfer-Encoding: "), STR("chunked"));
	else if (head->body == BODY_NONE &&
		 (head->method == METHOD_POST || head->method == METHOD_PUT ||
			 head->method == METHOD_PATCH))
		add_field(w, HEADER_CONTENT_LENGTH, STR("Content-Length: "), STR("0"));
}

static void add_request_line(struct buf *out, const struct forward_in *in)
{
	const struct request_head *head = in->head;

	buf_add(out, head->method_text);
	buf_add_char(out, ' ');
	if (in->hop.n) {
		buf_add(out, head->path);
	} else {
		buf_add(out, in->route->before);
		buf_add(out, in->route->path);
	}
	if (head->has_query) {
		buf_add_char(out, '?');
		buf_add(out, head->query);
	}
	buf_add(out, STR(" HTTP/1.1\r\n"));
}

size_t forward_head(struct buf *out, const struct forward_in *in)
{
	struct connection_walk w = {
		.in = in,
		.lines = {.out = out},
		.is_believed =
			in->remote->is_peer || (in->remote->is_trusted && in->keeps_forwarded),
		.next = in->fields,
	};

	assert(!out->end);
	if (!in->hop.n)
		rewrite_init(&w.rewrite, in->route, in->head->host);
	add_request_line(out, in);
	if (!header_find(in->head->headers, in->head->nheaders, HEADER_HOST))
		add_field(&w, HEADER_HOST, STR("Host: "), host_of(in));
	copy_lines(&w);
	add_origin(&w);
	if (in->hop.n)
		add_hop(&w);
	else
		add_prefix(&w);
	if (in->sends_files)
		add_field(&w, HEADER_X_SENDFILE_TYPE, STR("X-Sendfile-Type: "), STR("X-Sendfile"));
	add_connection(&w);
	buf_add(out, STR("\r\n"));
	return (size_t)(w.next - in->fields);
}

bool forward_is_upgrade(const struct request_head *head)
{
	return head->has_upgrade && !str_list_has(head->upgrade, STR("h2c")) &&
	       !str_list_has(head->upgrade, STR("HTTP/2.0"));
}
