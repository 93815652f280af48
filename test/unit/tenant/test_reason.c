/* test_reason.c - of what programs write when they fail, the lines are found that say why. */
/* SPDX-License-Identifier: MIT */
#include "tenant/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES_MAX 100

static void expect(const char *text, const char *wanted)
{
	str lines[LINES_MAX], rest = str_of(text), line;
	size_t found[REASON_LINES], n = 0, count;
	char got[4096] = "";

	while (str_split(&rest, '\n', &line)) {
		assert_true(n < LINES_MAX);
		lines[n++] = line;
	}
	count = reason_find(lines, n, found);
	assert_true(count <= REASON_LINES);
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(got);

		assert_true(found[i] < n && (!i || found[i - 1] < found[i]));
		snprintf(got + used, sizeof(got) - used, STR_FMT "\n", STR_ARG(lines[found[i]]));
	}
	assert_string_equal(got, wanted);
}

static void a_task_of_rails_ends_with_the_first_cause(void **state)
{
	(void)state;
	expect("bin/rails aborted!\n"
	       "StandardError: An error has occurred, this and all later migrations canceled:\n"
	       "\n"
	       "SQLite3::BusyException: database is locked\n"
	       "/app/db/migrate/001_setup.rb:3:in `change'\n"
	       "\n"
	       "Caused by:\n"
	       "ActiveRecord::StatementInvalid: SQLite3::BusyException: database is locked\n"
	       "/app/db/migrate/001_setup.rb:3:in `change'\n"
	       "\n"
	       "Caused by:\n"
	       "SQLite3::BusyException: database is locked\n"
	       "/app/db/migrate/001_setup.rb:3:in `change'\n"
	       "Tasks: TOP => db:migrate\n"
	       "(See full trace by running task with --trace)\n",
		"SQLite3::BusyException: database is locked\n");
	expect("/gems/sqlite3/statement.rb:108:in `step': database is locked "
	       "(SQLite3::BusyException)\n"
	       "\tfrom /gems/sqlite3/statement.rb:108:in `block in each'\n"
	       "\tfrom /app/bin/rails:4:in `<main>'\n",
		"/gems/sqlite3/statement.rb:108:in `step': database is locked "
		"(SQLite3::BusyException)\n");
}

static void a_module_of_node_that_is_missing_is_named(void **state)
{
	(void)state;
	expect("node:internal/modules/cjs/loader:1210\n"
	       "  throw err;\n"
	       "  ^\n"
	       "\n"
	       "Error: Cannot find module 'express'\n"
	       "Require stack:\n"
	       "- /app/server.js\n"
	       "    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)\n"
	       "    at Module._load (node:internal/modules/cjs/loader:1038:27) {\n"
	       "  code: 'MODULE_NOT_FOUND',\n"
	       "  requireStack: [ '/app/server.js' ]\n"
	       "}\n"
	       "\n"
	       "Node.js v20.20.2\n",
		"Error: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n"
		"  code: 'MODULE_NOT_FOUND',\n");
	expect("Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'hono' imported from /app/a.mjs\n"
	       "    at packageResolve (node:internal/modules/esm/resolve:854:9) {\n"
	       "  code: 'ERR_MODULE_NOT_FOUND'\n"
	       "}\n",
		"Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'hono' imported from /app/a.mjs\n"
		"  code: 'ERR_MODULE_NOT_FOUND'\n");
}

static void code_that_throws_is_no_error(void **state)
{
	(void)state;
	expect("/app/node_modules/sequelize/lib/sequelize.js:58\n"
	       "          throw new Error(\"The dialect file is not supported.\");\n"
	       "          ^\n"
	       "\n"
	       "Error: The dialect file is not supported. Supported dialects: mysql and sqlite.\n"
	       "    at Sequelize.getDialect (/app/node_modules/sequelize/lib/sequelize.js:58:19)\n"
	       "    at new Sequelize (/app/node_modules/sequelize/lib/sequelize.js:200:20)\n"
	       "    at Object.<anonymous> (/app/db.js:3:13)\n"
	       "\n"
	       "Node.js v20.20.2\n",
		"Error: The dialect file is not supported. Supported dialects: mysql and sqlite.\n");
}

static void a_traceback_of_python_ends_with_its_exception(void **state)
{
	(void)state;
	expect("Traceback (most recent call last):\n"
	       "  File \"/app/manage.py\", line 22, in <module>\n"
	       "    main()\n"
	       "  File \"/app/shop/settings.py\", line 7, in <module>\n"
	       "    import nowhere\n"
	       "ModuleNotFoundError: No module named 'nowhere'\n",
		"  File \"/app/shop/settings.py\", line 7, in <module>\n"
		"    import nowhere\n"
		"ModuleNotFoundError: No module named 'nowhere'\n");
	expect("  File \"/app/a.py\", line 3, in f\n"
	       "    db.execute(sql)\n"
	       "sqlite3.OperationalError: database is locked\n"
	       "[2025-01-01 10:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)\n",
		"  File \"/app/a.py\", line 3, in f\n"
		"    db.execute(sql)\n"
		"sqlite3.OperationalError: database is locked\n"
		"[2025-01-01 10:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)\n");
	expect("  File \"/app/shop/wsgi.py\", line 4, in <module>\n"
	       "    application = get_wsgi_application()\n"
	       "                  ^^^^^^^^^^^^^^^^^^^^^^\n"
	       "  File \"<frozen importlib._bootstrap>\", line 1204, in _gcd_import\n"
	       "  File \"<frozen importlib._bootstrap>\", line 1176, in _find_and_load\n"
	       "ModuleNotFoundError: No module named 'nowhere'\n",
		"  File \"/app/shop/wsgi.py\", line 4, in <module>\n"
		"    application = get_wsgi_application()\n"
		"ModuleNotFoundError: No module named 'nowhere'\n");
	expect("  File \"/app/a.py\", line 3\n"
	       "    x = {;\n"
	       "         ^\n"
	       "SyntaxError: invalid syntax\n",
		"  File \"/app/a.py\", line 3\n"
		"    x = {;\n"
		"SyntaxError: invalid syntax\n");
	expect("  File \"<frozen importlib._bootstrap>\", line 1176, in _find_and_load\n"
	       "ModuleNotFoundError: No module named 'nowhere'\n",
		"ModuleNotFoundError: No module named 'nowhere'\n");
}

