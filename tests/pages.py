"""A browser without a screen: keeps cookies by path, reads forms, fills them in, follows redirects of the same host.

What a real browser makes of the pages is tested in `browser/`; this one also says what stands on the wire.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.operators import wait_until
from tests.server import Server

# (method, target, headers, body) → (status, headers, body)
Send = Callable[[str, str, list[tuple[str, str]], bytes], tuple[int, list[tuple[str, str]], bytes]]


@dataclass
class Form:
    """One form of a page. fields: what it would send as it stands; buttons: of those that send a value."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.hrefs: dict[str, list[str]] = {}
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").upper()))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms and given.get("name"):
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))
        if "href" in given:
            self.hrefs.setdefault(tag, []).append(given["href"])

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(" ".join(data.split()))


@dataclass
class Page:
    """What one request was answered with. location: of a redirect that leaves the host, or was not followed."""

    browser: "Browser"
    status: int
    headers: list[tuple[str, str]]
    html: str
    url: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.html)
        self.forms, self.words, self._hrefs = reader.forms, reader.text, reader.hrefs

    @property
    def links(self) -> list[str]:
        return self.links_of("a")

    def links_of(self, tag: str) -> list[str]:
        """What elements of a kind refer to: `a`, `link`."""
        return self._hrefs.get(tag, [])

    def header(self, name: str) -> str:
        found = self.all(name)
        assert len(found) <= 1, found
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def location(self) -> str:
        return self.header("Location")

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def query(self) -> dict[str, str]:
        """The members of a redirect's query."""
        return dict(parse_qsl(urlsplit(self.location).query, keep_blank_values=True))

    @property
    def fragment(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.location).fragment, keep_blank_values=True))

    def submit(self, given: Mapping[str, str] | None = None, /, *, form: int = 0, **more: str) -> "Page":
        """Send a form with these values; what follows it on this host."""
        chosen = self.forms[form]
        values = {**chosen.fields, **(given or {}), **more}
        return self.browser.post(chosen.action, values)


class Browser:
    """One browser. origin: what stands before paths where absolute redirects of the same host are meant."""

    def __init__(self, send: Send, origin: str = "") -> None:
        self.send = send
        self._origin = origin
        self.cookies: dict[tuple[str, str], str] = {}  # (path, name) → value

    def get(self, target: str, query: Mapping[str, str] | None = None, *, follow: bool = True, **headers: str) -> Page:
        whole = f"{target}?{urlencode(query)}" if query else target
        return self._follow(self._ask("GET", whole, b"", headers), follow=follow)

    def post(self, target: str, fields: Mapping[str, str], *, follow: bool = True, **headers: str) -> Page:
        body = urlencode(fields).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._follow(self._ask("POST", target, body, form), follow=follow)

    def _follow(self, page: Page, *, follow: bool) -> Page:
        for _ in range(10):
            location = page.location.removeprefix(self._origin) if self._origin else page.location
            if not follow or not location.startswith("/"):
                return page
            page = self._ask("GET", location, b"", {})
        raise AssertionError("too many redirects")

    def _ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Page:
        path = target.partition("?")[0]
        sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
        # The longest path first (RFC 6265 section 5.4).
        cookies = [
            f"{name}={value}"
            for (cookie_path, name), value in sorted(self.cookies.items(), key=lambda each: -len(each[0][0]))
            if path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")
        ]
        if cookies:
            sent.append(("Cookie", "; ".join(cookies)))
        status, answered, content = self.send(method, target, sent, body)
        page = Page(self, status, answered, content.decode(), target)
        for cookie in page.all("Set-Cookie"):
            self._keep(cookie)
        return page

    def _keep(self, cookie: str) -> None:
        pair, *attributes = cookie.split("; ")
        name, _, value = pair.partition("=")
        path = next(each.partition("=")[2] for each in attributes if each.startswith("Path="))
        if "Max-Age=0" in attributes:
            self.cookies.pop((path, name), None)
        else:
            self.cookies[path, name] = value


def messages_sent_to(server: Server, destination: str) -> list[str]:
    """The bodies of all messages in the outbox for an address, the newest last; there is one at least."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/scopegate/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        "X-Amz-Date": "20260101T000000Z",
    }

    def look() -> list[str]:
        answer = server.http("GET", "/_scopegate/api/outbox", params={"user": destination}, headers=headers)
        assert answer.status_code == 200, answer.text
        return [each["body"] for each in answer.json()["messages"]]

    found: list[str] = wait_until(look)
    return found


def code_sent_to(server: Server, destination: str) -> str:
    """The newest code in the outbox for an address."""
    return [found[0] for body in messages_sent_to(server, destination) if (found := _CODE.search(body))][-1]


_CODE: Final = re.compile(r"(?<![0-9])[0-9]{6,8}(?![0-9])")


def browser_of(server: Server, *, host: str | None = None) -> Browser:
    """A browser at a running server (`tests/server.py`). host: the name by which it came."""

    def send(
        method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        answer = server.http(method, target, host=host, headers=dict(headers), data=body)
        return answer.status_code, list(answer.raw.headers.items()), answer.content

    return Browser(send)
