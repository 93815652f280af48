/* hosts.c - machines that stand in the configuration: woken and put to sleep by what it says. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/number.h"
#include "process/process.h"
#include "target/http.h"
#include "target/target_int.h"

#define COMMAND_LIMIT 60000 /* msec */
#define HTTP_LIMIT    60000
#define LAST_MAX      200 /* of what a command said last */
#define DISCARD_PORT  9	  /* where magic packets go by custom */

struct hosts {
	struct target target; /* first */
	struct http_client http;
	struct list commands; /* that run */
};

static struct hosts *hosts_of(const struct target_call *call)
{
	return container_of(call->target, struct hosts, target);
}

/* --- a command --- */

struct host_command {
	struct list link; /* hosts.commands */
	struct target_call *call;
	struct loop *loop;
	const char *purpose; /* "wake" or "sleep" */
	struct process *process;
	struct timer limit;
	bool is_late;
	char last[LAST_MAX];
};

/* Somebody else's words: on one line, and short. */
static void on_command_line(void *arg, enum process_stream stream, str line, bool is_cut)
{
	struct host_command *c = arg;
	size_t n = 0;

	(void)stream;
	(void)is_cut;
	log_info("machine " STR_FMT ": its %s command: " STR_FMT, STR_ARG(c->call->machine),
		c->purpose, STR_ARG(line));
	for (size_t i = 0; i < line.n && n + 1 < sizeof(c->last); i++)
		c->last[n++] =
			(unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f ? ' ' : line.p[i];
	c->last[n] = '\0';
}

static void end_command(struct host_command *c)
{
	timer_cancel(&c->limit);
	list_remove(&c->link);
	target_call_end(c->call);
	loop_defer_free(c->loop, c);
}

static void on_command_exit(void *arg, int status)
{
	struct host_command *c = arg;
	char how[64];

	process_describe_exit(status, how, sizeof(how));
	if (c->is_late)
		target_call_set(c->call, -ETIMEDOUT, "the %s command took longer than %d s",
			c->purpose, COMMAND_LIMIT / 1000);
	else if (status != 0)
		target_call_set(c->call, -EIO, "the %s command %s%s%s", c->purpose, how,
			*c->last ? ": " : "", c->last);
	end_command(c);
}

static void on_command_limit(struct timer *timer)
{
	struct host_command *c = container_of(timer, struct host_command, limit);

	c->is_late = true;
	process_signal(c->process, SIGKILL);
}

/* Ours, without what is a secret of ours. */
static char **environment_for(const struct target *t)
{
	const struct str_list *secrets = &t->conf->secret_variables;
	size_t n = 0, kept = 0;
	char **env;

	while (t->environ[n])
		n++;
	env = xcalloc(n + 1, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		str item = str_of(t->environ[i]), name = item;
		bool is_secret = false;

		(void)str_split(&item, '=', &name);
		for (size_t j = 0; j < secrets->count; j++)
			is_secret = is_secret || str_eq(name, secrets->items[j]);
		if (!is_secret)
			env[kept++] = t->environ[i];
	}
	return env;
}

static void run_command(struct target_call *call, const struct str_list *words, const char *purpose)
{
	struct hosts *h = hosts_of(call);
	struct host_command *c = xcalloc(1, sizeof(*c));
	CLEAN_FREE char **env = environment_for(call->target);
	CLEAN_FREE char **argv = xcalloc(words->count + 1, sizeof(*argv));
	CLEAN_FREE char *name = xasprintf("machine " STR_FMT, STR_ARG(call->machine));
	const char *step = "";
	int r;

	for (size_t i = 0; i < words->count; i++)
		argv[i] = (char *)(uintptr_t)words->items[i].p;
	c->call = call;
	c->loop = call->target->loop;
	c->purpose = purpose;
	list_append(&h->commands, &c->link);
	r = process_start(c->loop,
		&(struct process_spec){.name = name,
			.argv = argv,
			.env = env,
			.on_line = on_command_line,
			.on_exit = on_command_exit,
			.arg = c},
		&c->process, &step);
	if (r == 0) {
		timer_set(&c->limit, c->loop, loop_now(c->loop) + COMMAND_LIMIT, on_command_limit);
		return;
	}
	target_call_set(call, -EIO, "the %s command %s cannot be started: %s: %s", purpose, argv[0],
		step, strerror(-r));
	end_command(c);
}

/* --- a URL --- */

static void post_to_url(struct target_call *call)
{
	struct http_answer answer = {0};
	int error = http_ask(&hosts_of(call)->http, call,
		&(struct http_request){.method = "POST",
			.url = call->own,
			.name = "the URL that wakes it",
			.limit = HTTP_LIMIT},
		&answer);

	if (error == 0)
		error = http_error(answer.status);
	if (error < 0 && answer.status) {
		/* What is behind the path of a URL may be a secret. */
		target_call_set(call, error == -ENOENT ? -EIO : error,
			"the URL that wakes it answered %ld", answer.status);
		call->result.retry_after = answer.retry_after;
	}
	buf_done(&answer.body);
}

/* --- Wake-on-LAN --- */

#define MAC_SIZE    6u
#define PACKET_SIZE ((1 + 16) * MAC_SIZE)

/* Six times 0xff, and sixteen times the address; config/machines.c has checked its form. */
static void write_packet(str mac, unsigned char out[PACKET_SIZE])
{
	unsigned char bytes[MAC_SIZE] = {0};

	for (size_t i = 0; i < MAC_SIZE; i++) {
		uint64_t byte = 0;

		if (number_parse_hex(str_slice(mac, 3 * i, 3 * i + 2), 255, &byte) == 0)
			bytes[i] = (unsigned char)byte;
	}
	memset(out, 0xff, MAC_SIZE);
	for (size_t i = 1; i <= 16; i++)
		memcpy(out + i * MAC_SIZE, bytes, MAC_SIZE);
}

static bool send_packet(int fd, struct in_addr to, const unsigned char packet[PACKET_SIZE])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT), .sin_addr = to};

	return sendto(fd, packet, PACKET_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL,
		       (const struct sockaddr *)&address, sizeof(address)) == PACKET_SIZE;
}

