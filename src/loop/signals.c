/* signals.c - reads a signalfd. */
/* SPDX-License-Identifier: MIT */
#include "loop/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static void on_readable(struct watch *w, unsigned events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	assert(s->on_signal);
	while (s->watch.fd >= 0 && read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->on_signal(s->arg, &info);
}

int signals_open(
	struct signals *s, struct loop *l, const int *numbers, signals_fn *on_signal, void *arg)
{
	sigset_t set;
	int fd, r;

	assert(on_signal && *numbers);
	sigemptyset(&set);
	for (; *numbers; numbers++)
		sigaddset(&set, *numbers);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*s = (struct signals){.on_signal = on_signal, .arg = arg};
	r = watch_open_read(&s->watch, l, fd, on_readable);
	if (r < 0)
		close(fd);
	return r;
}

void signals_close(struct signals *s)
{
	int fd = s->watch.fd;

	if (!s->watch.loop || fd < 0)
		return;
	watch_close(&s->watch);
	close(fd);
}
