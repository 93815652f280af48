/* waiting.c - the page, its script and its events. */
/* SPDX-License-Identifier: MIT */
#include "proxy/waiting.h"

#include "base/json.h"
#include "http/field.h"
#include "proxy/errors.h"
#include "proxy/lines.h"
#include "proxy/pages.h"
#include "proxy/page.h"

/* The way from asleep to awake, in order. */
static const struct waiting_step {
	enum tenant_state state;
	str label;
} steps[] = {
	{TENANT_RESTORING, STR_INIT("Restore the databases")},
	{TENANT_PREPARING, STR_INIT("Prepare the databases")},
	{TENANT_STARTING, STR_INIT("Start the application")},
};

bool waiting_is_events(str prefix, str path)
{
	return path.n == prefix.n + STR(WAITING_EVENTS_PATH).n &&
	       str_ends(path, STR(WAITING_EVENTS_PATH)) && str_starts(path, prefix);
}

bool waiting_wants_page(const struct request_head *head)
{
	str accept, mode;

	if (head->method != METHOD_GET || head->has_upgrade || head->body != BODY_NONE)
		return false;
	accept = header_value(head->headers, head->nheaders, HEADER_ACCEPT);
	mode = header_value(head->headers, head->nheaders, HEADER_SEC_FETCH_MODE);
	/* What a script fetches is not looked at, even if it accepts HTML. */
	if (mode.n && !str_eq(mode, STR("navigate")))
		return false;
	return accept_names(accept, STR("text/html"));
}

/* Where `state` is on the way: the steps before that number are done. */
static size_t step_of(enum tenant_state state)
{
	switch (state) {
	case TENANT_RESTORING:
		return 0;
	case TENANT_PREPARING:
		return 1;
	case TENANT_STARTING:
		return 2;
	case TENANT_RUNNING:
		return NITEMS(steps);
	case TENANT_ABSENT:
	case TENANT_QUEUED:
	case TENANT_DRAINING:
	case TENANT_STOPPING:
	case TENANT_STOPPED:
	case TENANT_FAILED:
	case TENANT_NSTATES:
		return 0;
	}
	return 0;
}

static bool is_on_the_way(enum tenant_state state)
{
	return state == TENANT_RESTORING || state == TENANT_PREPARING || state == TENANT_STARTING;
}

static str phase_of(enum tenant_state state)
{
	return state < TENANT_NSTATES ? str_of(tenant_state_phase(state)) : STR_EMPTY;
}

static const char style[] = PAGE_STYLE
	".top{display:flex;align-items:center;gap:.75rem;margin-bottom:1.25rem;line-height:1}\n"
	".pulse{width:.75rem;height:.75rem;border-radius:50%;background:var(--accent);"
	"animation:breathe 2.4s ease-in-out infinite}\n"
	"@keyframes breathe{50%{opacity:.35;transform:scale(.8)}}\n"
	"ol{list-style:none;margin:1.75rem 0;padding:0}\n"
	"li{position:relative;padding:.375rem 0 .375rem 2.125rem;color:var(--soft)}\n"
	"li::before{content:\"\";position:absolute;left:.1875rem;top:.6875rem;width:.875rem;height:.875rem;"
	"border:2px solid var(--line);border-radius:50%}\n"
	"li.now{color:var(--ink);font-weight:600}\n"
	"li.now::before{border-color:var(--accent);border-right-color:transparent;"
	"animation:turn 1s linear infinite}\n"
	"li.done::before{content:\"\\2713\";border:0;color:var(--accent);font-weight:700;line-height:.875rem;"
	"text-align:center}\n"
	"@keyframes turn{to{transform:rotate(1turn)}}\n"
	"@media(prefers-reduced-motion:reduce){.pulse,li.now::before{animation:none}"
	"li.now::before{border-color:var(--accent)}}\n"
	"[hidden]{display:none}\n"
	".reason{border-left:3px solid var(--bad);padding:.125rem 0 .125rem .875rem;margin:1.25rem 0;"
	"white-space:pre-wrap}\n"
	"button{font:inherit;font-weight:600;padding:.5rem 1.125rem;border:1px solid currentColor;"
	"border-radius:.5rem;background:none;cursor:pointer}\n"
	".failed .pulse{background:var(--bad);animation:none}\n"
	".failed ol,.failed .hint{display:none}\n";

/* Follows the events; when the tenant is ready, or the stream is lost for good, asks for the page
 * again. */
static const char script[] =
	"(()=>{\n"
	"const main=document.querySelector('main'),$=s=>main.querySelector(s);\n"
	"const items=[...main.querySelectorAll('li')],began=Date.now()-main.dataset.waited;\n"
	"const clock=$('time'),again=()=>location.reload();\n"
	"let over=false;\n"
	"const tick=()=>{const s=Math.round((Date.now()-began)/1000);"
	"clock.textContent=s<60?s+' s':Math.floor(s/60)+' min '+s%60+' s'};\n"
	"const timer=setInterval(tick,1000);\n"
	"const show=p=>{\n"
	"const at=items.findIndex(i=>i.dataset.state===p.state);\n"
	"if(at>=0)items.forEach((i,n)=>{i.className=n<at?'done':n===at?'now':'';"
	"n===at?i.setAttribute('aria-current','step'):i.removeAttribute('aria-current')});\n"
	"$('[role=status]').textContent=p.text.charAt(0).toUpperCase()+p.text.slice(1)+'.';\n"
	"};\n"
	"const fail=p=>{\n"
	"clearInterval(timer);main.classList.add('failed');\n"
	"$('h1').textContent='It could not be started';\n"
	"$('[role=status]').textContent='It will be tried again.';\n"
	"const r=$('.reason');r.textContent=p.reason;r.hidden=!p.reason;\n"
	"const b=$('button');b.hidden=false;b.onclick=again;\n"
	"};\n"
	"const source=new EventSource(main.dataset.events);\n"
	"source.addEventListener('phase',e=>{\n"
	"const p=JSON.parse(e.data);\n"
	"if(p.state==='running'||p.state==='failed'){over=true;source.close()}\n"
	"if(p.state==='running'){items.forEach(i=>i.className='done');again()}\n"
	"else if(p.state==='failed')fail(p);else show(p);\n"
	"});\n"
	"source.onerror=()=>{if(!over&&source.readyState===2){over=true;setTimeout(again,2000)}};\n"
	"})()\n";

