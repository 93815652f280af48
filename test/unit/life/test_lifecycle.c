/* test_lifecycle.c - the table of a tenant's life is complete, and safe in every order of events.
 *
 * With the argument --print it prints the part of docs/lifecycle.md that comes from the table. */
/* SPDX-License-Identifier: MIT */
#include "life/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

#define has(effects, name) (((effects)&EFFECT_BIT(name)) != 0)

static void every_cell_is_filled(void **state)
{
	(void)state;
	for (int s = 0; s < TENANT_NSTATES; s++)
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++)
			if (lifecycle_cell((enum tenant_state)s, (enum lifecycle_event)e)->kind ==
				CELL_EMPTY)
				fail_msg("%s x %s", tenant_state_name((enum tenant_state)s),
					lifecycle_event_name((enum lifecycle_event)e));
}

static void the_usual_life(void **state)
{
	static const struct {
		enum lifecycle_event event;
		enum tenant_state next;
		uint32_t effects;
	} life[] = {
		{EVENT_WAKE, TENANT_QUEUED, EFFECT_BIT(ENQUEUE)},
		{EVENT_ADMITTED, TENANT_RESTORING, EFFECT_BIT(RESTORE)},
		{EVENT_RESTORED, TENANT_PREPARING, EFFECT_BIT(PREPARE)},
		{EVENT_PREPARED, TENANT_STARTING, EFFECT_BIT(START)},
		{EVENT_READY, TENANT_RUNNING, EFFECT_BIT(LEAVE) | EFFECT_BIT(SERVE)},
		{EVENT_IDLE, TENANT_STOPPING, EFFECT_BIT(SIGNAL)},
		{EVENT_EXITED, TENANT_STOPPING, EFFECT_BIT(DETACH)},
		{EVENT_DETACHED, TENANT_STOPPED, EFFECT_BIT(REST)},
	};
	struct lifecycle l = {0};

	(void)state;
	for (size_t i = 0; i < NITEMS(life); i++) {
		assert_int_equal(lifecycle_step(&l, life[i].event), life[i].effects);
		assert_int_equal(l.state, life[i].next);
	}
}

static void a_wish_during_a_stop_is_kept(void **state)
{
	struct lifecycle l = {.state = TENANT_STOPPING};

	(void)state;
	lifecycle_step(&l, EVENT_WAKE);
	assert_true(l.is_wanted);
	lifecycle_step(&l, EVENT_EXITED);
	assert_true(l.is_wanted);
	assert_true(has(lifecycle_step(&l, EVENT_DETACHED), REST));
	assert_true(l.is_wanted);
	lifecycle_step(&l, EVENT_WAKE);
	assert_int_equal(l.state, TENANT_QUEUED);
	assert_false(l.is_wanted);
}

static void one_that_hangs_is_killed_and_starts_again_when_it_is_wanted(void **state)
{
	struct lifecycle l = {.state = TENANT_RUNNING};

	(void)state;
	assert_int_equal(lifecycle_step(&l, EVENT_HUNG), EFFECT_BIT(CRASH) | EFFECT_BIT(KILL));
	lifecycle_step(&l, EVENT_WAKE);
	assert_int_equal(lifecycle_step(&l, EVENT_EXITED), EFFECT_BIT(DETACH));
	assert_true(has(lifecycle_step(&l, EVENT_DETACHED), REST));
	assert_true(l.is_wanted);
	l = (struct lifecycle){.state = TENANT_RUNNING};
	assert_int_equal(lifecycle_step(&l, EVENT_HUNG_OUT), EFFECT_BIT(FAIL) | EFFECT_BIT(KILL));
	assert_int_equal(l.state, TENANT_FAILED);
	assert_int_equal(lifecycle_step(&l, EVENT_EXITED), EFFECT_BIT(DETACH));
}

static void a_stop_overrides_a_wish(void **state)
{
	struct lifecycle l = {.state = TENANT_STOPPING, .is_wanted = true};

	(void)state;
	lifecycle_step(&l, EVENT_STOP);
	assert_false(l.is_wanted);
}

/* --- every order of events ---
 *
 * A model of the world around the table: what is under way, and which events can therefore come.
 * All its states are visited; in none of them may an event be one that "cannot happen", or an
 * effect do what makes no sense. */

struct model {
	struct lifecycle life;
	bool is_queued, is_starting;		     /* admission */
	bool is_restoring, is_preparing, is_probing; /* a step of the start */
	bool is_alive, is_signalled, is_watching, is_detaching;
	bool is_attached;
};
#define MODEL_BITS 10
#define NMODELS	   ((size_t)TENANT_NSTATES << (MODEL_BITS + 1))

