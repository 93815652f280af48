/* messages.c - prints what the processes of fly-atc say to each other, and to subscribers, for
 * docs/: messages channel | opening | guard | events. */
/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The columns of channel.def, in words. */
#define SLOT_NONE	""
#define SLOT_TENANT	"the tenant"
#define SLOT_COUNT	"a count"
#define SLOT_GENERATION "a generation"
#define VALUE_NONE	""
#define VALUE_NUMBER	"a number"
#define VALUE_STATE	"the state"
#define VALUE_STORE	"the finding"
#define VALUE_MACHINE	"the machine's state"
#define WORDS_NONE	""
#define WORDS_SOME	"text"
#define FILE_NONE	""
#define FILE_ONE	"a descriptor"
#define WHY_NONE	""
#define WHY_SOME	"why"

static void add(bool *is_first, const char *text)
{
	if (*text)
		printf("%s%s", *is_first ? "" : ", ", text);
	*is_first &= !*text;
}

static void row(const char *name, const char *const brings[], size_t n, const char *doc)
{
	bool is_first = true;

	printf("| `%s` | ", name);
	for (size_t i = 0; i < n; i++)
		add(&is_first, brings[i]);
	printf("%s| %s |\n", is_first ? "" : " ", doc);
}

#define ROW(NAME, doc, ...)                                                                        \
	row(#NAME, (const char *const[]){__VA_ARGS__},                                             \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), doc)

static void print_channel(void)
{
	puts("| to the supervisor | brings | |\n|---|---|---|");
#define TO_SUPERVISOR(NAME, text, slot, value, words, file, doc)                                   \
	ROW(NAME, doc, SLOT_##slot, VALUE_##value, WORDS_##words, FILE_##file);
#include "link/channel.def"
	puts("\n| to the proxy | brings | |\n|---|---|---|");
#define TO_PROXY(NAME, text, slot, value, words, file, doc)                                        \
	ROW(NAME, doc, SLOT_##slot, VALUE_##value, WORDS_##words, FILE_##file);
#include "link/channel.def"
}

static void print_opening(void)
{
	puts("| asked with | brings | |\n|---|---|---|");
#define FORM(NAME, doc) ROW(NAME, doc, "the tenant", "a path");
#include "link/opening.def"
	puts("\n| answered | brings | |\n|---|---|---|");
#define RESULT(NAME, file, why, doc) ROW(NAME, doc, FILE_##file, WHY_##why);
#include "link/opening.def"
}

static void print_guard(void)
{
	puts("| to a guard | |\n|---|---|");
#define WORD(NAME, doc) printf("| `%s` | %s |\n", #NAME, doc);
#include "process/guard.def"
}

static void print_events(void)
{
	puts("| event | |\n|---|---|");
#define EVENT(NAME, text, doc) printf("| `%s` | %s |\n", text, doc);
#include "control/events.def"
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} tables[] = {{"channel", print_channel}, {"opening", print_opening},
		{"guard", print_guard}, {"events", print_events}};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (argc == 2 && strcmp(argv[1], tables[i].name) == 0) {
			tables[i].print();
			return ferror(stdout) ? 1 : 0;
		}
	return 2;
}
