/* table.c - which tenant a request belongs to.
 *
 * A tree of path segments, kept in one hash table: each prefix of a tenant and each of its
 * ancestors is a node, found by (host, path up to a '/').  A look-up hashes the path once, asks for
 * the node at each '/', and stops at the first one that does not exist. */
/* SPDX-License-Identifier: MIT */
#include "route/table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/magic.h"
#include "http/uri.h"
#include "route/own_url.h"

#define NO_TENANT  UINT32_MAX
#define ANY_HOST   0u /* index in hosts */
#define HASH_PRIME 0x9e3779b97f4a7c15u

struct route_node {
	const char *path; /* points into the prefix of one of its tenants */
	uint32_t path_size;
	uint32_t hash;
	uint32_t host;
	uint32_t tenant;  /* the tenant whose prefix it is, or NO_TENANT */
	uint32_t example; /* a tenant at or below it; all the others are where that one is, unless
			     is_mixed */
	bool is_mixed;
};

struct host {
	str name;      /* empty for ANY_HOST */
	uint32_t root; /* the tenant at "/", or NO_TENANT */
	uint32_t ntenants;
	uint32_t example; /* one of them */
};

/* Open addressing: an index + 1 in each slot, 0 in an empty one; at most half of them are used. */
struct slots {
	uint32_t *index;
	uint32_t mask;
};

enum { ROUTE_TABLE_MAGIC = MAGIC('r', 'o', 'u', 't') };

struct route_table {
	uint32_t magic;
	const struct tenant_conf *tenants;
	struct route_node *nodes;
	uint32_t nnodes;
	struct slots slots;
	struct host *hosts;
	uint32_t nhosts;
	struct slots host_slots;
	size_t longest; /* prefix */
};

/* Hashing is cheap, and not keyed: only the configuration decides what is in the table. */
static uint64_t hash_byte(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * HASH_PRIME;
}

static uint32_t hash_end(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static void slots_init(struct slots *s, size_t n)
{
	size_t size = 8;

	while (size < n * 2)
		size *= 2;
	s->index = xcalloc(size, sizeof(*s->index));
	s->mask = (uint32_t)(size - 1);
}

static void slots_put(struct slots *s, uint32_t hash, uint32_t index)
{
	uint32_t at = hash & s->mask;

	assert(index < s->mask); /* at most half of them are used */
	while (s->index[at])
		at = (at + 1) & s->mask;
	s->index[at] = index + 1;
}

static uint64_t host_hash_start(uint32_t host)
{
	return (host + 1) * HASH_PRIME;
}

static struct route_node *find_node(
	const struct route_table *t, uint32_t host, uint32_t hash, str path)
{
	for (uint32_t at = hash & t->slots.mask; t->slots.index[at];
		at = (at + 1) & t->slots.mask) {
		struct route_node *node = &t->nodes[t->slots.index[at] - 1];

		if (node->hash == hash && node->host == host && node->path_size == path.n &&
			memcmp(node->path, path.p, path.n) == 0)
			return node;
	}
	return NULL;
}

/* "Example.COM:8080" is "example.com"; the root's dot at the end says nothing. */
static str bare_host(str host)
{
	unsigned port;
	str name;

	uri_host_split(host, &name, &port);
	if (str_ends(name, STR(".")))
		name.n--;
	return name;
}

static uint32_t hash_host(str name)
{
	uint64_t hash = HASH_PRIME;

	for (size_t i = 0; i < name.n; i++)
		hash = hash_byte(hash, char_lower(name.p[i]));
	return hash_end(hash);
}

/* ANY_HOST if no tenant has that name. */
static uint32_t find_host(const struct route_table *t, str name)
{
	const struct slots *s = &t->host_slots;

	for (uint32_t at = hash_host(name) & s->mask; s->index[at]; at = (at + 1) & s->mask)
		if (str_eq_nocase(t->hosts[s->index[at] - 1].name, name))
			return s->index[at] - 1;
	return ANY_HOST;
}

uint32_t route_host_number(const struct route_table *t, str host)
{
	MAGIC_CHECK(t, ROUTE_TABLE_MAGIC);
	return find_host(t, bare_host(host));
}

static uint32_t add_host(struct route_table *t, str host)
{
	str name = bare_host(host);
	uint32_t found = host.n ? find_host(t, name) : ANY_HOST;

	if (found != ANY_HOST || !host.n)
		return found;
	t->hosts[t->nhosts] = (struct host){name, NO_TENANT, 0, 0};
	slots_put(&t->host_slots, hash_host(name), t->nhosts);
	return t->nhosts++;
}

static bool is_same_place(const struct tenant_conf *a, const struct tenant_conf *b)
{
	return str_eq(a->lives_on, b->lives_on) && str_eq(a->region, b->region);
}

static struct route_node *add_node(
	struct route_table *t, uint32_t host, uint32_t hash, str path, uint32_t tenant)
{
	struct route_node *node = find_node(t, host, hash, path);

	if (!node) {
		node = &t->nodes[t->nnodes];
		*node = (struct route_node){
			path.p, (uint32_t)path.n, hash, host, NO_TENANT, tenant, false};
		slots_put(&t->slots, hash, t->nnodes++);
	}
	if (!is_same_place(&t->tenants[node->example], &t->tenants[tenant]))
		node->is_mixed = true;
	return node;
}

static void add_tenant(struct route_table *t, uint32_t index)
{
	str prefix = t->tenants[index].prefix;
	uint32_t host = add_host(t, t->tenants[index].host);
	uint64_t hash = host_hash_start(host);
	struct route_node *node = NULL;

	if (!t->hosts[host].ntenants++)
		t->hosts[host].example = index;
	for (size_t i = 0; i < prefix.n; i++) {
		if (i && prefix.p[i] == '/')
			add_node(t, host, hash_end(hash), str_slice(prefix, 0, i), index);
		hash = hash_byte(hash, prefix.p[i]);
	}
	if (prefix.n)
		node = add_node(t, host, hash_end(hash), prefix, index);
	if (node && node->tenant == NO_TENANT)
		node->tenant = index;
	else if (!node && t->hosts[host].root == NO_TENANT)
		t->hosts[host].root = index;
	t->longest = MAX(t->longest, prefix.n);
}

static size_t count_segments(const struct config *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->ntenants; i++)
		for (size_t at = 0; at < conf->tenants[i].prefix.n; at++)
			n += conf->tenants[i].prefix.p[at] == '/';
	return n;
}