static void a_line_of_a_log_says_how_bad_it_is(void **state)
{
	(void)state;
	expect("[2026-01-01 10:00:00 +0000] [7] [INFO] Starting gunicorn\n"
	       "[2026-01-01 10:00:01 +0000] [7] [ERROR] Invalid address: ('192.0.2.1', 80)\n"
	       "[2026-01-01 10:00:02 +0000] [7] [ERROR] Can't connect to ('192.0.2.1', 80)\n",
		"[2026-01-01 10:00:02 +0000] [7] [ERROR] Can't connect to ('192.0.2.1', 80)\n");
	expect("[2026-01-01 10:00:00 +0000] [7] [INFO] Logging level set to: 'INFO'\n"
	       "[2026-01-01 10:00:00 +0000] [7] [CRITICAL] Invalid configuration: no such file\n",
		"[2026-01-01 10:00:00 +0000] [7] [CRITICAL] Invalid configuration: no such file\n");
	expect("INFO:root:up\nCRITICAL:root:no such file\n", "CRITICAL:root:no such file\n");
}

static void an_error_of_prisma_is_told_to_its_end(void **state)
{
	(void)state;
	expect("PrismaClientInitializationError: \n"
	       "Invalid `prisma.user.findMany()` invocation:\n"
	       "\n"
	       "\n"
	       "error: Error validating datasource `db`: the URL must start with `file:`.\n"
	       "  -->  schema.prisma:7\n"
	       "    at Rn.handleRequestError (/app/node_modules/@prisma/client/library.js:121:7) {\n"
	       "  clientVersion: '5.10.2',\n"
	       "  errorCode: 'P1012'\n"
	       "}\n",
		"PrismaClientInitializationError: \n"
		"Invalid `prisma.user.findMany()` invocation:\n"
		"error: Error validating datasource `db`: the URL must start with `file:`.\n"
		"  -->  schema.prisma:7\n"
		"  errorCode: 'P1012'\n");
	expect("Error: Prisma schema validation - (get-config wasm)\n"
	       "Error code: P1012\n"
	       "error: Error validating datasource `db`: the URL must start with `file:`.\n"
	       "  -->  schema.prisma:7\n"
	       "   | \n"
	       " 6 |   provider = \"sqlite\"\n"
	       "\n"
	       "Validation Error Count: 1\n",
		"Error: Prisma schema validation - (get-config wasm)\n"
		"Error code: P1012\n"
		"error: Error validating datasource `db`: the URL must start with `file:`.\n"
		"  -->  schema.prisma:7\n");
}

static void other_languages_have_heads_of_their_own(void **state)
{
	(void)state;
	expect("Exception in thread \"main\" java.lang.IllegalStateException: no\n"
	       "\tat shop.Main.main(Main.java:5)\n"
	       "Caused by: java.sql.SQLException: no suitable driver\n"
	       "\tat java.sql.DriverManager.getDriver(DriverManager.java:300)\n",
		"Caused by: java.sql.SQLException: no suitable driver\n");
	expect("panic: open config.json: no such file or directory\n"
	       "\n"
	       "goroutine 1 [running]:\n"
	       "main.main()\n",
		"panic: open config.json: no such file or directory\n");
	expect("thread 'main' panicked at src/main.rs:2:5:\n"
	       "no port\n"
	       "\n"
	       "note: run with `RUST_BACKTRACE=1`\n",
		"thread 'main' panicked at src/main.rs:2:5:\nno port\n");
	expect("starting\n"
	       "psql: FATAL: role \"shop\" does not exist\n"
	       "bye\n",
		"psql: FATAL: role \"shop\" does not exist\nbye\n");
}

static void what_looks_like_no_error_is_none(void **state)
{
	(void)state;
	expect("", "");
	expect("(\n)\n:\n::\n()\n (::)\nError\n[cause]: \nUncaught \n", "");
	expect("   (0.1ms)  CREATE TABLE \"wishes\"\n"
	       "== 20250101 CreateWishes: migrated (0.0021s) ====\n"
	       "Puma starting in single mode... (ruby 3.1.2-p20)\n"
	       "* Listening on http://127.0.0.1:3000\n",
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_of_rails_ends_with_the_first_cause),
		cmocka_unit_test(a_module_of_node_that_is_missing_is_named),
		cmocka_unit_test(code_that_throws_is_no_error),
		cmocka_unit_test(a_traceback_of_python_ends_with_its_exception),
		cmocka_unit_test(a_line_of_a_log_says_how_bad_it_is),
		cmocka_unit_test(an_error_of_prisma_is_told_to_its_end),
		cmocka_unit_test(other_languages_have_heads_of_their_own),
		cmocka_unit_test(what_looks_like_no_error_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
