/* uri.c - brings paths into normal form, and checks the authority of a request. */
/* SPDX-License-Identifier: MIT */
#include "http/uri.h"

#include <arpa/inet.h>

#include "base/number.h"
#include "http/http_int.h"

#define MAX_HOST_NAME 255u /* RFC 1035 3.1 */

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(char_lower(c) - 'a') + 10;
}

/* Decodes the escape at the beginning of `s`; false if there is no complete one. */
static bool decode_escape(str s, char *ret)
{
	if (s.n < 3 || s.p[0] != '%' || !char_is(s.p[1], CHAR_HEX) || !char_is(s.p[2], CHAR_HEX))
		return false;
	*ret = (char)(hex_value(s.p[1]) << 4 | hex_value(s.p[2]));
	return true;
}

/* The length of the beginning that is in normal form whatever follows it: a path is normal if that
 * is its whole length. */
static size_t normal_length(str path)
{
	size_t i = 1;

	while (i < path.n) {
		if (char_is(path.p[i], CHAR_PLAIN) ||
			(path.p[i - 1] != '/' && (path.p[i] == '.' || path.p[i] == '/')))
			i++;
		else
			break;
	}
	return i;
}

/* The bytes of the character or escape that s begins with, and what it stands for; 0 if it is not
 * allowed in a path. */
static size_t read_char(str s, char *ret)
{
	*ret = s.p[0];
	if (s.p[0] != '%')
		return s.p[0] != '\\' && char_is(s.p[0], CHAR_PATH);
	return decode_escape(s, ret) && *ret != 0 ? 3 : 0;
}

enum segment { SEGMENT_ORDINARY, SEGMENT_EMPTY, SEGMENT_DOT, SEGMENT_UP, SEGMENT_BAD };

/* The kind of the segment that s begins with, and its length; for a bad one, the length up to the
 * bad byte. */
static enum segment read_segment(str s, size_t *ret_n)
{
	size_t i = 0, nchars = 0, ndots = 0, n;
	char c;

	for (; i < s.n && s.p[i] != '/'; i += n) {
		n = read_char(str_slice(s, i, s.n), &c);
		if (!n)
			break;
		nchars++;
		ndots += c == '.';
	}
	*ret_n = i;
	if (i < s.n && s.p[i] != '/')
		return SEGMENT_BAD;
	if (!nchars)
		return SEGMENT_EMPTY;
	if (nchars != ndots || ndots > 2)
		return SEGMENT_ORDINARY;
	return ndots == 1 ? SEGMENT_DOT : SEGMENT_UP;
}

/* Removes the last segment; `out` ends in a slash.  False at the root, and where the segment is an
 * empty one. */
static bool go_up(const char *out, size_t *at)
{
	size_t n = *at - 1;

	assert(*at && out[n] == '/');
	if (n == 0 || out[n - 1] == '/')
		return false;
	while (out[n - 1] != '/')
		n--;
	*at = n;
	return true;
}

/* Removes dot segments, and leaves the rest. */
static int remove_dots(struct arena *a, str path, str *ret, size_t *ret_at)
{
	char *out = arena_alloc(a, path.n);
	size_t at = 1, n;

	out[0] = '/';
	for (size_t i = 1; i < path.n; i += n + 1) {
		bool is_last;

		*ret_at = i;
		switch (read_segment(str_slice(path, i, path.n), &n)) {
		case SEGMENT_BAD:
			*ret_at = i + n;
			return -EINVAL;
		case SEGMENT_UP:
			if (!go_up(out, &at))
				return -EINVAL;
			break;
		case SEGMENT_DOT:
			break;
		case SEGMENT_EMPTY:
		case SEGMENT_ORDINARY:
			is_last = i + n == path.n;
			memcpy(out + at, path.p + i, n + !is_last);
			at += n + !is_last;
			assert(at <= path.n);
			break;
		}
	}
	*ret = (str){out, at};
	return 0;
}

/* For a path without dot segments: removes empty segments, and writes escapes in their one form. */
static str canonical(struct arena *a, str path)
{
	char *out = arena_alloc(a, path.n), c;
	size_t at = 0, n;

	for (size_t i = 0; i < path.n; i += n) {
		n = read_char(str_slice(path, i, path.n), &c);
		assert(n && at + n <= path.n); /* remove_dots has checked all of it */
		if (n == 1 && c == '/' && at && out[at - 1] == '/')
			continue;
		if (n == 1 || char_is(c, CHAR_UNRESERVED)) {
			out[at++] = c;
			continue;
		}
		out[at++] = '%';
		out[at++] = "0123456789ABCDEF"[(uint8_t)c >> 4];
		out[at++] = "0123456789ABCDEF"[c & 15];
	}
	return (str){out, at};
}

/* "%2F" and "%5C" in capitals. */
static size_t hidden_separator(str routed)
{
	for (size_t i = 0; i + 2 < routed.n; i++)
		if (routed.p[i] == '%' && (memcmp(routed.p + i, "%2F", 3) == 0 ||
						  memcmp(routed.p + i, "%5C", 3) == 0))
			return i;
	return routed.n;
}

