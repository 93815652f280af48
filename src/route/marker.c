/* marker.c - writes, reads and verifies the hop marker. */
/* SPDX-License-Identifier: MIT */
#include "route/marker.h"

#include "base/digest.h"
#include "base/number.h"

#define MAC_TEXT DIGEST_BASE64_SIZE(DIGEST_SHA256)
#define MAX_WORD 128u
#define MAX_TEXT 512u /* more than there can be to two words, numbers and a MAC */
#define MAX_HOP	 99u

static const char kind_letters[] = "rpc";

/* The key's text is as long as the block of the hash, so it is the key as it is. */
static bool mac_make(str hop_key, str text, char ret[static MAC_TEXT])
{
	unsigned char mac[DIGEST_SHA256];

	if (hop_key.n != 2 * MARKER_KEY_SIZE)
		return false;
	digest_hmac_sha256(hop_key, text, mac);
	digest_write_base64(mac, sizeof(mac), ret);
	return true;
}

/* Of what names of users have, a replay's state cannot carry the tilde. */
static char carried(char c)
{
	return c == '~' ? '+' : c;
}

static bool is_carried(str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = char_lower(s.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
			c != '~' && c != '-')
			return false;
	}
	return s.n <= MAX_WORD;
}

static void add_hex(struct buf *out, uint64_t number)
{
	char digits[20];

	buf_add(out, (str){digits, number_write_hex(digits, number)});
	buf_add_char(out, ':');
}

void marker_write(struct buf *out, str hop_key, const struct marker *m)
{
	size_t before = buf_len(out);
	char mac[MAC_TEXT];
	str text;

	if (!m->origin.n || !is_carried(m->origin) || !is_carried(m->user))
		return;
	buf_add(out, STR("1."));
	buf_add_char(out, kind_letters[m->kind]);
	buf_add_char(out, '.');
	buf_add_number(out, m->hop);
	buf_add_char(out, ':');
	buf_add(out, m->origin);
	buf_add_char(out, ':');
	for (size_t i = 0; i < m->user.n; i++)
		buf_add_char(out, carried(m->user.p[i]));
	buf_add_char(out, ':');
	add_hex(out, m->fleet);
	add_hex(out, m->time);
	text = str_slice(buf_str(out), before, buf_len(out) - 1);
	if (mac_make(hop_key, text, mac))
		buf_add(out, (str){mac, MAC_TEXT});
	else
		out->end -= buf_len(out) - before;
}

bool marker_is_for(const struct marker *m, str user)
{
	if (m->user.n != user.n)
		return false;
	for (size_t i = 0; i < user.n; i++)
		if (carried(m->user.p[i]) != carried(user.p[i]))
			return false;
	return true;
}

static bool head_read(str head, enum marker_kind *ret_kind, unsigned *ret_hop)
{
	const char *letter;
	uint64_t hop;

	if (head.n < 5 || !str_starts(head, STR("1.")) || head.p[3] != '.')
		return false;
	letter = memchr(kind_letters, head.p[2], sizeof(kind_letters) - 1);
	if (!letter || number_parse(str_slice(head, 4, head.n), MAX_HOP, &hop) < 0 || !hop)
		return false;
	*ret_kind = (enum marker_kind)(letter - kind_letters);
	*ret_hop = (unsigned)hop;
	return true;
}

/* Its parts, whoever wrote it; *ret_mac is the last. */
static bool parts_read(str text, struct marker *ret, str *ret_mac)
{
	str head, fleet, time;

	return str_split(&text, ':', &head) && head_read(head, &ret->kind, &ret->hop) &&
	       str_split(&text, ':', &ret->origin) && ret->origin.n &&
	       str_split(&text, ':', &ret->user) && str_split(&text, ':', &fleet) &&
	       number_parse_hex(fleet, UINT64_MAX, &ret->fleet) == 0 &&
	       str_split(&text, ':', &time) &&
	       number_parse_hex(time, UINT64_MAX, &ret->time) == 0 &&
	       (*ret_mac = text).n == MAC_TEXT;
}

enum marker_verdict marker_read(
	str text, str hop_key, enum marker_kind kind, uint64_t now, struct marker *ret)
{
	struct marker m;
	char mac[MAC_TEXT];
	str said;

	if (!text.n)
		return MARKER_NONE;
	if (text.n > MAX_TEXT || !parts_read(text, &m, &said) || m.kind != kind ||
		!mac_make(hop_key, str_slice(text, 0, text.n - MAC_TEXT - 1), mac) ||
		!digest_is_equal(
			(const unsigned char *)mac, (const unsigned char *)said.p, MAC_TEXT))
		return MARKER_BAD;
	if (ret)
		*ret = m;
	if (m.time > now)
		return m.time - now > 1000 ? MARKER_AHEAD : MARKER_VALID;
	return now - m.time > MARKER_MAX_AGE_MS ? MARKER_OLD : MARKER_VALID;
}