static void add_steps(struct buf *out, enum tenant_state state)
{
	size_t now = step_of(state);

	buf_add(out, STR("<ol>\n"));
	for (size_t i = 0; i < NITEMS(steps); i++) {
		buf_add(out, STR("<li data-state=\""));
		buf_add(out, str_of(tenant_state_name(steps[i].state)));
		buf_add_char(out, '"');
		if (i < now)
			buf_add(out, STR(" class=\"done\""));
		else if (i == now && is_on_the_way(state))
			buf_add(out, STR(" class=\"now\" aria-current=\"step\""));
		buf_add_char(out, '>');
		buf_add(out, steps[i].label);
		buf_add(out, STR("</li>\n"));
	}
	buf_add(out, STR("</ol>\n"));
}

/* "Starting the application." */
static void add_sentence(struct buf *out, str text)
{
	char first = text.n ? text.p[0] : '.';

	buf_add_char(out, first >= 'a' && first <= 'z' ? (char)(first - 0x20) : first);
	buf_add_html(out, str_slice(text, 1, text.n));
	buf_add_char(out, '.');
}

static void add_page_head(struct buf *out, const struct waiting_in *in)
{
	buf_add(out,
		STR(PAGE_START
			"<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n<title>"));
	buf_add_html(out, in->name);
	buf_add(out, STR(" is waking up</title>\n<style>\n"));
	buf_add(out, (str){style, sizeof(style) - 1});
	buf_add(out, STR("</style>\n</head>\n"));
}

static void add_page(struct buf *out, const struct waiting_in *in)
{
	add_page_head(out, in);
	buf_add(out, STR("<body>\n<main data-events=\""));
	buf_add_html(out, in->prefix);
	buf_add(out, STR(WAITING_EVENTS_PATH "\" data-waited=\""));
	buf_add_number(out, in->waited);
	buf_add(out, STR("\">\n<div class=\"top soft small\" aria-hidden=\"true\">"
			 "<div class=\"pulse\"></div><time>"));
	buf_add_number(out, in->waited / 1000);
	buf_add(out, STR(" s</time></div>\n<h1>"));
	buf_add_html(out, in->name);
	buf_add(out, STR(" is waking up</h1>\n<p role=\"status\">"));
	add_sentence(out, phase_of(in->state));
	buf_add(out, STR("</p>\n"));
	add_steps(out, in->state);
	buf_add(out,
		in->reason.n ? STR("<p class=\"reason\">") : STR("<p class=\"reason\" hidden>"));
	buf_add_html(out, in->reason);
	buf_add(out,
		STR("</p>\n<button type=\"button\" hidden>Try again</button>\n"
		    "<p class=\"hint soft small\">It sleeps while nobody uses it and is being started for "
		    "you. This page goes on by itself.</p>\n</main>\n<script>\n"));
	buf_add(out, (str){script, sizeof(script) - 1});
	buf_add(out, STR("</script>\n</body>\n</html>\n"));
}

void waiting_page(struct buf *out, const struct waiting_in *in)
{
	struct own_answer a = {
		.status = 503,
		.minor = in->minor,
		.keep_alive = in->keep_alive,
		.is_head = in->is_head,
		.date = in->date,
	};
	size_t body;

	own_answer_begin(out, &a);
	buf_add(out,
		STR("Retry-After: 2\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
		    "script-src 'unsafe-inline'; connect-src 'self'\r\n"));
	add_line(out, STR("Fly-Atc-Error: "), error_token(ERROR_STARTING));
	if (in->request_id.n)
		add_line(out, STR("X-Request-ID: "), in->request_id);
	buf_add(out, OWN_TYPE_HTML);
	own_answer_body(out, &body);
	add_page(out, in);
	own_answer_end(out, &a, body);
}

void waiting_events_head(struct buf *out, str date)
{
	own_answer_begin(out, &(struct own_answer){.status = 200, .minor = 1, .date = date});
	buf_add(out,
		STR("Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\r\nretry: 1000\n\n"));
}

void waiting_event(struct buf *out, enum tenant_state state, msec since, str reason)
{
	struct json j = {.out = out};

	buf_add(out, STR("event: phase\ndata: "));
	json_open_object(&j, NULL);
	json_str(&j, "state", str_of(tenant_state_name(state)));
	json_str(&j, "text", phase_of(state));
	json_number(&j, "since", since);
	json_str(&j, "reason", reason);
	json_close_object(&j);
	buf_add(out, STR("\n\n"));
}
