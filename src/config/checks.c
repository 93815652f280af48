/* checks.c - what a value must satisfy beyond its type; see the column `check` of rows.def. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/number.h"
#include "config/config_int.h"

/* What the user wrote: the key, or the variable. */
static str subject(const struct loader *ld, const struct row *row, struct place place)
{
	return place.kind == PLACE_ENVIRONMENT && ld->variable ? str_of(ld->variable) : row->name;
}

static void complain(
	struct loader *ld, const struct row *row, struct place place, str value, const char *what)
{
	fault_at(ld, place, STR_FMT ": \"" STR_FMT "\" %s", STR_ARG(subject(ld, row, place)),
		STR_ARG(value), what);
}

void check_any(struct loader *ld, const struct row *row, void *value, struct place place)
{
	(void)ld, (void)row, (void)value, (void)place;
}

static void check_range(struct loader *ld, const struct row *row, struct place place, int64_t value,
	int64_t low, int64_t high)
{
	if (value < low || value > high)
		fault_at(ld, place, STR_FMT ": %lld is not between %lld and %lld",
			STR_ARG(subject(ld, row, place)), (long long)value, (long long)low,
			(long long)high);
}

void check_port(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 0, 65535);
}

void check_threads(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 0, 64);
}

void check_headers(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 8, 256);
}

void check_streams(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 1, 1000);
}

void check_count(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 0, INT32_MAX);
}

void check_positive(struct loader *ld, const struct row *row, void *value, struct place place)
{
	check_range(ld, row, place, *(int64_t *)value, 1, INT32_MAX);
}

void check_head_bytes(struct loader *ld, const struct row *row, void *value, struct place place)
{
	uint64_t bytes = *(uint64_t *)value;

	if (bytes < 1024 || bytes > (16u << 20))
		fault_at(ld, place, STR_FMT ": not between 1KiB and 16MiB",
			STR_ARG(subject(ld, row, place)));
}

void check_year(struct loader *ld, const struct row *row, void *value, struct place place)
{
	if (*(msec *)value > 365ull * 86400 * 1000)
		fault_at(ld, place, STR_FMT ": more than 365d", STR_ARG(subject(ld, row, place)));
}

/* The edge remembers nothing for less. */
void check_replay_cache(struct loader *ld, const struct row *row, void *value, struct place place)
{
	msec time = *(msec *)value;

	if (time && time < 10000)
		fault_at(ld, place, STR_FMT ": less than 10s", STR_ARG(subject(ld, row, place)));
}

static bool is_address(str text, int *ret_bits)
{
	char zero_ended[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (text.n >= sizeof(zero_ended))
		return false;
	memcpy(zero_ended, text.p, text.n);
	zero_ended[text.n] = 0;
	if (inet_pton(AF_INET, zero_ended, bytes) == 1)
		*ret_bits = 32;
	else if (inet_pton(AF_INET6, zero_ended, bytes) == 1)
		*ret_bits = 128;
	else
		return false;
	return true;
}

void check_ip_address(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str address = *(str *)value;
	int bits;

	if (address.n && !is_address(address, &bits))
		complain(ld, row, place, address, "is not an IP address");
}

static bool is_network(str text)
{
	ssize_t slash = str_find_char(text, '/');
	uint64_t length;
	int bits;

	if (str_eq(text, STR("loopback")) || str_eq(text, STR("private")) ||
		str_eq(text, STR("fly")))
		return true;
	if (slash < 0)
		return is_address(text, &bits);
	return is_address(str_slice(text, 0, (size_t)slash), &bits) &&
	       number_parse(str_slice(text, (size_t)slash + 1, text.n), (uint64_t)bits, &length) ==
		       0;
}

void check_networks(struct loader *ld, const struct row *row, void *value, struct place place)
{
	struct str_list *list = value;

	if (list->count == 1 && str_eq(list->items[0], STR("none")))
		list->count = 0;
	for (size_t i = 0; i < list->count; i++)
		if (!is_network(list->items[i]))
			complain(ld, row, place, list->items[i],
				"is no address, no network such as 10.0.0.0/8, nor loopback, private or fly");
}

void check_codings(struct loader *ld, const struct row *row, void *value, struct place place)
{
	static const str known[] = {STR_INIT("zstd"), STR_INIT("br"), STR_INIT("gzip")};
	const struct str_list *list = value;

	for (size_t i = 0; i < list->count; i++) {
		size_t k = 0;

		while (k < NITEMS(known) && !str_eq(list->items[i], known[k]))
			k++;
		if (k == NITEMS(known))
			complain(ld, row, place, list->items[i], "is not zstd, br or gzip");
		for (size_t j = 0; j < i; j++)
			if (str_eq(list->items[i], list->items[j]))
				complain(ld, row, place, list->items[i], "is there twice");
	}
}

/* That of the machine belongs to no tenant. */
void check_own_words(struct loader *ld, const struct row *row, void *value, struct place place)
{
	const struct hook_conf *hook = value;

	for (size_t i = 0; i < hook_ntexts(hook); i++)
		if (str_find(hook_text(hook, i), STR("${")) >= 0) {
			fault_at(ld, place,
				STR_FMT ": \"" STR_FMT "\" names what only tenants are told",
				STR_ARG(row->name), STR_ARG(hook_text(hook, i)));
			return;
		}
}

/* What counts as a use of the machine. */
void check_uses(struct loader *ld, const struct row *row, void *value, struct place place)
{
	static const char *const known[] = {"requests", "files", "refused", "tenants", NULL};
	const struct str_list *list = value;

	for (size_t i = 0; i < list->count; i++) {
		size_t k = 0;

		while (known[k] && !str_eq(list->items[i], str_of(known[k])))
			k++;
		if (!known[k])
			complain(ld, row, place, list->items[i],
				"is not requests, files, refused or tenants");
	}
}

static bool is_word(str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((char_lower(c) < 'a' || char_lower(c) > 'z') && (c < '0' || c > '9') &&
			c != '_' && c != '-')
			return false;
	}
	return s.n > 0;
}

