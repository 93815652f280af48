/* derive.c - defaults that depend on other settings; settings from far to near (app:, user,
 * tenant). */
/* SPDX-License-Identifier: MIT */
#include "config/config_int.h"

struct app_layer *layer_new(struct loader *ld, const struct app_layer *parent)
{
	struct app_layer *layer = arena_alloc(ld->arena, sizeof(*layer));

	*layer = *parent;
	layer->parent = parent;
	layer->conf = arena_alloc(ld->arena, sizeof(*layer->conf));
	*layer->conf = *parent->conf;
	return layer;
}

static struct value_origin note(enum origin_note n)
{
	return (struct value_origin){ORIGIN_NOTE, n};
}

static str join_path(struct loader *ld, str directory, const char *name)
{
	return str_of(arena_printf(ld->arena, STR_FMT "/%s", STR_ARG(directory), name));
}

static bool is_production(const struct loader *ld)
{
	for (enum framework f = 0; f < NFRAMEWORKS; f++) {
		const char *mode = framework_preset(f)->mode,
			   *value = mode ? environment_get(ld, mode) : NULL;

		if (value && strcmp(value, "production") == 0)
			return true;
	}
	return false;
}

static void derive_framework(struct app_layer *layer)
{
	enum framework *framework = &layer->conf->framework;
	struct value_origin *origin = &layer->origins[APP_framework];

	if (origin_is_said(*origin))
		return;
	*framework = framework_recognise(layer->conf->root);
	*origin = framework_preset(*framework)->recognised_by
			  ? (struct value_origin){ORIGIN_RECOGNISED, *framework}
			  : (struct value_origin){ORIGIN_DEFAULT, 0};
}

static bool take_environment(struct loader *ld, struct app_layer *layer, enum framework f)
{
	const char *mode = framework_preset(f)->mode,
		   *value = mode ? environment_get(ld, mode) : NULL;
	struct place place = {PLACE_ENVIRONMENT, 0, 0};

	if (!value || !*value)
		return false;
	layer->conf->environment = arena_dup(ld->arena, str_of(value));
	layer->origins[APP_environment] = (struct value_origin){ORIGIN_MODE, f};
	if (!layer->parent)
		check_word(ld, &sections[SECTION_APP].rows[APP_environment],
			&layer->conf->environment, place);
	return true;
}

/* Its own framework's variable is asked first. */
static void derive_environment(struct loader *ld, struct app_layer *layer)
{
	bool is_taken;

	if (origin_is_said(layer->origins[APP_environment]))
		return;
	layer->conf->environment = STR("production");
	layer->origins[APP_environment] = (struct value_origin){ORIGIN_DEFAULT, 0};
	is_taken = take_environment(ld, layer, layer->conf->framework);
	for (enum framework f = 0; f < NFRAMEWORKS && !is_taken; f++)
		is_taken = take_environment(ld, layer, f);
}

static struct str_list words_of(struct loader *ld, const char *text)
{
	str rest = text ? str_of(text) : STR_EMPTY, word;
	struct str_list list = {0};

	list.items = arena_alloc(ld->arena, (rest.n / 2 + 1) * sizeof(str));
	while (str_split(&rest, ' ', &word))
		list.items[list.count++] = arena_dup(ld->arena, word);
	return list;
}

/* A default that is not the usual one is shown as the framework's. */
static void set_origin(struct app_layer *layer, enum app_row row, bool is_usual)
{
	layer->origins[row] =
		is_usual ? (struct value_origin){ORIGIN_DEFAULT, 0}
			 : (struct value_origin){ORIGIN_PRESET, layer->conf->framework};
}

