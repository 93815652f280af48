/* request.c - collects fields in the order of HTTP/2, and writes them as a head of HTTP/1.1. */
/* SPDX-License-Identifier: MIT */
#include "h2/request.h"

#include "base/number.h"
#include "http/chars.h"
#include "http/header.h"

static const str pseudo_names[H2_NPSEUDO] = {
	[H2_METHOD] = STR_INIT(":method"),
	[H2_SCHEME] = STR_INIT(":scheme"),
	[H2_AUTHORITY] = STR_INIT(":authority"),
	[H2_PATH] = STR_INIT(":path"),
	[H2_PROTOCOL] = STR_INIT(":protocol"),
};

void h2_request_begin(struct h2_request *r)
{
	buf_clear(&r->fields);
	buf_clear(&r->cookie);
	buf_clear(&r->pseudo);
	r->has = 0;
	r->size = 0;
	r->has_field = r->has_host = r->has_length = r->has_payload = false;
	r->length = UINT64_MAX;
}

void h2_request_done(struct h2_request *r)
{
	buf_done(&r->fields);
	buf_done(&r->cookie);
	buf_done(&r->pseudo);
}

/* RFC 9113 8.2: tokens without capitals. */
static bool is_name(str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!char_is(name.p[i], CHAR_TOKEN) || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
			return false;
	return name.n;
}

/* RFC 9113 8.2.1: no controls, and no blanks at the ends. */
static bool is_value(str value)
{
	const char *end = value.p + value.n;

	return !value.n || (!char_is_blank(value.p[0]) && !char_is_blank(end[-1]) &&
				   find_control(value.p, end) == end);
}

/* Visible characters: nothing that could end a word of the request line. */
static bool is_word(str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (char_is(value.p[i], CHAR_CONTROL) || char_is_blank(value.p[i]))
			return false;
	return value.n;
}

static bool add_pseudo(struct h2_request *r, str name, str value)
{
	enum h2_pseudo which = 0;

	while (which < H2_NPSEUDO && !str_eq(pseudo_names[which], name))
		which++;
	if (which == H2_NPSEUDO || r->has & 1u << which || r->has_field || !is_word(value))
		return false;
	r->has |= 1u << which;
	r->values[which].at = buf_len(&r->pseudo);
	r->values[which].n = value.n;
	buf_add(&r->pseudo, value);
	return true;
}

static str pseudo_value(const struct h2_request *r, enum h2_pseudo which)
{
	if (!(r->has & 1u << which))
		return STR_EMPTY;
	return str_slice(
		buf_str(&r->pseudo), r->values[which].at, r->values[which].at + r->values[which].n);
}

static void add_field_line(struct buf *out, str name, str value)
{
	char *at = buf_room(out, name.n + value.n + 4);

	at = mempcpy(at, name.p, name.n);
	at = mempcpy(at, ": ", 2);
	at = mempcpy(at, value.p, value.n);
	memcpy(at, "\r\n", 2);
	buf_added(out, name.n + value.n + 4);
}

/* A field that needs more than a line; false: malformed. */
typedef bool field_fn(struct h2_request *r, str name, str value);

/* RFC 9113 8.2.2: a field about the connection. */
static bool refuse_field(struct h2_request *r, str name, str value)
{
	(void)r, (void)name, (void)value;
	return false;
}

static bool add_te(struct h2_request *r, str name, str value)
{
	add_field_line(&r->fields, name, value);
	return str_eq_nocase(value, STR("trailers"));
}

/* RFC 9113 8.3.1; without :authority the parser makes sure that there is exactly one Host. */
static bool add_host(struct h2_request *r, str name, str value)
{
	r->has_host = true;
	if (r->has & 1u << H2_AUTHORITY)
		return str_eq_nocase(pseudo_value(r, H2_AUTHORITY), value);
	add_field_line(&r->fields, name, value);
	return true;
}

/* RFC 9113 8.2.3: the crumbs of a cookie become one field when they leave HTTP/2. */
static bool add_cookie(struct h2_request *r, str name, str value)
{
	if (buf_len(&r->cookie)) {
		buf_add(&r->cookie, STR("; "));
	} else {
		buf_add(&r->cookie, name);
		buf_add(&r->cookie, STR(": "));
	}
	buf_add(&r->cookie, value);
	return true;
}

static bool add_length(struct h2_request *r, str name, str value)
{
	uint64_t length;

	if (r->has_length || number_parse(value, INT64_MAX, &length) < 0)
		return false;
	r->has_length = true;
	r->length = length;
	r->has_payload = length > 0;
	add_field_line(&r->fields, name, value);
	return true;
}

