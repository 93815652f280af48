"""The answers that the application has ready: a page as Rails makes it, for the cache, for compression, and files by name."""
# SPDX-License-Identifier: MIT

import random

KEPT = "Cache-Control: public, max-age=3600"
OWN = "Cache-Control: max-age=0, private, must-revalidate"
WORDS = """waltz tango foxtrot quickstep rumba samba jive heat final entry studio couple judge floor ballroom latin
rhythm smooth newcomer bronze silver gold open closed solo formation schedule morning afternoon evening round callback
bellevue boston harrisburg raleigh livonia monza vienna orlando winter summer april showcase""".split()
NAMES = """Anna Boris Clara David Elena Felix Greta Hugo Irina Jonas Katja Lukas Maria Nikolai Olga Pavel Rosa Stefan
Tanja Viktor Wanda Xenia Yuri Zoe""".split()


def page(size, seed=2025):
    """An index page of `size` bytes with what such pages have: links with fingerprints, tokens, forms, a table of records."""
    rng = random.Random(seed)

    def hexadecimal(n):
        return "".join(rng.choice("0123456789abcdef") for _ in range(n))

    def token(n):
        return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") for _ in range(n))

    lines = ["<!DOCTYPE html>", "<html>", "  <head>", "    <title>Events</title>",
             '    <meta name="viewport" content="width=device-width,initial-scale=1">',
             '    <meta name="csrf-param" content="authenticity_token" />',
             f'    <meta name="csrf-token" content="{token(86)}" />',
             f'    <link rel="stylesheet" href="/assets/application-{hexadecimal(64)}.css" data-turbo-track="reload" />',
             f'    <script type="module" src="/assets/application-{hexadecimal(64)}.js"></script>',
             "  </head>", "  <body>", "    <h1>Events</h1>", '    <table id="events">']
    number = 1000
    while sum(map(len, lines)) + len(lines) < size:
        number += rng.randrange(1, 9)
        title = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(2, 5))).capitalize()
        people = " &amp; ".join(rng.choice(NAMES) for _ in range(2))
        lines += [f'      <tr id="event_{number}" class="event" data-signed-id="{token(40)}">',
                  f'        <td><a href="/events/{number}">{title}</a></td>',
                  f'        <td>{people}</td>',
                  f'        <td><time datetime="2025-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}">'
                  f'{rng.randrange(1, 13)}:{rng.randrange(60):02}</time></td>',
                  f'        <td><form class="button_to" method="post" action="/events/{number}"><input type="hidden" '
                  'name="_method" value="delete" /><button>Delete</button></form></td>',
                  "      </tr>"]
    tail = "\n    </table>\n  </body>\n</html>\n"
    return ("\n".join(lines)[:size - len(tail)] + tail).encode()


def answer(body, *fields):
    head = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", *fields, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def file_answer(*fields):
    head = ["HTTP/1.1 200 OK", "Content-Type: application/octet-stream", *fields, "Content-Length: 0"]
    return ("\r\n".join(head) + "\r\n\r\n").encode()