static size_t model_number(const struct model *m)
{
	const bool bits[] = {m->life.is_wanted, m->is_queued, m->is_starting, m->is_restoring,
		m->is_preparing, m->is_probing, m->is_alive, m->is_signalled, m->is_watching,
		m->is_detaching, m->is_attached};
	size_t n = m->life.state;

	static_assert(NITEMS(bits) == MODEL_BITS + 1, "every member has its bit");
	for (size_t i = 0; i < NITEMS(bits); i++)
		n = n * 2 + bits[i];
	return n;
}

static bool is_under_way(const struct model *m)
{
	return m->is_restoring || m->is_preparing || m->is_alive || m->is_detaching;
}

static bool can_happen(const struct model *m, enum lifecycle_event e)
{
	switch (e) {
	case EVENT_WAKE:
	case EVENT_STOP:
		return true;
	case EVENT_RETRY:
		return m->life.state == TENANT_FAILED && m->life.is_wanted && !is_under_way(m);
	case EVENT_ADMITTED:
		return m->is_queued;
	case EVENT_RESTORED:
		return m->is_restoring;
	case EVENT_PREPARED:
		return m->is_preparing;
	case EVENT_BROKEN: /* the application could not be executed: it is not alive then */
		return m->is_restoring || m->is_preparing ||
		       (m->life.state == TENANT_STARTING && m->is_probing);
	case EVENT_OVERDUE:
	case EVENT_READY:
		return m->is_probing;
	case EVENT_REFUSED:
		return m->is_probing || m->life.state == TENANT_RUNNING;
	case EVENT_EXITED:
		return m->is_alive;
	case EVENT_HUNG:
	case EVENT_HUNG_OUT:
	case EVENT_CRASHED_OUT:
		return m->is_alive && m->life.state == TENANT_RUNNING;
	case EVENT_IDLE:
		return m->life.state == TENANT_RUNNING;
	case EVENT_DRAINED:
		return m->is_watching;
	case EVENT_KILL_TIME:
		return m->is_signalled && m->is_alive;
	case EVENT_DETACHED:
		return m->is_detaching;
	case LIFECYCLE_NEVENTS:
		break;
	}
	return false;
}

/* What has ended with this event. */
static void apply_event(struct model *m, enum lifecycle_event e)
{
	if (e == EVENT_ADMITTED) {
		m->is_queued = false;
		m->is_starting = true;
	} else if (e == EVENT_RESTORED) {
		m->is_restoring = false;
		m->is_attached = true;
	} else if (e == EVENT_BROKEN && m->life.state == TENANT_STARTING) {
		m->is_alive = m->is_probing = false;
	} else if (e == EVENT_PREPARED || e == EVENT_BROKEN) {
		m->is_restoring = m->is_preparing = false;
	} else if (e == EVENT_EXITED || e == EVENT_CRASHED_OUT) {
		m->is_alive = m->is_signalled = m->is_watching = false;
	} else if (e == EVENT_HUNG || e == EVENT_HUNG_OUT) {
		m->is_signalled = true; /* without being asked first */
	} else if (e == EVENT_READY) {
		m->is_probing = false;
	} else if (e == EVENT_DRAINED) {
		m->is_watching = false;
	} else if (e == EVENT_DETACHED) {
		m->is_detaching = m->is_attached = false;
	}
}

static struct model after(const struct model *before, enum lifecycle_event e);

static void apply_start_effects(struct model *m, uint32_t effects)
{
	if (has(effects, ENQUEUE)) {
		assert_false(is_under_way(m) || m->is_queued || m->is_starting);
		m->is_queued = true;
	}
	if (has(effects, RESTORE)) {
		assert_false(is_under_way(m));
		m->is_restoring = true;
	}
	if (has(effects, PREPARE)) {
		assert_false(is_under_way(m));
		assert_true(m->is_attached);
		m->is_preparing = true;
	}
	if (has(effects, START)) {
		assert_false(is_under_way(m));
		assert_true(m->is_attached && m->is_starting);
		m->is_alive = m->is_probing = true;
	}
	if (has(effects, SERVE))
		assert_true(m->is_alive && m->is_attached && !m->is_starting);
}

