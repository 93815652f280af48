/* fuzz_config.c - any bytes as a configuration: faults with a place, or something that survives
 * dump and snapshot. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#include "base/buf.h"
#include "config/config.h"

/* libfyaml 0.7.12 does not give back what it needs for a text with a run of more than seven escapes
 * or doubled quotes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

/* A file in memory with this text; its path is written to `path`. */
static int memory_file(str text, char path[32])
{
	int fd = memfd_create("atc.yml", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(write(fd, text.p, text.n) == (ssize_t)text.n);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static struct config *load(str text, bool is_json, struct config_faults *faults)
{
	static char variable[] = "HOME=/root", *const environ[] = {variable, NULL};
	char path[32], json[64], folder[] = "/tmp/fuzz-config-XXXXXX";
	int fd = memory_file(text, path);
	struct config *c;

	/* The name decides: a link that ends in .json leads to the same memory. */
	if (is_json) {
		assert(mkdtemp(folder));
		snprintf(json, sizeof(json), "%s/atc.json", folder);
		assert(symlink(path, json) == 0);
	}
	c = config_load(
		&(struct config_source){
			.file = is_json ? json : path, .environ = environ, .is_only_read = true},
		faults);
	if (is_json) {
		unlink(json);
		rmdir(folder);
	}
	close(fd);
	return c;
}

static void check_faults(const struct config *c, const struct config_faults *faults)
{
	size_t errors = 0;

	for (size_t i = 0; i < faults->count; i++) {
		const struct config_fault *f = &faults->items[i];

		assert(f->text.n && f->where.n);
		assert(!f->line == !f->column);
		errors += !f->is_warning;
	}
	assert(errors == faults->errors);
	assert((c == NULL) == (errors > 0));
}

static void check_tenants(const struct config *c)
{
	for (size_t i = 0; i < c->ntenants; i++) {
		const struct tenant_conf *t = &c->tenants[i];

		assert(t->id.n && t->dir.n && t->dir.p[0] == '/' && t->dir.p[t->dir.n] == 0);
		assert(!t->prefix.n || t->prefix.p[0] == '/');
		assert(config_find_tenant(c, t->id) == t);
		for (size_t k = 0; k < t->app->env.count; k++)
			free(config_expand_tenant(t->app->env.items[k].value, t, 1, NULL));
		for (size_t k = 0; k < t->app->ndatabases; k++)
			free(config_database_url(t, &t->app->databases[k]));
	}
}

/* What the proxy gets is complete: written again it is the same text. */
static void check_snapshot(struct config *c)
{
	struct buf first = {0}, second = {0};
	struct config *again;

	assert(config_assign_slots(c, NULL, NULL, 0, 131072) == 0);
	config_snapshot_write(c, &first);
	again = config_snapshot_read(buf_str(&first));
	assert(again && again->ntenants == c->ntenants);
	config_snapshot_write(again, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	config_unref(again);
	buf_done(&first);
	buf_done(&second);
}

/* A dump is a configuration that means the same, but for hidden secrets. */
static void check_dump(const struct config *c)
{
	struct config_faults faults;
	struct config *again;
	struct buf dump = {0};

	config_dump(c, &dump);
	again = load(buf_str(&dump), false, &faults);
	if (!again)
		config_faults_print(&faults, STDERR_FILENO);
	assert(again && again->ntenants == c->ntenants);
	assert(again->version == c->version || str_find(buf_str(&dump), STR("[hidden]")) >= 0);
	config_unref(again);
	config_faults_done(&faults);
	buf_done(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str text = fuzz_str(data, size);
	bool is_json = size && data[0] == '{';
	struct config_faults faults;
	struct config *c = load(text, is_json, &faults);

	check_faults(c, &faults);
	if (c) {
		check_tenants(c);
		check_snapshot(c);
		check_dump(c);
	}
	config_unref(c);
	config_faults_done(&faults);
	return 0;
}
