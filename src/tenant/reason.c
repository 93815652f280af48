/* reason.c - recognises the errors of several languages in a program's last lines. */
/* SPDX-License-Identifier: MIT */
#include "tenant/reason.h"

/* Of the lines after the head that are no stack frames; and how far away its code may be. */
#define LINES_BEHIND 3u
#define CODE_WITHIN  40u

enum rank { RANK_NONE, RANK_REPORT, RANK_EXCEPTION };

static bool is_word_char(char c)
{
	return (char_lower(c) >= 'a' && char_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == ':' || c == '$';
}

static bool starts_with_any(str line, const char *const *beginnings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(line, str_of(beginnings[i])))
			return true;
	return false;
}

/* --- heads --- */

/* The name of a class of errors: "TypeError", "sqlite3.OperationalError", "SQLite3::BusyException",
 * "java.lang.IllegalStateException". */
static bool is_class_of_error(str name)
{
	if (!name.n || (char_lower(name.p[0]) == name.p[0] && !str_ends(name, STR("Error")) &&
			       !str_ends(name, STR("Exception"))))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_word_char(name.p[i]))
			return false;
	return str_ends(name, STR("Error")) || str_ends(name, STR("Exception")) ||
	       (str_find(name, STR("::")) > 0 && name.p[name.n - 1] != ':');
}

/* "TypeError: …", "Error [ERR_MODULE_NOT_FOUND]: …", "SystemError" alone is a word. */
static bool begins_with_class(str line)
{
	size_t end = 0;
	str rest;

	while (end < line.n && is_word_char(line.p[end]))
		end++;
	rest = str_slice(line, end, line.n);
	if (end && line.p[end - 1] == ':')
		return is_class_of_error(str_slice(line, 0, end - 1));
	return str_starts(rest, STR(" [")) && str_find(rest, STR("]:")) > 0 &&
	       is_class_of_error(str_slice(line, 0, end));
}

/* Ruby's "a.rb:1:in `b': no such file (Errno::ENOENT)". */
static bool ends_with_class(str line)
{
	size_t open = line.n;

	if (!str_ends(line, STR(")")))
		return false;
	while (open && line.p[open - 1] != '(')
		open--;
	return open > 1 && is_class_of_error(str_slice(line, open, line.n - 1));
}

static str without_introduction(str line)
{
	static const char *const introductions[] = {
		"Caused by: ", "[cause]: ", "Uncaught ", "Unhandled exception. "};

	for (size_t i = 0; i < NITEMS(introductions); i++)
		if (str_starts(line, str_of(introductions[i])))
			line = str_slice(line, strlen(introductions[i]), line.n);
	return line;
}

static enum rank rank_of(str line)
{
	static const char *const exceptions[] = {"Exception in thread ",
		"panic: ", "fatal error: ", "PHP Fatal error: ", "Fatal error: ", "** ("};
	static const char *const reports[] = {
		"FATAL", "Fatal", "fatal: ", "CRITICAL", "ERROR", "error: ", "E: "};
	static const char *const inside[] = {" FATAL ", " FATAL: ", " -- : FATAL", "[FATAL]",
		"[CRITICAL]", "[ERROR]", "\"level\":\"fatal\"", "\"level\":60"};

	line = without_introduction(str_trim(line));
	if (begins_with_class(line) || ends_with_class(line) ||
		starts_with_any(line, exceptions, NITEMS(exceptions)) ||
		(str_starts(line, STR("thread '")) && str_find(line, STR("' panicked at")) > 0))
		return RANK_EXCEPTION;
	if (starts_with_any(line, reports, NITEMS(reports)))
		return RANK_REPORT;
	for (size_t i = 0; i < NITEMS(inside); i++)
		if (str_find(line, str_of(inside[i])) >= 0)
			return RANK_REPORT;
	return RANK_NONE;
}

/* --- what belongs to a head --- */

static bool is_frame(str line)
{
	static const char *const frames[] = {"at ", "from ", "File \"", "goroutine ", "... "};

	line = str_trim(line);
	return starts_with_any(line, frames, NITEMS(frames)) ||
	       (str_starts(line, STR("/")) && str_find(line, STR(":in ")) > 0);
}

static bool is_indented(str line)
{
	return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* "code: 'MODULE_NOT_FOUND'", "errorCode: 'P1012'": the properties of an error of JavaScript. */
static bool is_code(str line)
{
	line = str_trim(line);
	return str_starts(line, STR("code: '")) || str_starts(line, STR("errorCode: '"));
}

/* "    ~~~~^^^": below a line of code, the part of it that failed. */
static bool is_marker(str line)
{
	line = str_trim(line);
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != '^' && line.p[i] != '~')
			return false;
	return line.n > 0;
}

static bool is_place(str line)
{
	return is_indented(line) && str_starts(str_trim(line), STR("File \""));
}

/* Python's traceback ends with the exception.  Before that come the place and the line of code,
 * then perhaps a marker, or places in Python's own loader, which have no code. */
static size_t add_place(const str *lines, size_t head, size_t *ret)
{
	size_t i = head;

	if (!head || is_indented(lines[head]))
		return 0;
	while (i && (is_marker(lines[i - 1]) || is_place(lines[i - 1])))
		i--;
	if (i < 2 || !is_indented(lines[i - 1]) || !is_place(lines[i - 2]))
		return 0;
	ret[0] = i - 2;
	ret[1] = i - 1;
	return 2;
}

static size_t add_code(const str *lines, size_t n, size_t from, size_t count, size_t *ret)
{
	for (size_t i = from; i < MIN(n, from + CODE_WITHIN); i++)
		if (is_code(lines[i])) {
			ret[count++] = i;
			break;
		}
	return count;
}

static size_t collect(const str *lines, size_t n, size_t head, size_t *ret)
{
	size_t count = add_place(lines, head, ret), i = head + 1, last;

	ret[count++] = head;
	last = MIN(count + LINES_BEHIND, REASON_LINES - 1);
	for (; i < n && count < last; i++) {
		str line = str_trim(lines[i]);
		/* "Invalid invocation:" and a blank line: the sentence is not complete. */
		bool goes_on = str_ends(str_trim(lines[ret[count - 1]]), STR(":"));

		if ((!line.n && !goes_on) || is_frame(line) || is_code(line))
			break;
		if (line.n)
			ret[count++] = i;
	}
	return add_code(lines, n, i, count, ret);
}

size_t reason_find(const str *lines, size_t n, size_t ret[REASON_LINES])
{
	enum rank best = RANK_NONE;
	size_t head = 0;

	for (size_t i = n; i-- > 0 && best != RANK_EXCEPTION;) {
		enum rank rank = rank_of(lines[i]);

		if (rank > best) {
			best = rank;
			head = i;
		}
	}
	return best ? collect(lines, n, head, ret) : 0;
}