static void derive_from_preset(struct loader *ld, struct app_layer *layer)
{
	const struct preset *preset = framework_preset(layer->conf->framework),
			    *usual = framework_preset(FRAMEWORK_ANY);
	struct app_conf *app = layer->conf;
	const struct value_origin *origins = layer->origins;

	if (!origin_is_said(origins[APP_listen])) {
		bool is_auto = app->port == CONFIG_PORT_AUTO;

		app->listen = is_auto ? LISTEN_TCP : preset->listen;
		set_origin(layer, APP_listen, preset->listen == usual->listen);
		if (is_auto)
			layer->origins[APP_listen] = note(NOTE_port_auto);
	}
	if (!origin_is_said(origins[APP_prefix])) {
		app->prefix = preset->prefix;
		set_origin(layer, APP_prefix, preset->prefix == usual->prefix);
	}
	if (!origin_is_said(origins[APP_prepare])) {
		app->prepare = words_of(ld, preset->prepare);
		set_origin(layer, APP_prepare, preset_text_equal(preset->prepare, usual->prepare));
	}
	if (!origin_is_said(origins[APP_private_directories])) {
		app->private_directories = words_of(ld, preset->private_directories);
		set_origin(layer, APP_private_directories,
			preset_text_equal(preset->private_directories, usual->private_directories));
	}
}

/* Thruster for one application: started at once, never stopped, told nothing but PORT. */
static void derive_single(struct app_layer *layer)
{
	struct app_conf *app = layer->conf;

	if (!origin_is_said(layer->origins[APP_start])) {
		app->start = START_AT_BOOT;
		layer->origins[APP_start] = note(NOTE_single);
	}
	if (!origin_is_said(layer->origins[APP_idle_timeout])) {
		app->idle_timeout = 0;
		layer->origins[APP_idle_timeout] = note(NOTE_single);
	}
	if (!origin_is_said(layer->origins[APP_files])) {
		app->files = FILES_NONE;
		layer->origins[APP_files] = note(NOTE_single);
	}
	if (!origin_is_said(layer->origins[APP_strict_databases])) {
		app->strict_databases = false;
		layer->origins[APP_strict_databases] = note(NOTE_single);
	}
}

/* For a single application, too: what exists is meant to be seen. */
static void derive_public(struct loader *ld, struct app_layer *layer)
{
	const char *name = framework_preset(layer->conf->framework)->public;

	if (origin_is_said(layer->origins[APP_public]))
		return;
	layer->conf->public = name ? join_path(ld, layer->conf->root, name) : STR_EMPTY;
	set_origin(layer, APP_public,
		preset_text_equal(name, framework_preset(FRAMEWORK_ANY)->public));
}

/* Likewise. */
static void derive_health_check(struct app_layer *layer)
{
	str path = str_of(framework_preset(layer->conf->framework)->health_check),
	    usual = str_of(framework_preset(FRAMEWORK_ANY)->health_check);

	if (origin_is_said(layer->origins[APP_health_check]))
		return;
	layer->conf->health_check = path;
	set_origin(layer, APP_health_check, str_eq(path, usual));
}

static void derive_log_level(struct loader *ld, struct app_layer *layer)
{
	if (origin_is_said(layer->origins[APP_log_level]))
		return;
	layer->conf->log_level = ld->config->server.log_level;
	layer->origins[APP_log_level] = note(NOTE_log_level);
}

void layer_derive(struct loader *ld, struct app_layer *layer)
{
	if (ld->is_snapshot)
		return;
	derive_log_level(ld, layer);
	derive_framework(layer);
	derive_environment(ld, layer);
	if (ld->config->is_single)
		derive_single(layer);
	else
		derive_from_preset(ld, layer);
	derive_public(ld, layer);
	derive_health_check(layer);
	databases_derive(ld, layer);
	layer->hash = layer_hash(ld->config, layer);
}

static void derive_ports(struct loader *ld)
{
	struct server_conf *server = &ld->config->server;
	struct value_origin *http = &ld->config->private->server_origins[SERVER_http_port];
	struct value_origin *target = &ld->config->private->server_origins[SERVER_target_port];
	struct place place = {PLACE_FILE, 0, 0};

	if (!origin_is_said(*http)) {
		bool has_tenants = !ld->config->is_single,
		     production = has_tenants && is_production(ld);

		server->http_port = !has_tenants ? 80 : production ? 8080 : 3000;
		*http = note(!has_tenants ? NOTE_single
			     : production ? NOTE_production
					  : NOTE_tenants);
	}
	if (target->kind == ORIGIN_FILE)
		place = (struct place){PLACE_FILE, target->at, 1};
	else if (origin_is_said(*target))
		place.kind = PLACE_ENVIRONMENT;
	if (ld->config->is_single && server->http_port && server->http_port == server->target_port)
		fault_at(ld, place,
			"target_port: %lld is http_port too; the application needs another",
			(long long)server->target_port);
	if (!ld->config->is_single && origin_is_said(*target) && server->target_port)
		warn_at(ld, place,
			"target_port: is for a single tenant; here each tenant gets a port of its own");
}

