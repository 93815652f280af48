/* uri.c - paths in normal form, and the authority of a request. */
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

/* The length of the beginning that is in normal form whatever follows it: a path is normal when
 * that is all of it. */
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

/* Appends one character or escape of a segment in its normal form; returns how many bytes of `in`
 * that was, or 0. */
static size_t copy_char(str in, char *out, size_t *at)
{
	char c = in.p[0], decoded;

	if (c != '%') {
		if (c == '\\' || !char_is(c, CHAR_PATH))
			return 0;
		out[(*at)++] = c;
		return 1;
	}
	if (!decode_escape(in, &decoded) || decoded == 0 || decoded == '/' || decoded == '\\')
		return 0;
	if (char_is(decoded, CHAR_UNRESERVED)) {
		out[(*at)++] = decoded;
		return 3;
	}
	out[(*at)++] = '%';
	out[(*at)++] = "0123456789ABCDEF"[(uint8_t)decoded >> 4];
	out[(*at)++] = "0123456789ABCDEF"[decoded & 15];
	return 3;
}

/* The output always ends in the '/' before the segment that is being written.  Removes dot
 * segments; false if that leaves the root. */
static bool close_segment(char *out, size_t start, size_t *at, bool is_last)
{
	str segment = {out + start, *at - start};

	if (segment.n == 0)
		return true;
	if (str_eq(segment, STR("."))) {
		*at = start;
		return true;
	}
	if (!str_eq(segment, STR(".."))) {
		if (!is_last)
			out[(*at)++] = '/';
		return true;
	}
	if (start == 1)
		return false;
	for (start--; out[start - 1] != '/';)
		start--;
	*at = start;
	return true;
}

int uri_normalise(struct arena *a, str raw_path, str *ret_path)
{
	size_t at = 1, start = 1;
	char *out;

	if (!raw_path.n || raw_path.p[0] != '/')
		return -EINVAL;
	if (normal_length(raw_path) == raw_path.n) {
		*ret_path = raw_path;
		return 0;
	}
	out = arena_alloc(a, raw_path.n);
	out[0] = '/';
	for (size_t i = 1; i < raw_path.n;) {
		if (raw_path.p[i] == '/') {
			if (!close_segment(out, start, &at, false))
				return -EINVAL;
			start = at;
			i++;
		} else {
			size_t n = copy_char(str_slice(raw_path, i, raw_path.n), out, &at);

			if (!n)
				return -EINVAL;
			i += n;
		}
	}
	if (!close_segment(out, start, &at, true))
		return -EINVAL;
	*ret_path = (str){out, at};
	if (str_eq(*ret_path, raw_path))
		*ret_path = raw_path;
	return 0;
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
