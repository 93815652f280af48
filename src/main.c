/* main.c - where the program begins: as the proxy, or as what the command line says. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "command/command.h"
#include "proxy/proxy.h"
#include "supervisor/supervisor.h"

/* A descriptor 0, 1 or 2 that is closed would become some socket of ours, and be written to. */
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

int main(int argc, char **argv)
{
	fill_standard_descriptors();
	if (argc == 3 && str_eq(str_of(argv[1]), STR(SUPERVISOR_PROXY_FLAG)))
		return run_proxy(str_of(argv[2]));
	return command_main(argc, argv);
}