/* To each network that we are in. */
static unsigned send_to_networks(int fd, const unsigned char packet[PACKET_SIZE])
{
	struct ifaddrs *list = NULL;
	unsigned sent = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const struct sockaddr *to = i->ifa_broadaddr;

		if (!(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_BROADCAST) || !to ||
			!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		sent += send_packet(
			fd, ((const struct sockaddr_in *)(const void *)to)->sin_addr, packet);
	}
	freeifaddrs(list);
	return sent;
}

/* And to the machine itself, for networks behind a router that knows where it was. */
static unsigned send_everywhere(const struct machine_conf *m, int fd)
{
	unsigned char packet[PACKET_SIZE];
	struct endpoint at;
	unsigned sent;
	int on = 1;

	write_packet(m->wake.wol, packet);
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0)
		return 0;
	sent = send_to_networks(fd, packet);
	if (endpoint_parse(m->address, &at) == 0 && at.address.family == AF_INET)
		sent += send_packet(fd, at.address.v4, packet);
	return sent;
}

/* Nobody says whether it has arrived. */
static void send_magic(struct target_call *call, const struct machine_conf *m)
{
	CLEAN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsigned sent = fd < 0 ? 0 : send_everywhere(m, fd);

	if (sent)
		log_info("machine " STR_FMT ": a magic packet was sent to %u addresses",
			STR_ARG(m->name), sent);
	else
		target_call_set(call, -EIO, "no magic packet could be sent: %s",
			errno ? strerror(errno) : "there is no network");
	target_call_end(call);
}

/* --- calls --- */