/* One line for everything about TLS that has no effect here. */
static void warn_of_edge(struct loader *ld)
{
	const struct value_origin *origins = ld->config->private->server_origins;
	struct place place = {PLACE_ENVIRONMENT, 0, 0};
	bool is_wanted = ld->config->server.tls_domain.count > 0;
	struct buf names = {0};

	for (size_t i = 0; i < NSERVER_ROWS; i++) {
		const struct row *row = &sections[SECTION_SERVER].rows[i];

		if (!(row->flags & EDGE) || !origin_is_said(origins[i]))
			continue;
		if (origins[i].kind == ORIGIN_FILE && !place.line)
			place = (struct place){PLACE_FILE, origins[i].at, 1};
		buf_printf(&names, "%s%s", buf_len(&names) ? ", " : "",
			origins[i].kind == ORIGIN_FILE ? row->name.p : row->env);
	}
	if (is_wanted || place.line)
		warn_at(ld, place, STR_FMT ": without effect, TLS belongs to the platform's edge",
			STR_ARG(buf_str(&names)));
	buf_done(&names);
}

void server_derive(struct loader *ld)
{
	struct server_conf *server = &ld->config->server;
	struct value_origin *origins = ld->config->private->server_origins;

	if (ld->is_snapshot)
		return;
	derive_ports(ld);
	run_dir_derive(ld);
	if (!origin_is_said(origins[SERVER_forward_headers]) && server->tls_domain.count) {
		server->forward_headers = false;
		origins[SERVER_forward_headers] = note(NOTE_tls_domain);
	}
	if (!origin_is_said(origins[SERVER_handover]) &&
		environment_get(ld, "KAMAL_CONTAINER_NAME")) {
		server->handover = true;
		origins[SERVER_handover] = note(NOTE_kamal);
	}
	if (server->debug && server->log_level != LOG_DEBUG) {
		server->log_level = LOG_DEBUG;
		origins[SERVER_log_level] = note(NOTE_debug);
	}
	warn_of_edge(ld);
}

/* A health check that proves less than its operator believes. */
static void check_health_store(struct loader *ld)
{
	const struct server_conf *server = &ld->config->server;
	struct value_origin origin = ld->config->private->server_origins[SERVER_health_store];

	if (server->health_store &&
		(ld->config->is_single || !ld->config->backup.url.n || !server->health_path.n))
		warn_at(ld, (struct place){PLACE_FILE, origin.at, 1},
			"health_store: without effect, there is no %s",
			ld->config->is_single	 ? "health_path with a single application"
			: !server->health_path.n ? "health_path"
						 : "backup");
}

static void derive_backup_url(struct loader *ld)
{
	const struct row *row = &sections[SECTION_BACKUP].rows[BACKUP_url];
	struct value_origin *origin = &ld->config->private->backup_origins[BACKUP_url];
	const char *bucket = environment_get(ld, "BUCKET_NAME");
	str *url = &ld->config->backup.url;

	if (origin_is_said(*origin) || !bucket || !*bucket || ld->source->is_thrust)
		return;
	*url = str_of(arena_printf(ld->arena, "s3://%s/atc", bucket));
	*origin = note(NOTE_bucket_name);
	row->check(ld, row, url, (struct place){PLACE_ENVIRONMENT, 0, 0});
}

void backup_derive(struct loader *ld)
{
	if (ld->is_snapshot)
		return;
	derive_backup_url(ld);
	check_health_store(ld);
}
