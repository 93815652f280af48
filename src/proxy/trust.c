/* trust.c - reads server.trusted_proxies, and judges a request's peer by it. */
/* SPDX-License-Identifier: MIT */
#include "proxy/trust.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"

/* An address of either family: IPv4 in its IPv6-mapped form, in network order. */
struct bits {
	uint64_t half[2];
};

struct network {
	struct bits base, mask;
};

struct networks {
	struct network *items;
	size_t count;
};

struct trust {
	struct networks believed;
	bool has_unix; /* peers without an address */
	bool on_fly;
	/* On Fly: addresses from which the edge may connect.  Those named in the configuration; and
	 * those of Fly's networks that are not our own, from which our own processes connect. */
	struct networks named, edge, own;
};

static const char *const loopback[] = {"127.0.0.0/8", "::1"};
static const char *const private[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
	"169.254.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10"};
static const char *const fly[] = {"172.16.0.0/12", "fdaa::/16"};

static struct bits bits_v4(struct in_addr a)
{
	uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
	struct bits b;

	memcpy(bytes + 12, &a, 4);
	memcpy(&b, bytes, sizeof(b));
	return b;
}

static struct bits bits_v6(struct in6_addr a)
{
	struct bits b;

	memcpy(&b, &a, sizeof(b));
	return b;
}

/* *ret_offset is where the address's own bits begin. */
static bool parse_address(str s, struct bits *ret, unsigned *ret_offset)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = bits_v4(v4);
		*ret_offset = 96;
	} else if (inet_pton(AF_INET6, text, &v6) == 1) {
		*ret = bits_v6(v6);
		*ret_offset = 0;
	} else {
		return false;
	}
	return true;
}

static struct bits mask_of(unsigned length)
{
	uint8_t bytes[16] = {0};
	struct bits b;

	for (unsigned i = 0; i < length; i++)
		bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(&b, bytes, sizeof(b));
	return b;
}

static bool parse_network(str s, struct network *ret)
{
	ssize_t slash = str_find_char(s, '/');
	uint64_t length;
	unsigned offset;

	if (!parse_address(slash < 0 ? s : str_slice(s, 0, (size_t)slash), &ret->base, &offset))
		return false;
	if (slash < 0)
		length = 128 - offset;
	else if (number_parse(str_slice(s, (size_t)slash + 1, s.n), 128 - offset, &length))
		return false;
	ret->mask = mask_of((unsigned)length + offset);
	ret->base.half[0] &= ret->mask.half[0];
	ret->base.half[1] &= ret->mask.half[1];
	return true;
}

static void add_bits(struct networks *to, const struct network *n)
{
	to->items = xrealloc(to->items, (to->count + 1) * sizeof(*to->items));
	to->items[to->count++] = *n;
}

static void add_network(struct networks *to, str text)
{
	struct network n;

	if (parse_network(text, &n))
		add_bits(to, &n);
	else
		log_warn("trusted_proxies: " STR_FMT " is not an address or a network",
			STR_ARG(text));
}

static void add_networks(struct networks *to, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_network(to, str_of(texts[i]));
}

static void add_word(struct trust *t, str word)
{
	if (str_eq(word, STR("loopback"))) {
		t->has_unix = true;
		add_networks(&t->believed, loopback, NITEMS(loopback));
	} else if (str_eq(word, STR("private"))) {
		add_networks(&t->believed, private, NITEMS(private));
	} else if (str_eq(word, STR("fly"))) {
		if (t->on_fly)
			add_networks(&t->believed, fly, NITEMS(fly));
	} else {
		add_network(&t->believed, word);
		add_network(&t->named, word);
	}
}

/* The address from which a process on this machine connects to one of its addresses. */
static void add_own(struct networks *to)
{
	struct ifaddrs *all, *i;

	if (getifaddrs(&all) < 0) {
		log_warn("cannot read our own addresses: %s", strerror(errno));
		return;
	}
	for (i = all; i; i = i->ifa_next) {
		struct network n = {.mask = mask_of(128)};
		const void *address = i->ifa_addr;

		if (!address)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			n.base = bits_v4(((const struct sockaddr_in *)address)->sin_addr);
		else if (i->ifa_addr->sa_family == AF_INET6)
			n.base = bits_v6(((const struct sockaddr_in6 *)address)->sin6_addr);
		else
			continue;
		add_bits(to, &n);
	}
	freeifaddrs(all);
}

struct trust *trust_new(const struct config *conf)
{
	const struct str_list *list = &conf->server.trusted_proxies;
	struct trust *t = xcalloc(1, sizeof(*t));

	t->on_fly = conf->target == TARGET_FLY && conf->our_machine.n;
	for (size_t i = 0; i < list->count; i++)
		add_word(t, list->items[i]);
	if (t->on_fly) {
		add_networks(&t->edge, fly, NITEMS(fly));
		add_own(&t->own);
	}
	return t;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	free(t->believed.items);
	free(t->named.items);
	free(t->edge.items);
	free(t->own.items);
	free(t);
}

static bool has_bits(const struct networks *all, struct bits a)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct network *n = &all->items[i];

		if ((a.half[0] & n->mask.half[0]) == n->base.half[0] &&
			(a.half[1] & n->mask.half[1]) == n->base.half[1])
			return true;
	}
	return false;
}