static void apply_stop_effects(struct model *m, uint32_t effects)
{
	if (has(effects, WATCH))
		m->is_watching = true;
	if (has(effects, CANCEL))
		m->is_probing = false;
	if (has(effects, SIGNAL)) {
		assert_true(m->is_alive && !m->is_signalled && !m->is_probing);
		m->is_signalled = true;
	}
	if (has(effects, KILL))
		assert_true(m->is_alive && m->is_signalled);
	if (has(effects, DETACH)) {
		assert_false(is_under_way(m) || m->is_probing);
		m->is_detaching = true;
	}
}

static void apply_effects(struct model *m, uint32_t effects)
{
	if (has(effects, LEAVE)) {
		assert_true(m->is_queued || m->is_starting);
		m->is_queued = m->is_starting = false;
	}
	apply_start_effects(m, effects);
	apply_stop_effects(m, effects);
	if (has(effects, SETTLE) && !is_under_way(m))
		*m = after(m, EVENT_DETACHED);
	else if (has(effects, RECONSIDER) && !is_under_way(m))
		*m = after(m, EVENT_RETRY);
	if (has(effects, REST)) {
		assert_false(is_under_way(m) || m->is_queued || m->is_starting || m->is_attached);
		if (m->life.is_wanted)
			*m = after(m, EVENT_WAKE);
	}
}

static bool was_used[TENANT_NSTATES][LIFECYCLE_NEVENTS];

static struct model after(const struct model *before, enum lifecycle_event e)
{
	struct model m = *before;

	was_used[m.life.state][e] = true;
	if (lifecycle_cell(m.life.state, e)->kind == CELL_NEVER)
		fail_msg("%s x %s came about", tenant_state_name(m.life.state),
			lifecycle_event_name(e));
	apply_event(&m, e);
	apply_effects(&m, lifecycle_step(&m.life, e));
	return m;
}

static void check_model(const struct model *m)
{
	switch (m->life.state) {
	case TENANT_ABSENT:
	case TENANT_STOPPED:
		assert_false(is_under_way(m) || m->life.is_wanted || m->is_attached);
		break;
	case TENANT_RUNNING:
		assert_true(m->is_alive && m->is_attached);
		break;
	case TENANT_DRAINING:
		assert_true(m->is_alive && m->is_watching);
		break;
	case TENANT_STOPPING:
		assert_true(is_under_way(m)); /* something will end, and so will this state */
		break;
	case TENANT_FAILED:
		assert_true(is_under_way(m) || !m->life.is_wanted);
		break;
	case TENANT_QUEUED:
		assert_true(m->is_queued);
		break;
	case TENANT_RESTORING:
	case TENANT_PREPARING:
	case TENANT_STARTING:
		assert_true(is_under_way(m) && m->is_starting);
		break;
	case TENANT_NSTATES:
		fail();
	}
}

static size_t visit_all(struct model *models)
{
	unsigned char *seen = xcalloc(NMODELS, 1);
	size_t n = 1;

	seen[model_number(&models[0])] = 1;
	for (size_t i = 0; i < n; i++) {
		check_model(&models[i]);
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++) {
			struct model next;

			if (!can_happen(&models[i], (enum lifecycle_event)e))
				continue;
			next = after(&models[i], (enum lifecycle_event)e);
			if (seen[model_number(&next)]++ == 0)
				models[n++] = next;
		}
	}
	free(seen);
	return n;
}

static void no_order_of_events_leads_astray(void **state)
{
	struct model *models = xcalloc(NMODELS, sizeof(*models));

	(void)state;
	visit_all(models);
	/* And nothing is in the table that cannot come about. */
	for (int s = 0; s < TENANT_NSTATES; s++)
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++) {
			enum lifecycle_kind kind =
				lifecycle_cell((enum tenant_state)s, (enum lifecycle_event)e)->kind;

			if (was_used[s][e] != (kind != CELL_NEVER))
				fail_msg("%s x %s never comes about",
					tenant_state_name((enum tenant_state)s),
					lifecycle_event_name((enum lifecycle_event)e));
		}
	free(models);
}

/* Told to stop, and with nobody asking for it, it rests once all that is under way has ended. */
static void a_stop_always_comes_to_an_end(void **state)
{
	struct model *models = xcalloc(NMODELS, sizeof(*models));
	size_t n = visit_all(models);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct model m = after(&models[i], EVENT_STOP);

		for (int turn = 0; turn < 10 && is_under_way(&m); turn++) {
			static const enum lifecycle_event ends[] = {
				EVENT_DRAINED, EVENT_BROKEN, EVENT_EXITED, EVENT_DETACHED};

			for (size_t e = 0; e < NITEMS(ends); e++)
				if (can_happen(&m, ends[e]))
					m = after(&m, ends[e]);
		}
		assert_true(m.life.state == TENANT_STOPPED || m.life.state == TENANT_ABSENT);
	}
	free(models);
}