void check_word(struct loader *ld, const struct row *row, void *value, struct place place)
{
	if (!is_word(*(str *)value))
		complain(ld, row, place, *(str *)value, "may have letters, digits, _ and - only");
}

void check_user_name(struct loader *ld, const struct row *row, void *value, struct place place)
{
	if (((str *)value)->n)
		check_word(ld, row, value, place);
}

bool is_machine_name(str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = char_lower(s.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' &&
			c != '.')
			return false;
	}
	return s.n > 0;
}

void check_machine_name(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str name = *(str *)value;

	if (name.n && !is_machine_name(name))
		complain(ld, row, place, name, "may have letters, digits, - _ and . only");
}

void check_fleet_secret(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str secret = *(str *)value;

	/* A dump that is read back: everybody would know that one. */
	if (str_eq(secret, STR("[hidden]"))) {
		warn_at(ld, place, STR_FMT ": is not the secret itself; there is none",
			STR_ARG(subject(ld, row, place)));
		*(str *)value = STR_EMPTY;
	} else if (secret.n && secret.n < CONFIG_MIN_FLEET_SECRET)
		fault_at(ld, place, STR_FMT ": is shorter than %u bytes",
			STR_ARG(subject(ld, row, place)), CONFIG_MIN_FLEET_SECRET);
}

void check_directory(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str path = *(str *)value;
	struct stat st;

	if (!path.n || ld->is_snapshot)
		return;
	if (stat(path.p, &st) < 0)
		fault_at(ld, place, STR_FMT ": %s: %m", STR_ARG(row->name), path.p);
	else if (!S_ISDIR(st.st_mode))
		complain(ld, row, place, path, "is not a directory");
}

void check_socket_path(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str path = *(str *)value;

	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		complain(ld, row, place, path, "is too long for a socket (at most 107 bytes)");
}

void check_program(struct loader *ld, const struct row *row, void *value, struct place place)
{
	if (!((struct str_list *)value)->count)
		fault_at(ld, place, STR_FMT ": names no program", STR_ARG(row->name));
}

void check_url_path(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str path = *(str *)value;

	if (!path.n || path.p[0] != '/')
		complain(ld, row, place, path, "must begin with /");
	else if (str_find_char(path, ' ') >= 0 || str_find_char(path, '#') >= 0)
		complain(ld, row, place, path, "must not have a blank or #");
}

