/* exit.c - an application has ended: why, and what follows. */
/* SPDX-License-Identifier: MIT */
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tenant/tenant_int.h"

static bool said(const struct tenant *t, str words)
{
	for (uint32_t i = 0; i < t->output.last.count; i++)
		if (str_find(output_at(&t->output, i).text, words) >= 0)
			return true;
	return false;
}

/* The one failure that is due to us, and what to do about it. */
static const char *hint_about_port(const struct tenant *t)
{
	if (!said(t, STR("EADDRINUSE")) && !said(t, STR("Address already in use")) &&
		!said(t, STR("address already in use")))
		return "";
	switch (t->run->conf->app->listen) {
	case LISTEN_FD:
		return "; it binds an address of its own: let it listen on 127.0.0.1:$PORT, or say `listen: tcp`";
	case LISTEN_TCP:
		return t->releases_port
			       ? ""
			       : "; the next start leaves it the port without holding it before";
	case LISTEN_UNIX:
		break;
	}
	return "";
}

/* An application that forks and exits has succeeded in its own eyes. */
static const char *hint_about_end(const struct tenant *t, int status)
{
	return status == 0 ? "; it must stay in the foreground, and not put itself into the "
			     "background (as a daemon)"
			   : hint_about_port(t);
}

static void blame_exit(struct tenant *t, pid_t pid, int status)
{
	char how[64];

	process_describe_exit(status, how, sizeof(how));
	if (t->life.state == TENANT_STARTING)
		tenant_blame(t, "it (pid %d) %s before it was ready%s", (int)pid, how,
			hint_about_end(t, status));
	else if (t->life.state == TENANT_RUNNING || t->life.state == TENANT_DRAINING)
		tenant_blame(t, "it (pid %d) %s", (int)pid, how);
}

/* An end that we asked for is clean if the application says so, even by the status of a signal
 * (128+n). */
static void log_exit(const struct tenant *t, int status)
{
	LOG_LEVEL_HERE(tenant_log_level(t));
	int asked = config_stop_signal(t->run->conf->app);
	char how[64];

	if (t->life.state != TENANT_STOPPING || t->run->is_hung || status == 0 ||
		(WIFSIGNALED(status) && WTERMSIG(status) == asked) ||
		(WIFEXITED(status) && WEXITSTATUS(status) == 128 + asked))
		return;
	process_describe_exit(status, how, sizeof(how));
	log_warn("tenant " STR_FMT " was told to end and %s", STR_ARG(t->run->conf->id), how);
}

static enum lifecycle_event exit_event(struct tenant *t)
{
	if (t->life.state != TENANT_RUNNING || t->all->conf->is_single || tenant_count_crash(t))
		return EVENT_EXITED;
	return EVENT_CRASHED_OUT;
}

/* We have told it to end, and it is needed again: by a restart, or since its settings have
 * changed.  If another program told it to end before we did, that program meant us, too. */
static bool starts_again(const struct tenant *t)
{
	return state_is_ending(t->life.state) && t->life.is_wanted && !t->run->is_told_to_end;
}

void exit_on_status(void *arg, int status)
{
	struct tenant *t = arg;
	struct tenant_run *run = t->run;
	struct run_port port = run->port;
	pid_t pid = process_pid(run->process);

	MAGIC_CHECK(t, TENANT_MAGIC);
	run->process = NULL;
	run->port.fd = run->port.fd6 = -1;
	checkup_forget(run);
	health_forget(run);
	log_exit(t, status);
	blame_exit(t, pid, status);
	/* A server that does not set SO_REUSEADDR cannot bind the port that we keep for it: next
	 * time we let it go. */
	if (t->life.state == TENANT_STARTING && run->conf->app->listen == LISTEN_TCP)
		t->releases_port = !t->releases_port;
	if (t->all->conf->is_single && !starts_again(t))
		t->all->host->on_single_exit(t->all->host_arg, status);
	tenant_event(t, exit_event(t));
	/* Resets the connections that nobody has accepted.  Their requests find the new state. */
	run_port_release(&port);
}
