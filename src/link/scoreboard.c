/* scoreboard.c - the shared memory: made, mapped, and reset for a new owner. */
/* SPDX-License-Identifier: MIT */
#include "link/scoreboard.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS_SIZE ((size_t)SCOREBOARD_SLOTS * sizeof(struct slot))
#define BOARD_SIZE (SLOTS_SIZE + sizeof(struct activity) + sizeof(struct crash_record))

static_assert(sizeof(struct slot) == 128, "a slot is two cache lines");

int scoreboard_map(int fd, struct scoreboard *ret)
{
	char *at = mmap(NULL, BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct scoreboard){fd, (void *)at, (void *)(at + SLOTS_SIZE),
		(void *)(at + SLOTS_SIZE + sizeof(struct activity))};
	return 0;
}

/* Pages come into being when a slot is first used, so a large board costs nothing. */
int scoreboard_new(struct scoreboard *ret)
{
	int fd = memfd_create("fly-atc-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)BOARD_SIZE) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r == 0)
		r = scoreboard_map(fd, ret);
	if (r < 0)
		close(fd);
	return r;
}

void scoreboard_done(struct scoreboard *s)
{
	if (!s->slots)
		return;
	munmap(s->slots, BOARD_SIZE);
	close(s->fd);
	*s = (struct scoreboard){.fd = -1};
}

void scoreboard_forget_proxy(struct scoreboard *s, uint32_t n)
{
	activity_forget_proxy(s->activity);
	for (uint32_t i = 0; i < MIN(n, SCOREBOARD_SLOTS); i++) {
		struct slot *slot = &s->slots[i];

		if (atomic_load(&slot->cache_entries)) {
			atomic_store(&slot->cache_bytes, 0);
			atomic_store(&slot->cache_entries, 0);
		}
		if (!atomic_load(&slot->in_flight) && !atomic_load(&slot->held) &&
			!atomic_load(&slot->timeouts) && !atomic_load(&slot->connections))
			continue;
		atomic_store(&slot->connections, 0);
		atomic_store(&slot->in_flight, 0);
		atomic_store(&slot->upgrades, 0);
		atomic_store(&slot->held, 0);
		atomic_store(&slot->timeouts, 0);
	}
}

void slot_give(struct slot *s, uint64_t owner)
{
	atomic_store(&s->state, TENANT_ABSENT);
	atomic_store(&s->retry_at, 0);
	atomic_store(&s->last_activity, 0);
	atomic_store(&s->requests, 0);
	atomic_store(&s->timeouts, 0);
	atomic_store(&s->hidden_names, 0);
	atomic_store(&s->busy_until, 0);
	atomic_store(&s->cache_hits, 0);
	atomic_store(&s->cache_misses, 0);
	atomic_store(&s->cache_bytes, 0);
	atomic_store(&s->cache_entries, 0);
	/* `generation` goes on: connections to the copies of others are known by it. */
	atomic_store(&s->owner, owner);
}

void slot_socket_path(str run_dir, uint32_t slot, char *out, size_t size)
{
	snprintf(out, size, STR_FMT "/tenant-%u.sock", STR_ARG(run_dir), slot);
}
