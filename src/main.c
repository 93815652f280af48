/* main.c - where the program begins: as the proxy, as a trial, or as the command line says. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backup/trial.h"
#include "base/alloc.h"
#include "base/number.h"
#include "command/command.h"
#include "process/enter.h"
#include "proxy/proxy.h"
#include "supervisor/supervisor.h"

/* A closed descriptor 0, 1 or 2 would become one of our sockets, and be written to. */
static void fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close_fd(&fd);
}

/* {"fly-atc: proxy", "--proxy", "<number of listeners>"}: the supervisor starts us like this. */
static int run_proxy(str listeners)
{
	struct proxy_start start = {
		.channel_fd = SUPERVISOR_PROXY_CHANNEL,
		.scoreboard_fd = SUPERVISOR_PROXY_SCOREBOARD,
	};
	uint64_t n;
	int *fds, r;

	if (number_parse(listeners, 1024, &n) < 0)
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, "fly-atc-proxy"); /* it would be "exe", of /proc/self/exe */
	fds = xcalloc(2 * n, sizeof(*fds));
	for (uint64_t i = 0; i < 2 * n; i++)
		fds[i] = SUPERVISOR_PROXY_LISTENERS + (int)i;
	start.listen_fds = fds;
	start.opener_fds = fds + n;
	start.nlisten_fds = n;
	r = proxy_main(&start);
	free(fds);
	return r;
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif

#ifdef HAS_LEAK_CHECK
/* At the very end the sanitizer traces us to look for leaks. */
static void show_memory(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}
#endif

/* Any process of our user could read the storage keys in it. */
static void hide_memory(void)
{
	prctl(PR_SET_DUMPABLE, 0);
#ifdef HAS_LEAK_CHECK
	atexit(show_memory);
#endif
}

int main(int argc, char **argv)
{
	if (argc > 1 && str_eq(str_of(argv[1]), STR(ENTER_FLAG)))
		return enter_main(argc, argv);
	hide_memory();
	fill_standard_descriptors();
	if (argc == 3 && str_eq(str_of(argv[1]), STR(SUPERVISOR_PROXY_FLAG)))
		return run_proxy(str_of(argv[2]));
	if (argc == 5 && str_eq(str_of(argv[1]), STR(TRIAL_FLAG)))
		return trial_main(argv);
	return command_main(argc, argv);
}