static void end_with(struct target_call *call, int error, const char *reason)
{
	target_call_set(call, error, "%s", reason);
	target_call_end(call);
}

static void wake_host(struct target_call *call)
{
	const struct machine_conf *m = config_find_machine(call->target->conf, call->machine);

	if (!m) {
		end_with(call, -ENOENT, "no machine of this name is in machines:");
		return;
	}
	if (str_eq(m->name, call->target->conf->our_machine)) {
		target_call_end(call); /* as we see */
		return;
	}
	switch (m->wake.how) {
	case MACHINE_WAKE_NONE: /* whoever connects wakes one that sleeps by exit */
		end_with(call, m->sleep.how == MACHINE_SLEEP_EXIT ? 0 : -ENOTSUP,
			m->sleep.how == MACHINE_SLEEP_EXIT
				? ""
				: "machines: does not say how to wake it");
		return;
	case MACHINE_WAKE_COMMAND:
		run_command(call, &m->wake.command, "wake");
		return;
	case MACHINE_WAKE_WOL:
		send_magic(call, m);
		return;
	case MACHINE_WAKE_HTTP:
		call->own = (void *)(uintptr_t)arena_dup(&call->arena, m->wake.http).p;
		if (http_prepare(&hosts_of(call)->http, call, "a machine that is woken by a URL"))
			target_call_work(call, post_to_url);
		else
			target_call_end(call);
		return;
	}
}

/* A command puts the whole host to sleep, however it does so; with `exit` it is we who go, and
 * systemd has our socket. */
static void sleep_ourselves(struct target_call *call)
{
	const struct config *c = call->target->conf;
	const struct machine_conf *m = config_find_machine(c, c->our_machine);
	enum machine_sleep how = m ? m->sleep.how : MACHINE_SLEEP_NONE;

	if (how == MACHINE_SLEEP_COMMAND && call->how != TARGET_EXIT) {
		call->machine = arena_dup(&call->arena, m->name);
		run_command(call, &m->sleep.command, "sleep");
	} else if (how == MACHINE_SLEEP_EXIT && call->how == TARGET_EXIT) {
		target_call_end(call);
	} else {
		end_with(call, -ENOTSUP,
			how == MACHINE_SLEEP_COMMAND
				? "machines: has a command that puts this machine to sleep; to "
				  "exit would not"
			: how == MACHINE_SLEEP_EXIT
				? "machines: says that this machine sleeps by exit"
				: "machines: does not say how this machine sleeps");
	}
}

static void put_to_sleep(struct target_call *call)
{
	if (str_eq(call->machine, call->target->conf->our_machine))
		sleep_ourselves(call);
	else if (config_find_machine(call->target->conf, call->machine))
		end_with(call, -ENOTSUP, "a host is put to sleep by its own fly-atc only");
	else
		end_with(call, -ENOENT, "no machine of this name is in machines:");
}

/* Commands are killed, and waited for no more. */
static void kill_commands(struct target *t)
{
	struct hosts *h = container_of(t, struct hosts, target);

	list_foreach (c, &h->commands, struct host_command, link)
		process_signal(c->process, SIGKILL);
}

static bool is_pending(const struct target *t)
{
	const struct hosts *h = (const struct hosts *)(const void *)t;

	return !list_is_empty(&h->commands);
}

static const struct target_ops ops = {
	.name = "hosts",
	.stop = kill_commands,
	.is_pending = is_pending,
	.list = target_configured_list,
	.wake = wake_host,
	.sleep = sleep_ourselves,
	.sleep_other = put_to_sleep,
	.addresses = target_configured_addresses,
};

int target_hosts_new(const struct target_setup *setup, struct target **ret, char **ret_reason)
{
	struct hosts *h = xcalloc(1, sizeof(*h));

	(void)setup;
	(void)ret_reason;
	list_init(&h->commands);
	h->target.ops = &ops;
	*ret = &h->target;
	return 0;
}
