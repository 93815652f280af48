/* fuzz_roster.c - any bytes as a version or a state of the roster: refused, or something that is
 * read again as it was written, is taken back without a trace, and that a configuration can have.
 */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#include "roster/roster_int.h"

/* See fuzz_config.c. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

/* A file in memory, made once: with all that a roster may stand over. */
static const char *base_file(void)
{
	static const char text[] = "app: {framework: generic, command: x}\n"
				   "machine: {target: hosts, name: m1}\n"
				   "machines: {m1: {address: 10.0.0.1:80, region: fra}}\n"
				   "users:\n"
				   "  bob: {machine: m1, env: {A: 1}, tenants: [2025/x, y]}\n"
				   "  carl:\n"
				   "  d: {instance: m1, tenants: {x: {region: fra}, y: }}\n"
				   "routes: [{endpoint: old/one}]\n";
	static char path[32];
	int fd;

	if (path[0])
		return path;
	fd = memfd_create("atc.yml", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Faults or not: what it makes can be shown, and is nothing that the loader would not take. */
static void check_config(str roster)
{
	static char *const no_environ[] = {NULL};
	struct config_faults faults;
	struct buf dump = {0};
	struct config *c = config_load(&(struct config_source){.file = base_file(),
					       .environ = no_environ,
					       .is_only_read = true,
					       .roster = roster},
		&faults);

	assert((c == NULL) == (faults.errors > 0));
	if (c)
		config_dump(c, &dump);
	buf_done(&dump);
	config_unref(c);
	config_faults_done(&faults);
}

static void check_state(str text)
{
	struct buf first = {0}, second = {0};
	struct roster *r = NULL, *again;

	if (roster_parse(text, &r, NULL) < 0) {
		assert(!r);
		return;
	}
	roster_write(r, &first);
	assert(roster_parse(buf_str(&first), &again, NULL) == 0);
	roster_write(again, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	check_config(buf_str(&first));
	roster_free(r);
	roster_free(again);
	buf_done(&first);
	buf_done(&second);
}

static void check_record(str text)
{
	struct roster *r = roster_new();
	struct roster_record record, again;
	struct buf first = {0}, words = {0};

	if (record_read(text, 1, &record, NULL) == 0) {
		record_write(&record, "", &first);
		assert(record_read(buf_str(&first), 1, &again, NULL) == 0);
		assert(again.nchanges == record.nchanges);
		roster_record_describe(&record, &words);
		if (record_apply(&again, r, NULL) == 0) {
			record_undo(&again, r);
			for (unsigned i = 0; i < ROSTER_NKINDS; i++)
				assert(!r->entries[i].count);
		}
		roster_record_done(&record);
		roster_record_done(&again);
	}
	roster_free(r);
	buf_done(&first);
	buf_done(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);

	check_state(text);
	check_record(text);
	return 0;
}
