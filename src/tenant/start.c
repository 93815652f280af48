/* start.c - the start of an application: its port, its process, the questions to it. */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tenant/folders.h"
#include "tenant/tenant_int.h"

static int open_port(struct tenant *t, struct tenant_port *ret)
{
	struct tenant_run *run = t->run;
	int64_t said = run->conf->app->port;
	struct port_wish wish = {.number = said > 0 ? (unsigned)said : 0, .avoids = t->all->conf};
	int r;

	if (run->conf->app->listen == LISTEN_FD) {
		ret->is_inherited = true;
		r = port_listen(&wish, &run->port.fd, &ret->number);
	} else {
		r = port_hold_both(&wish, &run->port.fd, &run->port.fd6, &ret->number);
		run->port.may_be_ipv6 = run->port.fd6 >= 0;
		if (t->releases_port)
			run_port_release(&run->port);
	}
	if (r < 0 && wish.number)
		tenant_blame(t, "cannot have its port %u: %s", wish.number, strerror(-r));
	else if (r < 0)
		tenant_blame(t, "cannot get a port for it: %s", strerror(-r));
	return r;
}

static int choose_port(struct tenant *t, char *path, size_t path_size, struct tenant_port *ret)
{
	struct tenant_run *run = t->run;

	*ret = (struct tenant_port){0};
	if (t->all->conf->is_single) {
		ret->number = (unsigned)t->all->conf->server.target_port;
		run->port.may_be_ipv6 = true;
		return 0;
	}
	if (run->conf->app->listen != LISTEN_UNIX)
		return open_port(t, ret);
	tenant_socket_path(t, path, path_size);
	ret->socket_path = path;
	return 0;
}

void start_application(struct tenant *t)
{
	struct tenant_run *run = t->run;
	struct slot *slot = tenant_slot(t);
	uint64_t began = clock_usec();
	struct tenant_port port;
	char path[256];
	int r = choose_port(t, path, sizeof(path), &port);

	MAGIC_CHECK(t, TENANT_MAGIC);
	if (r == 0 && !t->all->conf->is_single)
		tenant_folders_clean(run->conf, port.socket_path);
	if (r == 0)
		r = tenant_spawn(t, &run->conf->app->command, &port, exit_on_status);
	if (r < 0) {
		run_port_release(&run->port);
		if (r == -EADDRINUSE && run->conf->app->port > 0)
			elsewhere_blame_owner(t, (unsigned)run->conf->app->port);
		else
			tenant_event(t, EVENT_BROKEN);
		return;
	}
	run->port.told = port.number;
	run->helper.is_stop_due = true;
	t->starts++;
	run->phase_began = clock_usec();
	t->wake.start = (run->phase_began - began) / 1000;
	atomic_store(&slot->port, port.number);
	atomic_store(&slot->is_ipv6, 0);
	atomic_fetch_add(&slot->generation, 1);
	atomic_store(&slot->busy_until, 0); /* what the former copy said, and can no longer say */
	run->files.missing = tenant_uses_backup(t) ? new_files_missing(run->conf) : 0;
	ready_await(t);
}