/* Ancestors that tenants share were counted for each of them. */
static void shrink(struct route_table *t)
{
	t->nodes = xrealloc(t->nodes, MAX(t->nnodes, 1u) * sizeof(*t->nodes));
	free(t->slots.index);
	slots_init(&t->slots, t->nnodes);
	for (uint32_t i = 0; i < t->nnodes; i++)
		slots_put(&t->slots, t->nodes[i].hash, i);
	t->hosts = xrealloc(t->hosts, t->nhosts * sizeof(*t->hosts));
}

struct route_table *route_table_new(const struct config *conf)
{
	struct route_table *t = xcalloc(1, sizeof(*t));
	size_t segments = count_segments(conf), nhosts = 1;

	MAGIC_BEGIN(t, ROUTE_TABLE_MAGIC);
	for (size_t i = 0; i < conf->ntenants; i++)
		nhosts += conf->tenants[i].host.n != 0;
	t->tenants = conf->tenants;
	t->nodes = xcalloc(segments + 1, sizeof(*t->nodes));
	t->hosts = xcalloc(nhosts, sizeof(*t->hosts));
	t->hosts[ANY_HOST] = (struct host){STR_EMPTY, NO_TENANT, 0, 0};
	t->nhosts = 1;
	slots_init(&t->slots, segments);
	slots_init(&t->host_slots, nhosts);
	for (uint32_t i = 0; i < conf->ntenants; i++)
		add_tenant(t, i);
	shrink(t);
	return t;
}

void route_table_free(struct route_table *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->hosts);
	free(t->slots.index);
	free(t->host_slots.index);
	MAGIC_END(t, ROUTE_TABLE_MAGIC);
	free(t);
}

/* The last node on the way, and the first below which all is at one place; NULL: there is none. */
struct way {
	const struct route_node *deepest, *widest;
};

/* The tenant with the longest prefix of the path, or NO_TENANT. */
static uint32_t walk_prefixes(const struct route_table *t, uint32_t host, str path, struct way *ret)
{
	uint64_t hash = host_hash_start(host);
	uint32_t found = t->hosts[host].root;
	size_t at = 0, longest = MIN(path.n, t->longest);

	while (at < longest) {
		const struct route_node *node;

		do
			hash = hash_byte(hash, path.p[at++]);
		while (at < longest && path.p[at] != '/');
		if (at < path.n && path.p[at] != '/')
			break; /* the segment is longer than those of all prefixes */
		node = find_node(t, host, hash_end(hash), str_slice(path, 0, at));
		if (!node)
			break;
		ret->deepest = node;
		if (!ret->widest && !node->is_mixed)
			ret->widest = node;
		if (node->tenant != NO_TENANT)
			found = node->tenant;
	}
	return found;
}

