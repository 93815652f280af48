/* fuzz_path.c - paths and hosts: what is accepted has one reading, whoever decodes it. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "http/uri.h"

static size_t count_char(str s, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += s.p[i] == c;
	return count;
}

static void check_segments(str path)
{
	str rest = str_slice(path, 1, path.n), segment;

	while (str_split(&rest, '/', &segment)) {
		assert(segment.n);
		assert(!str_eq(segment, STR(".")) && !str_eq(segment, STR("..")));
	}
}

static void check_escapes(str path)
{
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] != '%')
			continue;
		assert(path.n - i > 2);
		assert(strchr("0123456789ABCDEF", path.p[i + 1]) &&
			strchr("0123456789ABCDEF", path.p[i + 2]));
	}
}

static void check_form(str path)
{
	for (size_t i = 0; i < path.n; i++)
		assert(path.p[i] > ' ' && path.p[i] < 0x7f && !strchr("\\?#", path.p[i]));
	check_segments(path);
	check_escapes(path);
}

/* What goes on is in its normal form what was routed, wherever a prefix ends. */
static void check_below(struct arena *a, const struct uri_path *p)
{
	struct uri_path again;
	size_t at;

	for (size_t n = 0; n <= p->routed.n; n++) {
		str prefix = str_slice(p->routed, 0, n), below;

		if (n < p->routed.n && p->routed.p[n] != '/')
			continue;
		below = uri_path_below(a, p, prefix);
		assert(str_starts(below, prefix) && below.n <= p->sent.n);
		if (n < p->routed.n)
			assert(below.p[n] == '/' && (n + 1 == below.n || below.p[n + 1] != '/'));
		assert(uri_path_read(a, below, &again, &at) == 0);
		assert(str_eq(again.routed, p->routed));
	}
}

static void check_path(str raw)
{
	struct arena a = {0};
	struct uri_path p, again;
	size_t at = 0;
	str decoded;

	if (uri_path_read(&a, raw, &p, &at) == 0) {
		assert(p.routed.n && p.routed.p[0] == '/' && p.routed.n <= p.sent.n);
		assert(p.sent.n <= raw.n && p.decoded.n <= p.routed.n);
		check_form(p.routed);
		assert(uri_path_read(&a, p.routed, &again, &at) == 0);
		assert(again.routed.p == p.routed.p && again.routed.n == p.routed.n);
		assert(str_eq(again.decoded, p.decoded));
		assert(uri_path_read(&a, p.sent, &again, &at) == 0);
		assert(str_eq(again.sent, p.sent) && str_eq(again.routed, p.routed));
		/* A server that decodes everything sees the segments of `decoded`. */
		check_form(p.decoded);
		decoded = uri_decode(&a, p.decoded);
		assert(count_char(decoded, '/') == count_char(p.decoded, '/'));
		assert(!memchr(decoded.p, '\\', decoded.n) && !memchr(decoded.p, 0, decoded.n));
		check_segments(decoded);
		assert(uri_hides_separator(p.routed) || str_eq(p.decoded, p.routed));
		check_below(&a, &p);
	} else {
		assert(at <= raw.n);
	}
	assert(uri_decode(&a, raw).n <= raw.n);
	arena_done(&a);
}

static void check_host(str host)
{
	unsigned port;
	str name;

	if (!uri_host_is_valid(host))
		return;
	uri_host_split(host, &name, &port);
	assert(name.n && name.n <= host.n && port <= 65535);
	assert(uri_host_is_valid(name));
	assert(name.n == host.n || host.p[name.n] == ':');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_path(fuzz_str(data, size));
	check_host(fuzz_str(data, size));
	return 0;
}
