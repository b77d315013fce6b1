"""Finding a package's file where the user's own pip would look for it."""

import io
import os
import shutil
import ssl
import subprocess
import sys
import threading
from base64 import b64decode
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import SimpleNamespace
from urllib.request import Request, urlopen

import pytest

from gerund.assets import package_index, transfer
from gerund.assets.package_index import file_locations, pip_settings
from gerund.assets.transfer import Connection, download, fetch_text
from gerund.errors import AssetError

HTML = "text/html; charset=utf-8"
JSON = "application/vnd.pypi.simple.v1+json"
FILE = "box-1.0.tar.gz"
PAGE = f'<!DOCTYPE html><html><body><a name="{FILE}"></a><a href="{FILE}#sha256=00">{FILE}</a></body></html>'
HELP = """
Package Index Options:
  -i, --index-url <url>       Base URL of the index (default {default}). This should point to a repository of
                              packages.
  --extra-index-url <url>     Extra URLs to use in addition to --index-url. (default https://other.example/simple)
"""


ask_pip = package_index._pip  # the real one, which most tests replace


class Site:
    """Pages on this machine, with a log of the requests; `login` closes them to everybody else."""

    def __init__(self):
        self.pages = {}  # path -> (content type, bytes), or an address to be sent to
        self.login = None
        self.asked = []  # (path, headers)
        site = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append((self.path, self.headers))
                page = site.pages.get(self.path)
                if site.login and login_of(self.headers) != site.login:
                    self.send_error(401)
                elif page is None:
                    self.send_error(404)
                elif isinstance(page, str):
                    self.send_response(302)
                    self.send_header("Location", page)
                    self.end_headers()
                else:
                    self.send_response(200)
                    self.send_header("Content-Type", page[0])
                    self.end_headers()
                    self.wfile.write(page[1] if isinstance(page[1], bytes) else page[1].encode())

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.server.handle_error = lambda *arguments: None
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def paths(self):
        return [path for path, _ in self.asked]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def login_of(headers):
    kind, _, value = headers.get("Authorization", "").partition(" ")
    return b64decode(value).decode() if kind == "Basic" else None


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def other_site():
    site = Site()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def pip(tmp_path, monkeypatch):
    """A pip without any configuration; tests write their own into `config` and `help`."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "GERUND_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))
    pip = SimpleNamespace(config="", help=HELP.format(default="https://index.example/simple"))
    monkeypatch.setattr(package_index, "_pip", lambda *asked: pip.config if asked == ("config", "list") else pip.help)
    pip_settings.cache_clear()
    yield pip
    pip_settings.cache_clear()


def urls_of(package="box", file=FILE):
    return [url for url, _ in file_locations(package, file)]


# ---- pages of links


def test_an_html_page_with_relative_links_and_hashes(site, monkeypatch):
    """A relative, percent-encoded link with a hash leads to the file; links to other files are left out."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/root/simple")
    links = """<a href="../../files/box-0.9.zip#sha256=00">old</a>
        <A class="x" HREF="../../files/a%2Bb%201.zip?x=1&amp;y=2#sha256=00">new</A>"""
    site.pages["/root/simple/box/"] = (HTML, links)
    site.pages["/root/files/a%2Bb%201.zip?x=1&y=2"] = ("application/zip", b"bytes")

    urls = urls_of(file="a+b 1.zip")
    assert urls == [f"{site.url}/root/files/a%2Bb%201.zip?x=1&y=2"]
    with urlopen(urls[0]) as answer:
        assert answer.read() == b"bytes"