static struct route tenant_route(const struct tenant_conf *tenant, str path)
{
	struct route r = {
		.found = ROUTE_TENANT,
		.tenant = tenant,
		.machine = tenant->lives_on,
		.region = tenant->region,
		.user = tenant->user,
		.alone = STR_EMPTY,
		.before = STR_EMPTY,
		.path = path,
	};

	if (tenant->prefix.n && tenant->prefix.n == path.n) {
		r.found = ROUTE_REDIRECT;
		r.before = tenant->prefix;
		r.path = STR("/");
		r.redirect_status = 308;
	} else if (tenant->app->prefix == PREFIX_STRIP) {
		r.path = str_slice(path, tenant->prefix.n, path.n);
	}
	return r;
}

static struct route user_route(
	const struct route_table *t, const struct route_node *deepest, str path)
{
	struct route r = {.found = ROUTE_NONE,
		.machine = STR_EMPTY,
		.region = STR_EMPTY,
		.user = STR_EMPTY,
		.alone = STR_EMPTY,
		.before = STR_EMPTY};

	r.path = path;
	if (deepest && !deepest->is_mixed) {
		r.machine = t->tenants[deepest->example].lives_on;
		r.region = t->tenants[deepest->example].region;
		r.user = t->tenants[deepest->example].user;
		if (r.machine.n || r.region.n)
			r.found = ROUTE_USER;
	}
	return r;
}

/* What is below the node and no tenant's may be that of a tenant further up, elsewhere. */
static void set_alone(const struct route_table *t, const struct route_node *widest, struct route *r)
{
	const struct tenant_conf *example = &t->tenants[widest->example];

	if (str_eq(example->lives_on, r->machine) && str_eq(example->region, r->region))
		r->alone = (str){widest->path, widest->path_size};
}

void route_find(const struct route_table *t, str host, str path, struct route *ret)
{
	uint32_t named = t->nhosts > 1 ? find_host(t, bare_host(host)) : ANY_HOST;
	uint32_t tenant = NO_TENANT, searched = named;
	struct way way = {0};

	MAGIC_CHECK(t, ROUTE_TABLE_MAGIC);
	if (named != ANY_HOST)
		tenant = walk_prefixes(t, named, path, &way);
	if (tenant == NO_TENANT) {
		searched = ANY_HOST;
		way.widest = NULL;
		tenant = walk_prefixes(t, ANY_HOST, path, &way);
	}
	*ret = tenant == NO_TENANT ? user_route(t, way.deepest, path)
				   : tenant_route(&t->tenants[tenant], path);
	/* A host with tenants of its own may have some below, too. */
	if (way.widest && searched == named)
		set_alone(t, way.widest, ret);
}

/* The tenant that a page with that URL belongs to. */
static const struct tenant_conf *find_page(const struct route_table *t, str host, str url)
{
	struct route page;
	size_t end;
	str rest;

	if (!own_url(url, host, &rest))
		return NULL;
	for (end = 0; end < rest.n; end++)
		if (rest.p[end] == '?' || rest.p[end] == '#')
			break;
	route_find(t, host, str_slice(rest, 0, end), &page);
	return page.tenant;
}

/* The one tenant that a host can mean, if there is only one. */
static const struct tenant_conf *find_only(const struct route_table *t, str host)
{
	uint32_t named = find_host(t, bare_host(host));
	const struct host *any = &t->hosts[ANY_HOST], *own = &t->hosts[named];

	if (named != ANY_HOST && own->ntenants == 1 && !any->ntenants)
		return &t->tenants[own->example];
	if (any->ntenants == 1 && (named == ANY_HOST || !own->ntenants))
		return &t->tenants[any->example];
	return NULL;
}

bool route_by_referer(
	const struct route_table *t, const struct route_asker *asker, struct route *ret)
{
	const struct tenant_conf *tenant = NULL;
	bool is_redirect = asker->is_navigation && !asker->is_upgrade;
	str rest;

	MAGIC_CHECK(t, ROUTE_TABLE_MAGIC);
	if (!asker->is_get)
		return false;
	if (asker->referer.n)
		tenant = find_page(t, asker->host, asker->referer);
	else if (asker->is_upgrade && own_url(asker->origin, asker->host, &rest))
		tenant = find_only(t, asker->host);
	if (!tenant)
		return false;
	*ret = (struct route){
		.found = is_redirect ? ROUTE_REDIRECT : ROUTE_TENANT,
		.tenant = tenant,
		.machine = tenant->lives_on,
		.region = tenant->region,
		.user = tenant->user,
		.alone = STR_EMPTY,
		.before = is_redirect || tenant->app->prefix == PREFIX_PASS ? tenant->prefix
									    : STR_EMPTY,
		.path = asker->path,
		.redirect_status = is_redirect ? 307 : 0,
		.is_by_referer = true,
	};
	return true;
}
