/* page.h - how our own pages look: one calm card, by day and by night, on a telephone and on a
 * desk. */
/* SPDX-License-Identifier: MIT */
#pragma once

/* Nothing is loaded from anywhere, so a page is complete even when everything behind the proxy is
 * down. */
#define PAGE_START                                                                                 \
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                  \
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"               \
	"<meta name=\"robots\" content=\"noindex\">\n"                                             \
	"<meta name=\"color-scheme\" content=\"light dark\">\n"

#define PAGE_STYLE                                                                                    \
	":root{--paper:#f6f5f2;--card:#fff;--ink:#23211d;--soft:#6b675f;--line:#e4e1da;"              \
	"--accent:#4f5bd5;--bad:#b3402e}\n"                                                           \
	"@media(prefers-color-scheme:dark){:root{--paper:#17171a;--card:#202024;--ink:#eceae6;"       \
	"--soft:#a3a09a;--line:#34343a;--accent:#98a2ff;--bad:#ff9b88}}\n"                            \
	"*,::before{box-sizing:border-box}\n"                                                         \
	"body{margin:0;min-height:100vh;min-height:100svh;display:grid;place-items:center;"           \
	"padding:1.25rem;background:var(--paper);color:var(--ink);"                                   \
	"font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",sans-serif}\n" \
	"main{width:100%;max-width:34rem;background:var(--card);border:1px solid var(--line);"        \
	"border-radius:1rem;padding:clamp(1.5rem,5vw,2.75rem);"                                       \
	"box-shadow:0 1px 2px rgb(0 0 0/.04),0 12px 32px rgb(0 0 0/.06)}\n"                           \
	"h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25;letter-spacing:-.01em;"                \
	"text-wrap:balance;overflow-wrap:anywhere}\n"                                                 \
	"p{margin:.5rem 0;overflow-wrap:anywhere}\n"                                                  \
	".soft{color:var(--soft)}\n"                                                                  \
	".small{font-size:.8125rem}\n"                                                                \
	"code,pre{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"          \
	"a,button{color:var(--accent)}\n"                                                             \
	":focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:.25rem}\n"