/* The normal form of a request's path: no request has any other. */
static bool is_in_one_form(str path)
{
	str rest = str_slice(path, 1, path.n), segment;

	while (str_split(&rest, '/', &segment))
		if (!segment.n || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return false;
	return str_find_char(path, '?') < 0 && str_find_char(path, '%') < 0;
}

void check_own_path(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str path = *(str *)value;

	if (!path.n)
		return;
	if (path.p[0] == '/' && !is_in_one_form(path))
		complain(ld, row, place, path, "must not have ?, %, nor an empty or a dot segment");
	else
		check_url_path(ld, row, value, place);
}

static bool is_exception(str pattern)
{
	return str_starts(pattern, STR("!"));
}

/* "/path", "/prefix*", "*suffix", and "!" before one that is excepted. */
void check_path_patterns(struct loader *ld, const struct row *row, void *value, struct place place)
{
	const struct str_list *list = value;

	for (size_t i = 0; i < list->count; i++) {
		str pattern =
			str_slice(list->items[i], is_exception(list->items[i]), list->items[i].n);
		bool has_first = str_starts(pattern, STR("*"));
		ssize_t star = str_find_char(str_slice(pattern, has_first, pattern.n), '*');

		if (!has_first && !str_starts(pattern, STR("/")))
			complain(ld, row, place, pattern,
				"must begin with / or *, after a ! if it is an exception");
		else if (star >= 0 && (has_first || (size_t)star + 1 < pattern.n))
			complain(ld, row, place, pattern,
				"may have one * only, at its beginning or its end");
	}
}

static bool pattern_matches(str pattern, str path)
{
	if (str_starts(pattern, STR("*")))
		return str_ends(path, str_slice(pattern, 1, pattern.n));
	if (str_ends(pattern, STR("*")))
		return str_starts(path, str_slice(pattern, 0, pattern.n - 1));
	return str_eq(path, pattern);
}

str config_path_pattern(const struct str_list *patterns, str path)
{
	for (size_t i = patterns->count; i-- > 0;) {
		str pattern = patterns->items[i];

		if (pattern_matches(str_slice(pattern, is_exception(pattern), pattern.n), path))
			return pattern;
	}
	return STR_EMPTY;
}

bool config_path_matches(const struct str_list *patterns, str path)
{
	str pattern = config_path_pattern(patterns, path);

	return pattern.n && !is_exception(pattern);
}

bool relative_path_is_safe(str path)
{
	str rest = path, part;

	if (!path.n || path.p[0] == '/' || str_ends(path, STR("/")))
		return false;
	while (str_split(&rest, '/', &part))
		if (!part.n || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return false;
	return true;
}

void check_directories(struct loader *ld, const struct row *row, void *value, struct place place)
{
	const struct str_list *list = value;

	for (size_t i = 0; i < list->count; i++) {
		if (!relative_path_is_safe(list->items[i]))
			complain(ld, row, place, list->items[i],
				"must be a path within the application, without . and ..");
		for (size_t j = 0; j < i; j++)
			if (str_eq(list->items[i], list->items[j]))
				complain(ld, row, place, list->items[i], "is there twice");
	}
}

static const struct stop_signal {
	str name;
	int number;
} stop_signals[] = {
	{STR_INIT("TERM"), SIGTERM},
	{STR_INIT("INT"), SIGINT},
	{STR_INIT("QUIT"), SIGQUIT},
	{STR_INIT("HUP"), SIGHUP},
	{STR_INIT("USR1"), SIGUSR1},
	{STR_INIT("USR2"), SIGUSR2},
};

/* Drops a leading SIG. */
void check_signal(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str *name = value;

	if (str_starts(*name, STR("SIG")))
		*name = str_slice(*name, 3, name->n);
	for (size_t i = 0; i < NITEMS(stop_signals); i++)
		if (str_eq(*name, stop_signals[i].name))
			return;
	complain(ld, row, place, *name, "is not TERM, INT, QUIT, HUP, USR1 or USR2");
}

int config_stop_signal(const struct app_conf *app)
{
	for (size_t i = 0; i < NITEMS(stop_signals); i++)
		if (str_eq(app->stop_signal, stop_signals[i].name))
			return stop_signals[i].number;
	return SIGTERM;
}

/* s3://bucket or s3://bucket/prefix. */
static bool is_s3_url(str url)
{
	str rest = str_slice(url, 5, url.n), bucket;

	return str_split(&rest, '/', &bucket) && bucket.n && str_find_char(url, '?') < 0 &&
	       str_find_char(url, '@') < 0 && str_find_char(url, ' ') < 0 &&
	       str_find(rest, STR("//")) < 0;
}

void check_backup_url(struct loader *ld, const struct row *row, void *value, struct place place)
{
	str url = *(str *)value;
	bool is_good = !url.n;

	if (str_starts(url, STR("s3://")))
		is_good = is_s3_url(url);
	else if (str_starts(url, STR("file:///")))
		is_good = url.n > 8 && str_find(url, STR("/../")) < 0 && !str_ends(url, STR("/.."));
	if (!is_good)
		complain(ld, row, place, url,
			"is neither s3://bucket/prefix nor file:///directory (keys belong in the environment)");
}
