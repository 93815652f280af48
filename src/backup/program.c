/* program.c - finding and judging the Litestream program. */
/* SPDX-License-Identifier: MIT */
#include "backup/program.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "loop/loop.h"

/* True if directory/name can be executed; *ret_path is new then. */
static bool try_file(str directory, str name, char **ret_path)
{
	char *path = xasprintf(STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name));

	if (access(path, X_OK) == 0) {
		*ret_path = path;
		return true;
	}
	free(path);
	return false;
}

static bool try_path(str name, char **ret_path)
{
	const char *path = getenv("PATH");
	str rest = path ? str_of(path) : STR_EMPTY, directory;

	while (str_split(&rest, ':', &directory))
		if (directory.n && try_file(directory, name, ret_path))
			return true;
	return false;
}

static bool try_beside_us(str name, char **ret_path)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));

	while (n > 0 && self[n - 1] != '/')
		n--;
	return n > 1 && try_file((str){self, (size_t)n - 1}, name, ret_path);
}

static bool try_cache(str name, char **ret_path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	CLEAN_FREE char *directory = cache && *cache ? xasprintf("%s/fly-atc/bin", cache)
				     : home	     ? xasprintf("%s/.cache/fly-atc/bin", home)
						     : xstrdup("");

	return *directory && try_file(str_of(directory), name, ret_path);
}

int program_find(str name, char **ret_path, char **ret_reason)
{
	if (str_find_char(name, '/') >= 0) {
		CLEAN_FREE char *path = str_dup(name);

		if (access(path, X_OK) == 0) {
			*ret_path = xstrdup(path);
			return 0;
		}
		*ret_reason = xasprintf(
			"backup.program: %s: %s. " PROGRAM_INSTALL, path, strerror(errno));
		return -ENOENT;
	}
	if (try_path(name, ret_path) || try_beside_us(name, ret_path) || try_cache(name, ret_path))
		return 0;
	*ret_reason = xasprintf("backup.url is set, but the program " STR_FMT
				" is not there. " PROGRAM_INSTALL,
		STR_ARG(name));
	return -ENOENT;
}

bool program_is_recent(str version)
{
	static const uint64_t oldest[3] = {0, 5, 18};

	if (str_starts(version, STR("v")))
		version = str_slice(version, 1, version.n);
	for (size_t i = 0; i < NITEMS(oldest); i++) {
		str part;
		uint64_t number;
		size_t digits = 0;

		if (!str_split(&version, '.', &part))
			return false;
		while (digits < part.n && part.p[digits] >= '0' && part.p[digits] <= '9')
			digits++;
		if (number_parse(str_slice(part, 0, digits), UINT32_MAX, &number) < 0)
			return false;
		if (number != oldest[i])
			return number > oldest[i];
	}
	return true;
}

/* Starts `path version` with its output in a pipe, of which *ret_fd is our end. */
static int spawn_version(const char *path, pid_t *ret_pid, int *ret_fd)
{
	char *argv[] = {(char *)(uintptr_t)path, (char[]){"version"}, NULL}, *env[] = {NULL};
	posix_spawn_file_actions_t actions;
	int out[2], r;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(ret_pid, path, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	if (r == 0)
		*ret_fd = out[0];
	else
		close(out[0]);
	return -r;
}

/* What comes before the end of the pipe, or before the limit. */
static void read_output(int fd, msec until, struct buf *out)
{
	for (msec now = clock_now(); now < until && buf_len(out) < 4096; now = clock_now()) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, (int)(until - now)) <= 0)
			continue;
		n = read(fd, buf_room(out, 512), 512);
		if (n <= 0)
			return;
		buf_added(out, (size_t)n);
	}
}

static int run_version(const char *path, msec limit, struct buf *out)
{
	pid_t pid = -1;
	int fd = -1, r;

	r = spawn_version(path, &pid, &fd);
	if (r < 0)
		return r;
	read_output(fd, clock_now() + limit, out);
	close(fd);
	kill(pid, SIGKILL); /* it has said all it had to say */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int program_check(const char *path, msec limit, char **ret_version, char **ret_reason)
{
	struct buf out = {0};
	str rest, version = STR_EMPTY;
	int r = run_version(path, limit, &out);

	rest = buf_str(&out);
	if (r < 0 || !str_split(&rest, '\n', &version) || !version.n) {
		*ret_reason = xasprintf("%s does not say its version%s%s. " PROGRAM_INSTALL, path,
			r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
		r = r < 0 ? r : -ENOEXEC;
	} else if (!program_is_recent(version)) {
		*ret_reason = xasprintf(
			"%s is Litestream " STR_FMT "; fly-atc needs " PROGRAM_OLDEST
			" or newer, since older ones lose commits where SQLite begins its "
			"WAL anew. " PROGRAM_INSTALL,
			path, STR_ARG(version));
		r = -ENOTSUP;
	} else {
		*ret_version = str_dup(version);
	}
	buf_done(&out);
	return r;
}

/* No AWS_CA_BUNDLE (Litestream refuses to start), no proxies, no configuration of other tools. */
char **program_env(const struct location *l)
{
	static const char *const kept[] = {
		"PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"};
	char **env = xcalloc(NITEMS(kept) + 8, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; i < NITEMS(kept); i++) {
		const char *value = getenv(kept[i]);

		if (value)
			env[n++] = xasprintf("%s=%s", kept[i], value);
	}
	env[n++] = xstrdup("LOG_LEVEL=warn");
	env[n++] = xstrdup("GOMEMLIMIT=512MiB");
	if (l->kind == LOCATION_S3) {
		env[n++] = xasprintf("AWS_SHARED_CREDENTIALS_FILE=/proc/self/fd/%d", PROGRAM_KEYS);
		env[n++] = xstrdup("AWS_CONFIG_FILE=/dev/null"); /* a user's profile */
		env[n++] = xasprintf("AWS_REGION=%s", l->region);
		env[n++] = xstrdup("AWS_EC2_METADATA_DISABLED=true");
	}
	return env;
}

/* As ~/.aws/credentials. */
static int write_keys(int fd, const struct location *l)
{
	CLEAN_FREE char *text =
		xasprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
			l->key_id, l->secret);
	size_t n = strlen(text);
	bool is_written = write(fd, text, n) == (ssize_t)n;

	explicit_bzero(text, n);
	if (!is_written || fchmod(fd, 0400) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
			0)
		return errno ? -errno : -EIO;
	return 0;
}

/* Sealed, and opened again by each reader. */
int program_keys_open(const struct location *l, int *ret_fd)
{
	int fd, r;

	*ret_fd = -1;
	if (l->kind != LOCATION_S3)
		return 0;
	fd = memfd_create("fly-atc-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = write_keys(fd, l);
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

void program_env_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}
