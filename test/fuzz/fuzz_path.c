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

static void check_path(str raw)
{
	struct arena a = {0};
	str path, again, decoded;

	if (uri_normalise(&a, raw, &path) == 0) {
		assert(path.n && path.p[0] == '/' && path.n <= raw.n);
		for (size_t i = 0; i < path.n; i++)
			assert(path.p[i] > ' ' && path.p[i] < 0x7f && !strchr("\\?#", path.p[i]));
		check_segments(path);
		check_escapes(path);
		assert(uri_normalise(&a, path, &again) == 0);
		assert(again.p == path.p && again.n == path.n);
		/* An application that decodes it sees the same segments as the router. */
		decoded = uri_decode(&a, path);
		assert(count_char(decoded, '/') == count_char(path, '/'));
		assert(!memchr(decoded.p, '\\', decoded.n) && !memchr(decoded.p, 0, decoded.n));
		check_segments(decoded);
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