@pytest.mark.parametrize("package", ["Odd_Name..of.A-box", "odd-name-of-a-box"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_name_of_a_package_is_normalised(site, monkeypatch, package, slash):
    """Runs of dots, dashes and underscores become one dash, in lower case, as PEP 503 says."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple{slash}")
    site.pages["/simple/odd-name-of-a-box/"] = (HTML, PAGE)

    assert urls_of(package) == [f"{site.url}/simple/odd-name-of-a-box/{FILE}"]


def test_a_json_page(site, monkeypatch):
    """A PEP 691 page, which is asked for first, is read with relative and absolute addresses."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    page = """{"meta": {"api-version": "1.0"}, "name": "box", "files": [
        {"filename": "box-1.0.tar.gz", "url": "../../files/box-1.0.tar.gz", "hashes": {"sha256": "00"}},
        {"filename": "box-0.9.tar.gz", "url": "../../files/box-0.9.tar.gz", "hashes": {}},
        {"filename": "box-1.0.tar.gz", "url": "https://files.example/box-1.0.tar.gz", "hashes": {}}]}"""
    site.pages["/simple/box/"] = (JSON, page)

    assert urls_of() == [f"{site.url}/files/{FILE}", f"https://files.example/{FILE}"]
    accepted = site.asked[0][1]["Accept"].split(", ")
    assert accepted[0] == JSON and any(kind.startswith("text/html;q=0.") for kind in accepted)


@pytest.mark.parametrize("page", ["{", "[]", '{"files": [{}]}', '{"meta": {}}', '{"files": 3}'])
def test_a_broken_json_page_is_an_error_in_words(site, monkeypatch, page):
    """What is no page of an index is said with its address."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = (JSON, page)

    with pytest.raises(AssetError, match=f"{site.url}/simple/box/"):
        urls_of()


def test_a_page_in_an_unknown_encoding_is_an_error_in_words(site, monkeypatch):
    """A character set that Python does not have is said with the page's address."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = ("text/html; charset=klingon", PAGE)

    with pytest.raises(AssetError, match=f"{site.url}/simple/box/: .*klingon"):
        urls_of()


def test_links_are_relative_to_where_the_page_was_found(site, monkeypatch):
    """After a redirection, links count from the page's final address."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = "/mirror/deep/box/"
    site.pages["/mirror/deep/box/"] = (HTML, PAGE)

    assert urls_of() == [f"{site.url}/mirror/deep/box/{FILE}"]


# ---- folders


@pytest.mark.parametrize("as_url", [True, False])
def test_an_index_folder_with_pages(tmp_path, monkeypatch, as_url):
    """A folder laid out as an index, given as file:// or as a path, is read through its index.html."""
    root = tmp_path / "an index"
    (root / "simple" / "box").mkdir(parents=True)
    (root / "files").mkdir()
    (root / "files" / FILE).write_bytes(b"bytes")
    (root / "simple" / "box" / "index.html").write_text(f'<a href="../../files/{FILE}#sha256=00">{FILE}</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (root / "simple").as_uri() if as_url else str(root / "simple"))

    (url,) = urls_of()
    with urlopen(url) as answer:
        assert answer.read() == b"bytes"


def test_an_index_folder_with_files(tmp_path, monkeypatch):
    """A folder of an index without a page offers the files that lie in it."""
    folder = tmp_path / "simple" / "box"
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(b"bytes")
    (folder / "box-0.9.tar.gz").write_bytes(b"old")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())

    (url,) = urls_of()
    with urlopen(url) as answer:
        assert answer.read() == b"bytes"


def test_a_find_links_folder_comes_before_the_index(site, tmp_path, monkeypatch, pip):
    """A file in the find-links folder is offered first, under its odd name, then the index's."""
    name = "a+b 1%.zip"
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / name).write_bytes(b"bytes")
    pip.config = "global.find-links='~/wheels'"
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = (HTML, '<a href="a%2Bb%201%25.zip">x</a>')

    local, remote = urls_of(file=name)
    with urlopen(local) as answer:
        assert answer.read() == b"bytes"
    assert remote == f"{site.url}/simple/box/a%2Bb%201%25.zip"


def test_a_file_of_a_folder_can_be_downloaded(tmp_path, monkeypatch):
    """A file:// address goes the same verified way as any other, also over the rest of an earlier try."""
    folder = tmp_path / "simple" / "box"
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(b"hello world")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    (tmp_path / "got.part").write_bytes(b"hel")

    ((url, connection),) = file_locations("box", FILE)
    hello = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"  # of "hello world", as everybody knows
    download(url, tmp_path / "got", sha256=hello, size_bytes=11, label="box", connection=connection)
    assert (tmp_path / "got").read_bytes() == b"hello world"


def test_a_find_links_page(site, pip):
    """find-links may be a page, on which every package's files are listed."""
    pip.config = f"global.find-links='{site.url}/wheels.html'\nglobal.no-index='true'"
    site.pages["/wheels.html"] = (HTML, PAGE)

    assert urls_of() == [f"{site.url}/{FILE}"]


def test_missing_places_do_not_hide_the_others(site, tmp_path, monkeypatch, pip):
    """A find-links folder that is not there is passed over; when nothing is found, it is named."""
    pip.config = f"global.find-links='{tmp_path / 'gone'}'"
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = (HTML, PAGE)

    assert urls_of() == [f"{site.url}/simple/box/{FILE}"]
    with pytest.raises(AssetError, match=r"other\.zip of package box .*gone"):
        urls_of(file="other.zip")


# ---- which indexes


def test_the_extra_index_helps_out(site, pip):
    """Where the first index does not list the file, the extra ones are asked, in their order."""
    extra = rf"'\n{site.url}/second\n{site.url}/third'"  # as pip prints a list of several lines
    pip.config = f"global.index-url='{site.url}/first'\nglobal.extra-index-url={extra}"
    site.pages["/first/box/"] = (HTML, PAGE.replace("1.0", "0.9"))
    site.pages["/third/box/"] = (HTML, PAGE)

    assert urls_of() == [f"{site.url}/third/box/{FILE}"]
    assert site.paths == ["/first/box/", "/second/box/", "/third/box/"]


def test_a_file_that_nobody_lists_is_an_error(site, monkeypatch):
    """The message names file and package and what to do."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = (HTML, PAGE)

    with pytest.raises(AssetError, match=r"other\.zip of package box .*none of them lists it.*pip config list.*--from"):
        urls_of(file="other.zip")


def test_the_environment_wins_over_the_configuration(monkeypatch, pip):
    """PIP_INDEX_URL is used in place of what the files say; an empty one says nothing."""
    pip.config = "global.index-url='https://file.example/simple'"
    assert pip_settings().indexes == ("https://file.example/simple",)

    pip_settings.cache_clear()
    monkeypatch.setenv("PIP_INDEX_URL", "")
    assert pip_settings().indexes == ("https://file.example/simple",)

    pip_settings.cache_clear()
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/simple")
    assert pip_settings().indexes == ("https://environment.example/simple",)


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
def test_no_index_asks_no_index(site, tmp_path, monkeypatch, value):
    """PIP_NO_INDEX leaves only find-links: neither the index nor the extra one is asked."""
    monkeypatch.setenv("PIP_NO_INDEX", value)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{site.url}/more")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    site.pages["/simple/box/"] = site.pages["/more/box/"] = (HTML, PAGE)

    with pytest.raises(AssetError, match=FILE):
        urls_of()
    assert site.asked == []
    (tmp_path / FILE).write_bytes(b"bytes")
    (url,) = urls_of()
    with urlopen(url) as answer:
        assert answer.read() == b"bytes"


def test_no_index_may_say_no(monkeypatch):
    """PIP_NO_INDEX=0 is as good as none."""
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    assert pip_settings().indexes == ("https://index.example/simple",)


# ---- what pip says


def test_the_sections_of_other_commands_are_ignored(pip):
    """Of `pip config list`, what holds for an installation counts, with that command's section over the global one."""
    pip.config = """global.cert='/etc/ca.pem'
global.index-url='https://global.example/a?b=c'
global.timeout='60'
install.index-url="https://install.example/it's"
list.index-url='https://list.example/simple'
search.index='https://search.example/simple'
wheel.find-links='/wheel'
:env:.find-links='/one /two'
:env:.proxy='proxy.example:3128'
unreadable
"""
    settings = pip_settings()
    assert settings.indexes == ("https://install.example/it's",)
    assert settings.find_links == ("/one", "/two")
    assert settings.connection == Connection(certificates="/etc/ca.pem", proxy="proxy.example:3128")


def test_backslashes_of_a_path_are_kept(pip):
    r"""Pip prints values as Python writes them: C:\new\ca.pem comes as 'C:\\new\\ca.pem'."""
    pip.config = "global.cert=" + repr("C:\\new\\ca.pem")
    assert pip_settings().connection.certificates == "C:\\new\\ca.pem"


def test_the_default_index_comes_from_the_help_of_pip(pip):
    """Where nothing is configured, pip's help names its own default beside --index-url."""
    assert pip_settings().indexes == ("https://index.example/simple",)

    pip_settings.cache_clear()
    pip.help = HELP.format(default="https://index.example/simple").replace(
        "--index-url <url>", "\x1b[36m--index-url\x1b[0m \x1b[33m<url>\x1b[0m"
    )
    assert pip_settings().indexes == ("https://index.example/simple",)


def test_another_tools_default_comes_before_the_built_in_one(monkeypatch, pip):
    """UV_DEFAULT_INDEX is used where pip is not configured, and only there."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert pip_settings().indexes == ("https://uv.example/simple",)

    pip_settings.cache_clear()
    pip.config = "global.index-url='https://file.example/simple'"
    assert pip_settings().indexes == ("https://file.example/simple",)


@pytest.mark.parametrize("help_text", [None, "Usage: pip download"])
def test_without_pip_the_message_says_what_to_set(pip, help_text):
    """Where no pip can name an index, PIP_INDEX_URL is the way out."""
    pip.config, pip.help = None, help_text
    with pytest.raises(AssetError, match="set PIP_INDEX_URL"):
        pip_settings()


@pytest.mark.skipif(find_spec("pip") is None, reason="this Python has no pip to ask")
class TestRealPip:
    """What the installed pip really prints is what the reader expects."""

    @pytest.fixture(autouse=True)
    def real_pip(self, pip, tmp_path, monkeypatch):
        monkeypatch.setattr(package_index, "_pip", ask_pip)
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))

    def test_its_configuration_is_read(self, tmp_path, monkeypatch):
        """Lists, per-command sections and variables arrive as they were written, even where pip is told to be quiet."""
        monkeypatch.setenv("PIP_QUIET", "1")
        monkeypatch.setenv("PIP_PROXY", "proxy.example:3128")
        (tmp_path / "pip.conf").write_text(
            "[global]\nindex-url = https://me:it's@index.example/simple\n"
            "extra-index-url =\n    https://a.example/s\n    https://b.example/s\n"
            "[install]\ncert = /etc/it's ca.pem\nfind-links = /one /two\n[wheel]\nno-index = true\n"
        )
        assert pip_settings() == package_index.PipSettings(
            ("https://me:it's@index.example/simple", "https://a.example/s", "https://b.example/s"),
            ("/one", "/two"),
            Connection("/etc/it's ca.pem", "proxy.example:3128"),
        )

    def test_its_help_names_a_default(self, monkeypatch):
        """The help of pip, coloured as in continuous integration, names one web address."""
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        default = package_index._default_index()
        assert default is not None
        assert default.startswith("https://") and default.endswith("/simple")


def test_a_pip_beside_this_python_is_asked_where_python_has_none(monkeypatch):
    """`python -m pip` comes first; a `pip` on the path is asked when that fails or is not there."""
    asked = []

    def run(command, **settings):
        asked.append(command)
        if command[0] == sys.executable:
            return subprocess.CompletedProcess(command, 1, "", "No module named pip")
        return subprocess.CompletedProcess(command, 0, "answer", "")

    monkeypatch.setattr(package_index, "subprocess", SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired))
    monkeypatch.setattr(package_index, "shutil", SimpleNamespace(which=lambda name: f"/bin/{name}"))
    assert ask_pip("config", "list") == "answer"
    assert asked == [[sys.executable, "-m", "pip", "config", "list"], ["pip", "config", "list"]]

    monkeypatch.setattr(package_index, "shutil", SimpleNamespace(which=lambda name: None))
    assert ask_pip("config", "list") is None


# ---- logins


def test_a_login_in_the_address_opens_the_page_and_its_files(site, tmp_path, monkeypatch):
    """The login of the index, percent-encoded, is sent as a Basic header, also for the files beside the page."""
    site.login = "me@home:s:cret"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me%40home:s%3Acret@{site.host}/simple")
    site.pages["/simple/box/"] = (HTML, PAGE)
    site.pages[f"/simple/box/{FILE}"] = ("application/gzip", b"hello world")

    ((url, connection),) = file_locations("box", FILE)
    hello = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    download(url, tmp_path / "got", sha256=hello, size_bytes=11, label="box", connection=connection)
    assert (tmp_path / "got").read_bytes() == b"hello world"
    assert [login_of(headers) for _, headers in site.asked] == ["me@home:s:cret"] * 2


def test_a_login_never_shows_in_a_message(site, tmp_path, monkeypatch):
    """Refused, missing, unreachable or broken: no message has the user's name or password."""
    site.login = "somebody:else"
    messages = []

    def attempt(address):
        monkeypatch.setenv("PIP_INDEX_URL", address)
        pip_settings.cache_clear()
        with pytest.raises(AssetError) as caught:
            urls_of()
        messages.append(str(caught.value))

    attempt(f"http://wanda:hunter2@{site.host}/simple")
    assert "Unauthorized" in messages[-1]
    site.login = None
    attempt(f"http://wanda:hunter2@{site.host}/simple")
    assert "Not Found" in messages[-1]
    site.pages["/simple/box/"] = (JSON, "{")
    attempt(f"http://wanda:hunter2@{site.host}/simple")
    attempt(f"https://wanda:hunter2@{site.host}/simple")
    attempt("ftq://wanda:hunter2@index.example/simple")

    site.pages["/simple/box/"] = (HTML, PAGE)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://wanda:hunter2@{site.host}/simple")
    pip_settings.cache_clear()
    ((url, connection),) = file_locations("box", FILE)
    for content in (None, b"other bytes"):
        site.pages[f"/simple/box/{FILE}"] = content and (HTML, content)
        with pytest.raises(AssetError) as caught:
            download(url, tmp_path / "got", sha256="00", size_bytes=11, label="box", connection=connection)
        messages.append(str(caught.value))

    assert len(messages) == 7
    for message in messages:
        assert "wanda" not in message and "hunter2" not in message


def test_a_login_is_not_carried_to_another_server(site, other_site, tmp_path, monkeypatch):
    """Neither a link to another server nor a redirection there takes the login along."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{site.host}/simple")
    site.pages["/simple/box/"] = (HTML, f'<a href="{other_site.url}/{FILE}">x</a><a href="/moved/{FILE}">x</a>')
    site.pages[f"/moved/{FILE}"] = f"{other_site.url}/{FILE}"
    other_site.pages[f"/{FILE}"] = ("application/gzip", b"bytes")

    for url, connection in file_locations("box", FILE):
        fetch_text(url, connection, accept="*/*")
    assert [login_of(headers) for _, headers in site.asked] == ["me:secret"] * 2
    assert [login_of(headers) for _, headers in other_site.asked] == [None] * 2


def test_a_redirection_on_the_same_server_keeps_the_login(site, monkeypatch):
    """A page that moved within its server is still behind the same login."""
    site.login = "me:secret"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{site.host}/simple")
    site.pages["/simple/box/"] = "/new/box/"
    site.pages["/new/box/"] = (HTML, PAGE)

    assert urls_of() == [f"http://me:secret@{site.host}/new/box/{FILE}"]


def test_a_login_from_netrc(site, tmp_path, monkeypatch):
    """Where the address has no login, the one of the user's netrc is sent."""
    site.login = "me:secret"
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    site.pages["/simple/box/"] = (HTML, PAGE)

    assert urls_of() == [f"{site.url}/simple/box/{FILE}"]


# ---- certificates and proxies


def test_the_certificates_of_pip_reach_the_connection(tmp_path, monkeypatch, pip):
    """Pip's 'cert', with ~ for the home folder, is the file that the connection trusts."""
    pip.config = "global.cert='~/ca.pem'\nglobal.index-url='https://127.0.0.1:9/simple'"
    trusted = []

    def create(**settings):
        trusted.append(settings)
        raise ssl.SSLError(1, "stopped here")

    monkeypatch.setattr(ssl, "create_default_context", create)
    with pytest.raises(AssetError, match="stopped here"):
        urls_of()
    assert trusted == [{"cafile": str(tmp_path / "ca.pem")}]


def test_certificates_that_cannot_be_read_are_named(tmp_path, pip):
    """A missing bundle is said with its path, not as a network that fails."""
    pip.config = f"global.cert='{tmp_path / 'gone.pem'}'\nglobal.index-url='https://127.0.0.1:9/simple'"
    with pytest.raises(AssetError, match=r"gone\.pem: cannot read certificates"):
        urls_of()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate")
def test_an_index_behind_a_private_certificate(site, tmp_path, monkeypatch, pip):
    """A server whose certificate only pip's bundle knows is reached with it and refused without it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{site.host}/simple")
    site.pages["/simple/box/"] = (HTML, PAGE)

    with pytest.raises(AssetError, match="CERTIFICATE_VERIFY_FAILED"):
        urls_of()
    pip_settings.cache_clear()
    pip.config = f"global.cert='{certificate}'"
    assert urls_of() == [f"https://{site.host}/simple/box/{FILE}"]


def test_the_proxy_of_pip_is_used(site, monkeypatch, pip):
    """With pip's 'proxy', the request for another host's page goes to the proxy, by its full address."""
    pip.config = f"global.proxy='{site.url}'\nglobal.index-url='http://index.example/simple'"
    site.pages["http://index.example/simple/box/"] = (HTML, PAGE)

    assert urls_of() == [f"http://index.example/simple/box/{FILE}"]
    assert site.paths == ["http://index.example/simple/box/"]


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("https://a.example/x", "https://a.example/y", True),
        ("http://a.example/x", "http://a.example/y", True),
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example/x", "http://a.example/y", False),
        ("https://a.example/x", "https://b.example/y", False),
        ("https://a.example/x", "https://a.example:8443/y", False),
    ],
)
def test_where_a_login_goes(before, after, kept):
    """A login follows to the same server, into encryption but never out of it, and to no other server."""
    request = Request(before, headers={"Authorization": "Basic x"})
    found = transfer._Redirects().redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), after)
    assert found.full_url == after and found.has_header("Authorization") is kept


@pytest.mark.parametrize("after", ["ftp://a.example/y", "file:///etc/passwd"])
def test_a_redirection_stays_on_the_web(after):
    """Whatever else an address may mean, no server is followed there."""
    request = Request("https://a.example/x")
    assert transfer._Redirects().redirect_request(request, io.BytesIO(), 302, "", HTTPMessage(), after) is None


def test_a_page_has_an_end(site, monkeypatch):
    """A page that is longer than any index is an error, not memory."""
    site.pages["/long"] = (HTML, "x" * 100)
    monkeypatch.setattr(transfer, "_MOST_PAGE_BYTES", 10)
    with pytest.raises(AssetError, match="a page of more than"):
        fetch_text(f"{site.url}/long", Connection(), accept="text/html")
