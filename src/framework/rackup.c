/* rackup.c - writes the rackup file, and finds where a command takes it. */
/* SPDX-License-Identifier: MIT */
#include "framework/rackup.h"

#include "base/alloc.h"
#include "base/file.h"

#define NAME "prefix.ru"

static const char text[] =
	"# Made by fly-atc: mounts the application below its path, without a change to it.\n"
	"prefix = ENV.fetch(\"RAILS_RELATIVE_URL_ROOT\")\n"
	"app = Rack::Builder.parse_file(File.join(Dir.pwd, \"config.ru\"))\n"
	"app = app.first if app.is_a?(Array) # before Rack 3 the options came with it\n"
	"\n"
	"# Rails tells its pages the path of Action Cable without the prefix, unless a URL is set.\n"
	"if defined?(ActionCable) && (cable = ActionCable.server.config).url.nil? && cable.mount_path\n"
	"  cable.url = prefix + cable.mount_path\n"
	"end\n"
	"\n"
	"# Rack leaves it to the application whether files are sent in its place, and trusts no header\n"
	"# with it.  This one comes from fly-atc alone, which drops the clients'.\n"
	"sends_files = lambda do |env|\n"
	"  type = env[\"HTTP_X_SENDFILE_TYPE\"]\n"
	"  env[\"sendfile.type\"] = type if type == \"X-Sendfile\"\n"
	"  app.call(env)\n"
	"end\n"
	"\n"
	"map(prefix) { run sends_files }\n";

int rackup_write(const char *run_dir)
{
	CLEAN_FREE char *path = xasprintf("%s/" NAME, run_dir);

	return file_write(FILE_GIVEN, path, (str){text, sizeof(text) - 1}, 0644);
}

static bool is_program(const char *word, const char *name)
{
	const char *slash = strrchr(word, '/');

	return strcmp(slash ? slash + 1 : word, name) == 0;
}

static bool is_rails_server(char *const *argv)
{
	for (; argv[0] && argv[1]; argv++)
		if (is_program(argv[0], "rails") &&
			(strcmp(argv[1], "server") == 0 || strcmp(argv[1], "s") == 0))
			return true;
	return false;
}

static bool has_program(char *const *argv, const char *name)
{
	for (; *argv; argv++)
		if (is_program(*argv, name))
			return true;
	return false;
}

/* The operator's own file stays: there is a reason for it. */
static bool names_rackup_file(char *const *argv, bool is_rails)
{
	for (; *argv; argv++) {
		str word = str_of(*argv);

		if (str_ends(word, STR(".ru")) ||
			(is_rails &&
				(str_eq(word, STR("-c")) || str_starts(word, STR("--config")))))
			return true;
	}
	return false;
}

static size_t add_file(
	char *const *argv, bool is_rails, const char *run_dir, char *ret[FRAMEWORK_WORDS], size_t n)
{
	if (names_rackup_file(argv, is_rails) ||
		(!is_rails && !has_program(argv, "puma") && !has_program(argv, "rackup")))
		return n;
	if (is_rails)
		ret[n++] = xstrdup("-c");
	ret[n++] = xasprintf("%s/" NAME, run_dir);
	return n;
}

size_t rackup_words(
	char *const *argv, const struct framework_start *start, char *ret[FRAMEWORK_WORDS])
{
	bool is_rails = is_rails_server(argv);
	size_t n = 0;

	if (start->is_inherited && !is_rails && has_program(argv, "puma"))
		ret[n++] = xstrdup("--bind-to-activated-sockets=only");
	return start->prefix.n ? add_file(argv, is_rails, start->run_dir, ret, n) : n;
}
