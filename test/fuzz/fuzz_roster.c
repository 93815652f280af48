/* fuzz_roster.c - any bytes as a version or a state of the roster: refused, or something that is
 * read again as it was written, is taken back without a trace, and that a configuration can have.
 */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"

#include "roster/roster_int.h"

/* See fuzz_config.c. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static void check_state(str text)
{
	static char *const no_environ[] = {NULL};
	struct buf first = {0}, second = {0};
	struct roster *r = NULL, *again;
	struct config_faults faults;

	if (roster_parse(text, &r, NULL) < 0) {
		assert(!r);
		return;
	}
	roster_write(r, &first);
	assert(roster_parse(buf_str(&first), &again, NULL) == 0);
	roster_write(again, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	config_unref(config_load(
		&(struct config_source){
			.environ = no_environ, .is_only_read = true, .roster = buf_str(&first)},
		&faults));
	config_faults_done(&faults);
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