/* RFC 8441 5: HTTP/2 does without the field, so one that came would not be the one that is used. */
static bool add_key(struct h2_request *r, str name, str value)
{
	if (!h2_request_is_extended(r))
		add_field_line(&r->fields, name, value);
	return true;
}

static field_fn *const adders[HEADER_NIDS] = {
	[HEADER_CONNECTION] = refuse_field,
	[HEADER_KEEP_ALIVE] = refuse_field,
	[HEADER_PROXY_CONNECTION] = refuse_field,
	[HEADER_TRANSFER_ENCODING] = refuse_field,
	[HEADER_UPGRADE] = refuse_field,
	[HEADER_TE] = add_te,
	[HEADER_HOST] = add_host,
	[HEADER_COOKIE] = add_cookie,
	[HEADER_CONTENT_LENGTH] = add_length,
	[HEADER_SEC_WEBSOCKET_KEY] = add_key,
};

static bool add_field(struct h2_request *r, str name, str value)
{
	field_fn *add = adders[header_lookup(name)];

	if (add)
		return add(r, name, value);
	add_field_line(&r->fields, name, value);
	return true;
}

bool h2_request_add(struct h2_request *r, str name, str value)
{
	r->size += name.n + value.n + H2_FIELD_OVERHEAD;
	if (name.n && name.p[0] == ':')
		return add_pseudo(r, name, value);
	r->has_field = true;
	return is_name(name) && is_value(value) && add_field(r, name, value);
}

static bool has_all(const struct h2_request *r, unsigned wanted)
{
	return (r->has & wanted) == wanted;
}

/* RFC 9113 8.3.1, 8.5; RFC 8441 4. */
static bool is_complete(const struct h2_request *r, bool has_body)
{
	bool is_connect = str_eq(pseudo_value(r, H2_METHOD), STR("CONNECT"));
	str scheme = pseudo_value(r, H2_SCHEME), path = pseudo_value(r, H2_PATH);

	if (r->has_payload && !has_body)
		return false;
	if (h2_request_is_extended(r) && (!is_connect || r->has_length))
		return false;
	if (is_connect && !h2_request_is_extended(r))
		return r->has == (1u << H2_METHOD | 1u << H2_AUTHORITY);
	if (!has_all(r, 1u << H2_METHOD | 1u << H2_SCHEME | 1u << H2_PATH))
		return false;
	if (!str_eq_nocase(scheme, STR("http")) && !str_eq_nocase(scheme, STR("https")))
		return false;
	if (!r->has_host && !(r->has & 1u << H2_AUTHORITY))
		return false;
	return path.p[0] == '/' ||
	       (str_eq(path, STR("*")) && str_eq(pseudo_value(r, H2_METHOD), STR("OPTIONS")));
}

static void add_request_line(const struct h2_request *r, struct buf *out)
{
	str method = pseudo_value(r, H2_METHOD), path = pseudo_value(r, H2_PATH);

	buf_add(out, h2_request_is_extended(r) ? STR("GET") : method);
	buf_add_char(out, ' ');
	buf_add(out, path.n ? path : pseudo_value(r, H2_AUTHORITY));
	buf_add(out, STR(" HTTP/1.1\r\n"));
}

unsigned h2_request_end(const struct h2_request *r, bool has_body, str key, struct buf *out)
{
	if (!is_complete(r, has_body))
		return 400;
	if (h2_request_is_extended(r) &&
		!str_eq_nocase(pseudo_value(r, H2_PROTOCOL), STR("websocket")))
		return 501;
	add_request_line(r, out);
	if (r->has & 1u << H2_AUTHORITY)
		add_field_line(out, STR("host"), pseudo_value(r, H2_AUTHORITY));
	buf_add(out, buf_str(&r->fields));
	if (buf_len(&r->cookie)) {
		buf_add(out, buf_str(&r->cookie));
		buf_add(out, STR("\r\n"));
	}
	if (h2_request_is_extended(r)) {
		buf_add(out, STR("connection: upgrade\r\nupgrade: websocket\r\n"));
		add_field_line(out, STR("sec-websocket-key"), key);
	} else if (h2_request_is_chunked(r, has_body)) {
		buf_add(out, STR("transfer-encoding: chunked\r\n"));
	}
	buf_add(out, STR("\r\n"));
	return 0;
}

bool h2_trailer_add(struct buf *out, str name, str value)
{
	if (!is_name(name) || !is_value(value))
		return false;
	add_field_line(out, name, value);
	return true;
}
