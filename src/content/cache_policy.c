/* cache_policy.c - applies RFC 9111 to heads and ages. */
/* SPDX-License-Identifier: MIT */
#include "content/cache_policy.h"

#include "base/number.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/field.h"
#include "http/status.h"

/* A tenth of the time since the last change (RFC 9111 4.2.2), but at most this long. */
#define HEURISTIC_MAX (24 * 3600)
/* A response that has become stale while the tenant cannot be reached is used for at most this
 * long. */
#define DEAD_MAX (24 * 3600)

str cache_why_text(enum cache_why why)
{
	static const str texts[] = {
#define WHY(name, text) [WHY_##name] = STR_INIT(text),
#include "content/cache_why.def"
	};

	static_assert(NITEMS(texts) == NWHYS, "one text for each");
	assert(why < NWHYS);
	return texts[why];
}

/* RFC 9110 15.1, without 206, of which we store nothing. */
static bool is_heuristic_status(unsigned status)
{
	static const uint16_t statuses[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};

	for (size_t i = 0; i < NITEMS(statuses); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static bool is_known_status(unsigned status)
{
	return !str_eq(status_reason(status), STR("Unknown"));
}

static bool is_storable_status(const struct cache_offer *offer)
{
	unsigned status = offer->head->status;

	if (status < 200 || status == 206 || status == 304)
		return false;
	return offer->how == CACHE_RFC9111 || status < 400;
}

/* HTTP dates in any case: some write them in the wrong case, which is no reason to ask again and
 * again. */
static bool parse_date(str s, int64_t now, int64_t *ret)
{
	char text[48];
	bool is_inside = false;

	if (s.n > sizeof(text))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = char_lower(s.p[i]);
		bool is_letter = c >= 'a' && c <= 'z';

		text[i] = is_letter && !is_inside ? (char)(c - 32) : c;
		is_inside = is_letter;
	}
	if (s.n > 3 && memcmp(text + s.n - 3, "Gmt", 3) == 0)
		memcpy(text + s.n - 3, "GMT", 3);
	return date_parse((str){text, s.n}, now, ret) == 0;
}

static bool read_date(const struct cache_offer *offer, enum header_id id, int64_t *ret)
{
	const struct response_head *h = offer->head;
	const struct header *f = header_find(h->headers, h->nheaders, id);

	return f && !header_find_next(h->headers, h->nheaders, id, f) &&
	       parse_date(f->value, offer->now, ret);
}

/* Age: the first number of the first line; if that is not a number there is no Age. */
static int64_t read_age(const struct response_head *h)
{
	str rest = header_value(h->headers, h->nheaders, HEADER_AGE), first;
	uint64_t age;
	int r;

	if (!field_next(&rest, &first))
		return 0;
	r = number_parse(first, CACHE_SECONDS_MAX, &age);
	if (r == -ERANGE)
		return CACHE_SECONDS_MAX;
	return r < 0 ? 0 : (int64_t)age;
}

static int64_t lifetime_of(
	const struct cache_offer *offer, const struct cache_control *cc, struct cache_terms *terms)
{
	const struct response_head *h = offer->head;
	int64_t expires = 0;

	if (cc->s_maxage != CACHE_NO_VALUE)
		return cc->s_maxage;
	if (cc->max_age != CACHE_NO_VALUE)
		return cc->max_age;
	if (!cc->is_targeted && header_find(h->headers, h->nheaders, HEADER_EXPIRES))
		return read_date(offer, HEADER_EXPIRES, &expires) && expires > terms->date
			       ? MIN(expires - terms->date, (int64_t)CACHE_SECONDS_MAX)
			       : 0;
	if (offer->how != CACHE_RFC9111 || !terms->has_last_modified || cc->no_cache ||
		terms->last_modified > terms->date ||
		!(cc->is_public || is_heuristic_status(h->status)))
		return CACHE_NO_VALUE;
	terms->is_heuristic = true;
	return MIN((terms->date - terms->last_modified) / 10, (int64_t)HEURISTIC_MAX);
}

/* RFC 9111 4.2.3: the larger of what clocks and what caches on the way report. */
static int64_t age_of(
	const struct cache_offer *offer, const struct cache_terms *terms, bool has_age)
{
	int64_t apparent = MAX(offer->now - terms->date, (int64_t)0);

	return MAX(apparent, (has_age ? read_age(offer->head) : 0) + offer->delay);
}

static void read_terms(
	const struct cache_offer *offer, const struct cache_control *cc, struct cache_terms *terms)
{
	const struct response_head *h = offer->head;
	struct header_set has;
	int64_t date;

	header_set_read(&has, h->headers, h->nheaders);
	*terms = (struct cache_terms){.date = offer->now};
	if (header_set_has(&has, HEADER_DATE) && read_date(offer, HEADER_DATE, &date))
		terms->date = date;
	terms->has_etag = header_set_has(&has, HEADER_ETAG) &&
			  header_value(h->headers, h->nheaders, HEADER_ETAG).n > 0;
	terms->has_last_modified = header_set_has(&has, HEADER_LAST_MODIFIED) &&
				   read_date(offer, HEADER_LAST_MODIFIED, &terms->last_modified);
	terms->age = age_of(offer, terms, header_set_has(&has, HEADER_AGE));
	terms->lifetime = lifetime_of(offer, cc, terms);
	terms->stale_while_revalidate = MAX(cc->stale_while_revalidate, (int64_t)0);
	terms->stale_if_error = MAX(cc->stale_if_error, (int64_t)0);
	terms->no_cache = cc->no_cache;
	terms->never_stale = cc->must_revalidate || cc->proxy_revalidate || cc->no_cache;
	/* s-maxage forbids what is not allowed otherwise (RFC 9111 4.2.4); RFC 5861 is permission
	 * by the tenant itself. */
	terms->may_be_stale = !terms->never_stale && cc->s_maxage == CACHE_NO_VALUE;
	terms->outlives = terms->may_be_stale && offer->how == CACHE_RFC9111;
	terms->hidden_fields = cc->no_cache_fields;
	terms->private_fields = cc->private_fields;
}

/* Thruster requires it to be explicit. */
static bool is_for_all(const struct cache_control *cc)
{
	return cc->is_public || cc->is_targeted || cc->s_maxage != CACHE_NO_VALUE;
}

/* Only Thruster's caution; the RFC's rules apply as well. */
static enum cache_why is_cautious(
	const struct cache_control *cc, const struct response_head *h, struct cache_terms *terms)
{
	bool has_cookies = header_find(h->headers, h->nheaders, HEADER_SET_COOKIE);

	if (!is_for_all(cc))
		return WHY_NOT_PUBLIC;
	if (cc->no_cache)
		return WHY_NO_CACHE;
	if (terms->lifetime == CACHE_NO_VALUE)
		return WHY_NO_LIFETIME;
	if (terms->lifetime <= 0)
		return WHY_STALE;
	if (has_cookies && !cc->is_public)
		return WHY_SET_COOKIE;
	terms->drops_cookies = has_cookies;
	return WHY_OK;
}

/* What the RFC makes useless is not kept: already stale, and without anything to validate it by. */
static enum cache_why is_useful(struct cache_terms *t)
{
	bool can_validate = t->has_etag || t->has_last_modified;
	int64_t grace = MAX(t->stale_while_revalidate, t->stale_if_error);

	if (t->no_cache && !can_validate)
		return WHY_NO_CACHE;
	if (t->lifetime == CACHE_NO_VALUE && !can_validate)
		return WHY_NO_LIFETIME;
	t->lifetime = MAX(t->lifetime, (int64_t)0);
	if (can_validate)
		return WHY_OK;
	return t->age < t->lifetime + (t->never_stale ? 0 : grace) ? WHY_OK : WHY_STALE;
}

static enum cache_why may_keep(const struct cache_offer *offer, const struct cache_control *cc)
{
	const struct response_head *h = offer->head;
	bool understands = cc->must_understand && is_known_status(h->status);

	if (!is_storable_status(offer) || (cc->must_understand && !understands))
		return WHY_STATUS;
	if (cc->is_garbled)
		return WHY_GARBLED;
	if (cc->no_store && !understands)
		return WHY_NO_STORE;
	if (cc->is_private)
		return WHY_PRIVATE;
	/* RFC 9111 3.5 */
	if (offer->has_authorization && !cc->is_public && !cc->must_revalidate &&
		cc->s_maxage == CACHE_NO_VALUE)
		return WHY_AUTHORIZATION;
	/* Not an answer but an instruction to the edge, for this one request. */
	if (header_find(h->headers, h->nheaders, HEADER_FLY_REPLAY))
		return WHY_REPLAY;
	return WHY_OK;
}

enum cache_why cache_may_store(const struct cache_offer *offer, struct cache_terms *ret)
{
	const struct response_head *h = offer->head;
	struct cache_control cc;
	enum cache_why why;

	if (offer->how == CACHE_OFF)
		return WHY_OFF;
	if (offer->method != METHOD_GET)
		return WHY_METHOD;
	if (offer->no_store)
		return WHY_REQUEST_NO_STORE;
	cache_control_of_response(h->headers, h->nheaders, &cc);
	why = may_keep(offer, &cc);
	if (why != WHY_OK)
		return why;
	read_terms(offer, &cc, ret);
	if (offer->how == CACHE_THRUSTER)
		why = is_cautious(&cc, h, ret);
	return why == WHY_OK ? is_useful(ret) : why;
}

enum cache_why cache_may_stay(const struct cache_offer *offer, struct cache_terms *ret)
{
	const struct response_head *h = offer->head;
	bool has_cookies = header_find(h->headers, h->nheaders, HEADER_SET_COOKIE);
	struct cache_control cc;
	enum cache_why why;

	cache_control_of_response(h->headers, h->nheaders, &cc);
	read_terms(offer, &cc, ret);
	ret->lifetime = MAX(ret->lifetime, (int64_t)0);
	why = offer->no_store ? WHY_REQUEST_NO_STORE : may_keep(offer, &cc);
	if (why != WHY_OK || offer->how != CACHE_THRUSTER)
		return why;
	if (!is_for_all(&cc))
		return WHY_NOT_PUBLIC;
	if (has_cookies && !cc.is_public)
		return WHY_SET_COOKIE;
	ret->drops_cookies = has_cookies;
	return WHY_OK;
}

static bool takes_stale(const struct cache_control *request, int64_t staleness)
{
	return request->any_max_stale ||
	       (request->max_stale != CACHE_NO_VALUE && staleness <= request->max_stale);
}

enum cache_use cache_may_use(const struct cache_terms *t, int64_t age,
	const struct cache_control *request, enum cache_why *ret_why)
{
	int64_t staleness = age - t->lifetime;

	*ret_why = WHY_REQUEST;
	if (request->no_cache || (request->max_age != CACHE_NO_VALUE && age > request->max_age) ||
		(request->min_fresh != CACHE_NO_VALUE && -staleness < request->min_fresh))
		return CACHE_VALIDATE;
	*ret_why = WHY_NO_CACHE;
	if (t->no_cache)
		return CACHE_VALIDATE;
	*ret_why = WHY_STALE;
	if (staleness < 0)
		return CACHE_USE;
	if (!t->never_stale && staleness < t->stale_while_revalidate)
		return CACHE_USE_REVALIDATE;
	return t->may_be_stale && takes_stale(request, staleness) ? CACHE_USE : CACHE_VALIDATE;
}

bool cache_may_rescue(const struct cache_terms *t, int64_t age, bool is_dead)
{
	int64_t staleness = age - t->lifetime;

	if (t->never_stale)
		return false;
	return staleness < t->stale_if_error || (is_dead && t->outlives && staleness < DEAD_MAX);
}
