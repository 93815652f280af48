/* own_url.c - compares a URL's authority with a host, ports and all. */
/* SPDX-License-Identifier: MIT */
#include "route/own_url.h"

#include "http/uri.h"

static bool is_same_authority(str a, str b, unsigned default_port)
{
	unsigned port_a, port_b;
	str name_a, name_b;

	if (str_eq_nocase(a, b))
		return a.n;
	if (!uri_host_is_valid(a) || !uri_host_is_valid(b))
		return false;
	uri_host_split(a, &name_a, &port_a);
	uri_host_split(b, &name_b, &port_b);
	return str_eq_nocase(name_a, name_b) &&
	       (port_a ? port_a : default_port) == (port_b ? port_b : default_port);
}

bool own_url(str url, str host, str *ret_rest)
{
	bool is_tls = str_starts_nocase(url, STR("https://"));
	size_t end;

	if (!is_tls && !str_starts_nocase(url, STR("http://")))
		return false;
	url = str_slice(url, is_tls ? 8 : 7, url.n);
	for (end = 0; end < url.n; end++)
		if (url.p[end] == '/' || url.p[end] == '?' || url.p[end] == '#')
			break;
	if (!is_same_authority(str_slice(url, 0, end), host, is_tls ? 443 : 80))
		return false;
	*ret_rest = str_slice(url, end, url.n);
	return true;
}
