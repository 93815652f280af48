/* busy.c - asks for a hold, renews it while a command runs, and passes signals on to that. */
/* SPDX-License-Identifier: MIT */
#include "command/busy.h"

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "command/live.h"
#include "command/text.h"

/* While a command runs, its hold is short and renewed: even if we are killed it soon ends. */
#define HOLD	  "1m"
#define RENEWALS  3   /* of each hold */
#define PAUSE_MIN 100 /* msec between two of them */
#define PAUSE_MAX 20000

#define EXIT_NOT_FOUND	    127
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_SIGNALLED	    128

static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

struct held {
	struct options o; /* is_quiet: the command has standard error to itself */
	char name[17];
	msec pause; /* until it must be renewed */
};

/* No tenant is named: `busy 5m`, `busy -- COMMAND`. */
static bool is_for_machine(const struct options *o)
{
	return o->nwords == (o->ncommand ? o->ncommand : 1);
}

/* 0 and the answer, whatever it is, or an exit status when the failure has been reported. */
static int say_busy(
	const struct options *o, const char *length, const char *name, struct live_answer *ret)
{
	CLEAN_FREE char *tail = xasprintf("/busy?for=%s&hold=%s", length, name);
	struct buf target = {0};
	int r;

	if (is_for_machine(o))
		buf_printf(&target, "/v1%s", tail);
	else
		live_tenant_target(&target, o->words[0], tail);
	r = live_ask(o, "POST", buf_str(&target), ret);
	buf_done(&target);
	return r;
}

/* The same, but a refusal has been reported as well. */
static int keep_awake(
	const struct options *o, const char *length, const char *name, struct live_answer *ret)
{
	int r = say_busy(o, length, name, ret);

	return r == 0 && ret->status != 200 ? live_refused(ret, "keep it awake") : r;
}

static msec left_of(const struct live_answer *a)
{
	json_t *j = live_json(a);
	json_int_t left = json_integer_value(json_object_get(j, "busy_ms"));

	json_decref(j);
	return left > 0 ? (msec)left : 0;
}

/* --- for a time --- */

static void tell_length(const char *id, msec asked, msec left)
{
	char moment[TEXT_MAX], length[TEXT_MAX];

	if (!left) {
		printf("%s is not busy any more\n", id);
		return;
	}
	text_moment(left, moment);
	text_duration(left, length);
	printf("%s is busy until %s, for %s\n", id, moment, length);
	if (asked > left + 1000)
		tell_fault("busy_max does not allow more at once");
}

static int hold_for(const struct options *o)
{
	const char *word = o->words[o->nwords - 1];
	struct live_answer answer = {0};
	msec asked;
	int r;

	if (number_parse_duration(str_of(word), &asked) < 0) {
		tell_fault("busy: %s is no length of time, as 30s, 5m or 2h", word);
		return EXIT_USAGE;
	}
	r = keep_awake(o, word, "", &answer);
	if (r == 0)
		tell_length(
			is_for_machine(o) ? "the machine" : o->words[0], asked, left_of(&answer));
	buf_done(&answer.body);
	return r;
}

/* --- while a command runs --- */

/* busy_max may allow less than was asked for. */
static msec pause_of(const struct live_answer *a)
{
	return MAX(MIN(left_of(a) / RENEWALS, (msec)PAUSE_MAX), (msec)PAUSE_MIN);
}

static int begin_hold(struct held *h)
{
	struct live_answer answer = {0};
	uint64_t random;
	int r;

	random_bytes(&random, sizeof(random));
	snprintf(h->name, sizeof(h->name), "%016" PRIx64, random);
	r = keep_awake(&h->o, HOLD, h->name, &answer);
	h->pause = pause_of(&answer);
	h->o.is_quiet = true;
	buf_done(&answer.body);
	return r;
}

/* The tenant, or fly-atc, may be away for a moment: tries again. */
static void renew_hold(struct held *h)
{
	struct live_answer answer = {0};

	if (say_busy(&h->o, HOLD, h->name, &answer) == 0 && answer.status == 200)
		h->pause = pause_of(&answer);
	buf_done(&answer.body);
}

static void end_hold(struct held *h)
{
	struct live_answer answer = {0};

	(void)!say_busy(&h->o, "0", h->name, &answer);
	buf_done(&answer.body);
}

/* Ours from now on: the signals that are passed on, and the end of the command, which is not
 * reported to a process that inherited an ignored SIGCHLD. */
static void take_signals(sigset_t *ret_ours, sigset_t *ret_before)
{
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(ret_ours);
	sigaddset(ret_ours, SIGCHLD);
	for (size_t i = 0; i < NITEMS(passed_on); i++)
		sigaddset(ret_ours, passed_on[i]);
	sigprocmask(SIG_BLOCK, ret_ours, ret_before);
}

/* 0 or an error number. */
static int spawn(char **argv, const sigset_t *mask, pid_t *ret)
{
	posix_spawnattr_t attributes;
	int r = posix_spawnattr_init(&attributes);

	if (r)
		return r;
	posix_spawnattr_setsigmask(&attributes, mask);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(ret, argv[0], NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* Signals from the terminal reach the command without us. */
static void pass_on(pid_t pid, const siginfo_t *info)
{
	if (info->si_signo != SIGCHLD && info->si_code == SI_USER)
		kill(pid, info->si_signo);
}

static int exit_of(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int await(struct held *h, pid_t pid, const sigset_t *ours)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct timespec pause = {
			(time_t)(h->pause / 1000), (long)(h->pause % 1000) * 1000000};
		siginfo_t info;

		if (sigtimedwait(ours, &info, &pause) >= 0)
			pass_on(pid, &info);
		else if (errno == EAGAIN)
			renew_hold(h);
	}
	return exit_of(status);
}

static int hold_while(const struct options *o)
{
	char **argv = o->words + o->nwords - o->ncommand;
	struct held h = {.o = *o};
	sigset_t ours, before;
	pid_t pid;
	int r;

	take_signals(&ours, &before);
	r = begin_hold(&h);
	if (r)
		return r;
	r = spawn(argv, &before, &pid);
	if (r) {
		tell_fault("cannot run %s: %s", argv[0], strerror(r));
		r = r == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	} else {
		r = await(&h, pid, &ours);
	}
	end_hold(&h);
	return r;
}

int busy_run(const struct options *o)
{
	if (o->ncommand && o->nwords <= o->ncommand + 1)
		return hold_while(o);
	if (!o->ncommand && o->nwords <= 2)
		return hold_for(o);
	tell_fault("busy: [TENANT] and for how long? A length of time, or -- and a command");
	return EXIT_USAGE;
}
