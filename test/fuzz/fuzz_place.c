/* fuzz_place.c - what the edge says, or somebody in its name, and patterns of paths: no text makes
 * a wrong machine serve, and a pattern matches what it says. */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "route/place.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* Lines: fly-replay-src, fly-replay-failed, fly-replay-cache-status, a pattern, a path. */
struct input {
	str src, failed, status, pattern, path;
};

static void split(str text, struct input *ret)
{
	str *const parts[] = {&ret->src, &ret->failed, &ret->status, &ret->pattern, &ret->path};

	*ret = (struct input){0};
	for (size_t i = 0; i < NITEMS(parts); i++)
		if (!str_split(&text, '\n', parts[i]))
			*parts[i] = STR_EMPTY;
}

/* Stars as they are explained, in as many steps as it takes. */
static bool matches(str pattern, str path)
{
	if (!pattern.n)
		return !path.n;
	if (pattern.p[0] != '*')
		return path.n && path.p[0] == pattern.p[0] &&
		       matches(str_slice(pattern, 1, pattern.n), str_slice(path, 1, path.n));
	for (size_t i = 0; i <= path.n; i++)
		if (matches(str_slice(pattern, 1, pattern.n), str_slice(path, i, path.n)))
			return true;
	return false;
}

static struct placement decide(
	const struct input *in, const char *machine, bool has_edge, bool has_key)
{
	struct config conf = {.target = TARGET_FLY,
		.our_machine = STR("aaaa"),
		.our_region = STR("sea"),
		.our_app = STR("calendar"),
		.hop_key = has_key ? STR(KEY) : STR_EMPTY};
	struct route route = {.found = ROUTE_TENANT,
		.machine = str_of(machine),
		.region = STR_EMPTY,
		.user = STR("u"),
		.alone = STR_EMPTY};

	return place_decide(&(struct place_in){
		.conf = &conf,
		.route = &route,
		.path = in->path,
		.sent = in->path,
		.has_edge = has_edge,
		.replay_src = in->src,
		.replay_failed = in->failed,
		.cache_status = in->status,
		.is_body_size_known = true,
		.now = 1800000000000u,
	});
}

static void check_texts(const struct input *in)
{
	struct place_failure f = place_failure_read(in->failed);
	struct placement p;

	assert(f.reason.n <= 17 && f.elapsed <= 3600000);
	for (unsigned i = 0; i < 4; i++) {
		assert(decide(in, "aaaa", i & 1, i & 2).verdict == PLACE_HERE);
		p = decide(in, "bbbb", i & 1, i & 2);
		assert(p.verdict != PLACE_HERE && p.verdict != PLACE_NOT_FOUND);
		assert((i & 2) || p.verdict != PLACE_PEER);
		assert(p.verdict != PLACE_REPLAY || (p.hop >= 1 && p.hop <= PLACE_MAX_HOPS));
	}
	/* Nobody has the key: a loop is never believed. */
	if (!in->failed.n)
		assert(decide(in, "bbbb", true, true).verdict != PLACE_LOOP);
}

static void check_pattern(const struct input *in)
{
	struct appliance_conf a = {
		.pattern = in->pattern, .app = STR("printer"), .region = STR_EMPTY};
	struct config conf = {.target = TARGET_FLY,
		.our_machine = STR("aaaa"),
		.our_app = STR("calendar"),
		.appliances = &a,
		.nappliances = 1};
	struct route route = {.found = ROUTE_TENANT, .machine = STR("aaaa")};
	struct placement p;

	if (in->pattern.n > 8 || in->path.n > 24)
		return;
	p = place_decide(&(struct place_in){.conf = &conf,
		.route = &route,
		.path = in->path,
		.has_edge = true,
		.is_body_size_known = true});
	assert((p.verdict == PLACE_REPLAY) == matches(in->pattern, in->path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;

	split(fuzz_str(data, size), &in);
	check_texts(&in);
	check_pattern(&in);
	return 0;
}