/* --- the docs --- */

static void print_effects(struct buf *out, uint32_t effects, const char *separator)
{
	const char *before = "";

	for (int e = 0; e < LIFECYCLE_NEFFECTS; e++)
		if (effects & (1u << e)) {
			buf_printf(out, "%s%s", before,
				lifecycle_effect_name((enum lifecycle_effect)e));
			before = separator;
		}
}

static void print_diagram(struct buf *out)
{
	buf_add(out, STR("```mermaid\nstateDiagram-v2\n    [*] --> absent\n"));
	for (int s = 0; s < TENANT_NSTATES; s++)
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++) {
			const struct lifecycle_cell *cell =
				lifecycle_cell((enum tenant_state)s, (enum lifecycle_event)e);

			if (cell->kind == CELL_GO && cell->next != (enum tenant_state)s)
				buf_printf(out, "    %s --> %s: %s\n",
					tenant_state_name((enum tenant_state)s),
					tenant_state_name(cell->next),
					lifecycle_event_name((enum lifecycle_event)e));
		}
	buf_add(out, STR("```\n"));
}

static void print_cell(struct buf *out, enum tenant_state s, enum lifecycle_event e)
{
	const struct lifecycle_cell *cell = lifecycle_cell(s, e);

	if (cell->kind == CELL_NEVER)
		return;
	buf_printf(out, "| %s | %s | ", tenant_state_name(s), lifecycle_event_name(e));
	if (cell->kind == CELL_IGNORE) {
		buf_add(out, STR("ignored | |\n"));
		return;
	}
	buf_printf(out, "%s | ", tenant_state_name(cell->next));
	if (cell->is_remembered)
		buf_printf(out, "(the wish is kept)%s", cell->effects ? ", " : "");
	print_effects(out, cell->effects, ", ");
	buf_add(out, STR(" |\n"));
}

static void print_table(struct buf *out)
{
	buf_add(out, STR("\n| state | event | next | effects |\n|---|---|---|---|\n"));
	for (int s = 0; s < TENANT_NSTATES; s++)
		for (int e = 0; e < LIFECYCLE_NEVENTS; e++)
			print_cell(out, (enum tenant_state)s, (enum lifecycle_event)e);
}

static void print_words(struct buf *out)
{
	buf_add(out, STR("\n| event | when |\n|---|---|\n"));
#define EVENT(name, text, doc) buf_add(out, STR("| " text " | " doc " |\n"));
#include "life/events.def"
	buf_add(out, STR("\n| effect | what is done |\n|---|---|\n"));
#define EFFECT(name, text, doc) buf_add(out, STR("| " text " | " doc " |\n"));
#include "life/effects.def"
}

static struct buf printed(void)
{
	struct buf out = {0};

	print_diagram(&out);
	print_table(&out);
	print_words(&out);
	return out;
}

static struct buf read_file(const char *path)
{
	struct buf text = {0};
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		fail_msg("%s cannot be read", path);
	while ((n = fread(buf_room(&text, 4096), 1, 4096, file)) > 0)
		buf_added(&text, n);
	fclose(file);
	return text;
}

static void the_docs_show_the_table(void **state)
{
	struct buf expected = printed(), text = read_file(LIFECYCLE_DOC);

	(void)state;
	if (str_find(buf_str(&text), buf_str(&expected)) < 0)
		fail_msg(
			"docs/lifecycle.md differs from the table: put the output of `test_lifecycle --print` there");
	buf_done(&expected);
	buf_done(&text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_filled),
		cmocka_unit_test(the_usual_life),
		cmocka_unit_test(a_wish_during_a_stop_is_kept),
		cmocka_unit_test(one_that_hangs_is_killed_and_starts_again_when_it_is_wanted),
		cmocka_unit_test(a_stop_overrides_a_wish),
		cmocka_unit_test(no_order_of_events_leads_astray),
		cmocka_unit_test(a_stop_always_comes_to_an_end),
		cmocka_unit_test(the_docs_show_the_table),
	};

	if (argc > 1 && strcmp(argv[1], "--print") == 0) {
		struct buf out = printed();

		fwrite(out.p, 1, out.end, stdout);
		buf_done(&out);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
