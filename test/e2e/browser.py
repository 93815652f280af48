"""browser.py - as much of a browser as the tests of real applications need: cookies by path, forms, redirects, links.
SPDX-License-Identifier: MIT
"""
import html
import re
import uuid
from urllib.parse import urlencode, urljoin, urlsplit

from codings import decode

PAGE = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Site", "same-origin")]


class Browser:
    """With codings it asks for them, and decodes what comes; `coding` is that of the last answer."""

    def __init__(self, atc, host="localhost", scheme="http", codings=None):
        self.atc, self.host, self.scheme = atc, host, scheme
        self.codings, self.coding = codings, None
        self.cookies = {}       # (path, name): value
        self.url, self.page = None, None

    # -- cookies --

    def cookie_header(self, path):
        found = ["%s=%s" % (name, value) for (scope, name), value in self.cookies.items()
                 if path == scope or path.startswith(scope.rstrip("/") + "/")]
        return [("Cookie", "; ".join(found))] if found else []

    def keep_cookies(self, path, response):
        for line in response.all("Set-Cookie"):
            pair, *attributes = [part.strip() for part in line.split(";")]
            name, _, value = pair.partition("=")
            scope = next((a.partition("=")[2] for a in attributes if a.lower().startswith("path=")), path.rpartition("/")[0] or "/")
            gone = any(a.lower() == "max-age=0" for a in attributes)
            if gone:
                self.cookies.pop((scope, name), None)
            else:
                self.cookies[scope, name] = value

    # -- requests --

    def ask(self, method, url, headers=(), body=None, timeout=60):
        path = urlsplit(url).path
        target = path + ("?" + urlsplit(url).query if urlsplit(url).query else "")
        extra = [("X-Forwarded-Proto", "https")] if self.scheme == "https" else []
        if self.codings:
            extra.append(("Accept-Encoding", self.codings))
        response = self.atc.ask(method, target, [*extra, *self.cookie_header(path), *headers], body, self.host, timeout)
        self.coding = response.header("Content-Encoding")
        if response.body:
            response.body = decode(self.coding, response.body)
        self.keep_cookies(path, response)
        return response

    def origin(self):
        return "%s://%s" % (self.scheme, self.host)

    def visit(self, url, method="GET", headers=(), body=None):
        """Go there, following redirects, as a click does; the answer's page."""
        referer = [("Referer", self.url)] if self.url else []
        for _ in range(10):
            url = urljoin(self.url or self.origin(), url)
            assert url.startswith(self.origin()), "led away to " + url
            response = self.ask(method, url, [*PAGE, *referer, *headers], body)
            if response.status not in (301, 302, 303, 307, 308):
                break
            url = urljoin(url, response.header("Location"))
            if response.status in (301, 302, 303):
                method, headers, body = "GET", (), None
        self.url, self.page = url, response
        return response

    def fetch(self, url, accept="*/*"):
        """What a page loads: an image, a script."""
        return self.ask("GET", urljoin(self.url, url), [("Accept", accept), ("Referer", self.url), ("Sec-Fetch-Mode", "no-cors")])

    # -- pages --

    def text(self, element_id):
        match = re.search(r'id="%s"[^>]*>([^<]*)<' % element_id, self.page.text)
        return html.unescape(match[1]).strip() if match else None

    def meta(self, name):
        match = re.search(r'<meta name="%s" content="([^"]*)"' % name, self.page.text)
        return html.unescape(match[1]) if match else None

    def addresses(self):
        """href, src and action of the page."""
        return [html.unescape(value) for value in re.findall(r'(?:href|src|action)="([^"]*)"', self.page.text)]

    def links(self):
        """What can be got: href and src."""
        return [html.unescape(value) for value in re.findall(r'(?:href|src)="([^"]*)"', self.page.text)]

    def form(self, part_of_action):
        """(action, hidden fields) of the first form whose action contains the text."""
        for found in re.finditer(r"<form(.*?)>(.*?)</form>", self.page.text, re.S):
            action = html.unescape(re.search(r'action="([^"]*)"', found[1])[1])
            if part_of_action in action:
                hidden = dict((html.unescape(re.search(r'name="([^"]*)"', tag)[1]), html.unescape(re.search(r'value="([^"]*)"', tag)[1]))
                              for tag in re.findall(r'<input type="hidden"[^>]*>', found[2]))
                return action, hidden
        raise AssertionError("no form for %s in %s" % (part_of_action, self.page.text))

    def submit(self, part_of_action, fields, files=None):
        action, data = self.form(part_of_action)
        data.update(fields)
        origin = [("Origin", self.origin())]
        if files is None:
            body = urlencode(data).encode()
            return self.visit(action, "POST", [*origin, ("Content-Type", "application/x-www-form-urlencoded")], body)
        boundary = uuid.uuid4().hex
        return self.visit(action, "POST", [*origin, ("Content-Type", "multipart/form-data; boundary=" + boundary)],
                          multipart(boundary, data, files))


def multipart(boundary, fields, files):
    """files: [(field, name, bytes)]"""
    parts = [b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), value.encode())
             for name, value in fields.items()]
    parts += [b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n'
              % (boundary.encode(), field.encode(), name.encode(), data) for field, name, data in files]
    return b"".join(parts) + b"--%s--\r\n" % boundary.encode()