static bool has_peer(const struct networks *all, const struct address *peer)
{
	if (peer->family == AF_INET)
		return has_bits(all, bits_v4(peer->v4));
	return peer->family == AF_INET6 && has_bits(all, bits_v6(peer->v6));
}

bool trust_has(const struct trust *t, const struct address *peer)
{
	if (peer->family == AF_INET || peer->family == AF_INET6)
		return has_peer(&t->believed, peer);
	return t->has_unix;
}

static bool may_be_edge(const struct trust *t, const struct address *peer)
{
	return t->on_fly && trust_has(t, peer) &&
	       (has_peer(&t->named, peer) ||
		       (has_peer(&t->edge, peer) && !has_peer(&t->own, peer)));
}

static bool is_v4(struct bits b)
{
	struct bits mapped = bits_v4((struct in_addr){0}), mask = mask_of(96);

	return !b.half[0] && (b.half[1] & mask.half[1]) == mapped.half[1];
}

static uint64_t key_of(struct bits b)
{
	const uint64_t *network = is_v4(b) ? &b.half[1] : &b.half[0];
	uint64_t key = hash_bytes((str){(const char *)network, sizeof(*network)});

	return key ? key : 1;
}

uint64_t trust_key(const struct address *a)
{
	if (a->family == AF_INET)
		return key_of(bits_v4(a->v4));
	return a->family == AF_INET6 ? key_of(bits_v6(a->v6)) : 0;
}

/* "192.0.2.1:8080" and "[2001:db8::1]:8080" without what surrounds the address. */
static str bare_address(str s)
{
	ssize_t end;

	if (s.n && s.p[0] == '[') {
		end = str_find_char(s, ']');
		return end < 0 ? s : str_slice(s, 1, (size_t)end);
	}
	end = str_find_char(s, ':');
	if (end < 0 || memchr(s.p + end + 1, ':', s.n - (size_t)end - 1))
		return s;
	return str_slice(s, 0, (size_t)end);
}

/* Goes through one X-Forwarded-For from its end.  True if the search is over: *ret is the
 * client. */
static bool find_client(const struct trust *t, str list, str *ret, struct bits *ret_bits)
{
	while (list.n) {
		size_t start = list.n;
		struct bits bits;
		unsigned offset;
		str address;

		while (start && list.p[start - 1] != ',')
			start--;
		address = bare_address(str_trim(str_slice(list, start, list.n)));
		list = str_slice(list, 0, start ? start - 1 : 0);
		/* A proxy that says "unknown", or worse, knows nothing about the ones before it
		 * either. */
		if (!parse_address(address, &bits, &offset))
			return true;
		*ret = address;
		*ret_bits = bits;
		if (!has_bits(&t->believed, bits))
			return true;
	}
	return false;
}

/* False: the field names no address. */
static bool forwarded_client(
	const struct trust *t, const struct request_head *head, str *ret, struct bits *ret_bits)
{
	str client = STR_EMPTY;

	for (size_t i = head->nheaders; i-- > 0;)
		if (head->headers[i].id == HEADER_X_FORWARDED_FOR &&
			find_client(t, head->headers[i].value, &client, ret_bits))
			break;
	if (client.n)
		*ret = client;
	return client.n;
}

/* From the edge there is one fly-client-ip; empty if its value is not an address. */
static str edge_client(const struct request_head *head, struct bits *ret_bits)
{
	str value = header_value(head->headers, head->nheaders, HEADER_FLY_CLIENT_IP);
	unsigned offset;

	return parse_address(value, ret_bits, &offset) ? value : STR_EMPTY;
}

void trust_remote(const struct trust *t, const struct address *peer, str peer_text,
	const struct request_head *head, struct remote *ret)
{
	struct remote c = {
		.peer = peer_text,
		.address = peer_text,
		.fly_client = STR_EMPTY,
		.is_trusted = trust_has(t, peer),
	};
	struct bits bits;

	c.has_edge = may_be_edge(t, peer) &&
		     header_value(head->headers, head->nheaders, HEADER_FLY_REQUEST_ID).n;
	if (c.has_edge)
		c.fly_client = edge_client(head, &bits);
	if (c.fly_client.n)
		c.address = c.fly_client;
	if (!c.is_trusted)
		c.key = trust_key(peer);
	else if (c.fly_client.n || forwarded_client(t, head, &c.address, &bits))
		c.key = key_of(bits);
	*ret = c;
}

/* It has put one address into the field, which is believed whatever it is: a client of that machine
 * may be one that we would take for a proxy. */
void trust_machine(const struct trust *t, const struct request_head *head, struct remote *r)
{
	struct bits bits;

	r->is_peer = r->is_trusted = true;
	r->has_edge = header_value(head->headers, head->nheaders, HEADER_FLY_REQUEST_ID).n;
	r->fly_client = r->has_edge ? edge_client(head, &bits) : STR_EMPTY;
	r->address = r->fly_client;
	r->key = 0;
	if (r->fly_client.n || forwarded_client(t, head, &r->address, &bits))
		r->key = key_of(bits);
}
