/* terminal.c - whether we have a terminal, and still had it when SIGHUP came. */
/* SPDX-License-Identifier: MIT */
#include "supervisor/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/base.h"

/* The kernel takes it away from the whole session when it hangs up. */
bool terminal_is_there(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

bool terminal_holds_us(void)
{
	struct sigaction hangup;

	return sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN &&
	       terminal_is_there();
}