bool uri_hides_separator(str routed)
{
	return hidden_separator(routed) < routed.n;
}

/* What a server sees that takes every escaped separator for a slash. */
static int read_hidden(struct arena *a, str routed, str *ret)
{
	char *out = arena_alloc(a, routed.n);
	size_t at = 0, bad;
	str shown;

	while (routed.n) {
		size_t n = hidden_separator(routed);

		memcpy(out + at, routed.p, n);
		at += n;
		if (n < routed.n)
			out[at++] = '/';
		routed = str_slice(routed, n + 3, routed.n);
	}
	assert(at);
	if (remove_dots(a, (str){out, at}, &shown, &bad) < 0)
		return -EINVAL;
	*ret = canonical(a, shown);
	return 0;
}

int uri_path_read(struct arena *a, str raw_path, struct uri_path *ret, size_t *ret_at)
{
	struct uri_path p = {raw_path, raw_path, raw_path};

	*ret_at = 0;
	if (!raw_path.n || raw_path.p[0] != '/')
		return -EINVAL;
	if (normal_length(raw_path) < raw_path.n) {
		if (remove_dots(a, raw_path, &p.sent, ret_at) < 0)
			return -EINVAL;
		p.routed = canonical(a, p.sent);
		if (str_eq(p.routed, raw_path))
			p.routed = p.sent = raw_path;
		p.decoded = p.routed;
		*ret_at = hidden_separator(p.routed);
		if (*ret_at < p.routed.n && read_hidden(a, p.routed, &p.decoded) < 0)
			return -EINVAL;
	}
	*ret = p;
	return 0;
}

/* Where in `sent` the first n bytes of `routed` end. */
static size_t sent_length(str sent, size_t n)
{
	size_t i = 0;

	for (size_t at = 0; at < n;) {
		char c;
		size_t bytes = read_char(str_slice(sent, i, sent.n), &c);
		bool is_merged = c == '/' && bytes == 1 && i && sent.p[i - 1] == '/';

		assert(bytes && i + bytes <= sent.n); /* otherwise it would loop forever */
		if (!is_merged)
			at += bytes == 1 || char_is(c, CHAR_UNRESERVED) ? 1 : 3;
		i += bytes;
	}
	return i;
}

str uri_path_below(struct arena *a, const struct uri_path *p, str prefix)
{
	size_t from;
	str tail;
	char *out;

	if (p->sent.p == p->routed.p)
		return p->routed;
	assert(prefix.n <= p->routed.n);
	from = sent_length(p->sent, prefix.n);
	while (from + 1 < p->sent.n && p->sent.p[from] == '/' && p->sent.p[from + 1] == '/')
		from++;
	tail = str_slice(p->sent, from, p->sent.n);
	out = arena_alloc(a, prefix.n + tail.n);
	memcpy(out, prefix.p, prefix.n);
	memcpy(out + prefix.n, tail.p, tail.n);
	return (str){out, prefix.n + tail.n};
}

str uri_decode(struct arena *a, str s)
{
	size_t at = 0;
	char *out;

	if (str_find_char(s, '%') < 0)
		return s;
	out = arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n;) {
		bool is_escape = decode_escape(str_slice(s, i, s.n), &out[at]);

		if (!is_escape)
			out[at] = s.p[i];
		at++;
		i += is_escape ? 3 : 1;
	}
	return (str){out, at};
}

static bool port_is_valid(str port)
{
	uint64_t n;

	return port.n <= 5 && number_parse(port, 65535, &n) == 0;
}

/* "[::1]" or "[::1]:80". */
static bool ip6_is_valid(str host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	ssize_t close = str_find_char(host, ']');
	str inside = str_slice(host, 1, (size_t)close);

	if (close < 0 || inside.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < inside.n; i++)
		if (!char_is(inside.p[i], CHAR_HEX) && inside.p[i] != ':' && inside.p[i] != '.')
			return false;
	memcpy(text, inside.p, inside.n);
	text[inside.n] = 0;
	if (inet_pton(AF_INET6, text, &address) != 1)
		return false;
	host = str_slice(host, (size_t)close + 1, host.n);
	return !host.n || (host.p[0] == ':' && port_is_valid(str_slice(host, 1, host.n)));
}

bool uri_host_is_valid(str host)
{
	size_t n = 0;

	if (host.n && host.p[0] == '[')
		return ip6_is_valid(host);
	while (n < host.n && char_is(host.p[n], CHAR_UNRESERVED))
		n++;
	if (!n || n > MAX_HOST_NAME)
		return false;
	return n == host.n || (host.p[n] == ':' && port_is_valid(str_slice(host, n + 1, host.n)));
}

void uri_host_split(str host, str *ret_name, unsigned *ret_port)
{
	size_t n = host.n;
	uint64_t port = 0;

	while (n && char_is(host.p[n - 1], CHAR_DIGIT))
		n--;
	if (n && host.p[n - 1] == ':' &&
		number_parse(str_slice(host, n, host.n), 65535, &port) == 0)
		host = str_slice(host, 0, n - 1);
	*ret_name = host;
	*ret_port = (unsigned)port;
}
