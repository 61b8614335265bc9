"""Users sign in at Apache's mod_auth_openidc: a confidential client that nobody wrote for this server."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.operators import wait_until
from tests.pages import browser_of
from tests.people import PASSWORD, make_people
from tests.server import Server, free_port

APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")

CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
LoadModule headers_module {modules}/mod_headers.so
DocumentRoot {folder}/pages
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
# Cognito's form of signing out: it knows neither id_token_hint nor post_logout_redirect_uri.
OIDCProviderEndSessionEndpoint {issuer}/logout?client_id={client_id}&logout_uri=http://localhost:{port}/out
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI http://localhost:{port}/protected/callback
OIDCDefaultLoggedOutURL http://localhost:{port}/out
OIDCCryptoPassphrase of-this-test-only
OIDCScope "openid email"
OIDCRemoteUserClaim email
OIDCPKCEMethod S256
OIDCCookieSameSite On
<Location /protected>
  AuthType openid-connect
  Require valid-user
  Header set X-User "expr=%{{REMOTE_USER}}"
</Location>
"""


@pytest.fixture
def apache(tmp_path: Path) -> Any:
    """Starts Apache with a configuration, in the foreground, as this user."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(configuration: str) -> None:
        assert APACHE.exists(), "make test-setup installs apache2 and libapache2-mod-auth-openidc"
        (tmp_path / "pages" / "protected").mkdir(parents=True)
        (tmp_path / "pages" / "protected" / "index.html").write_text("inside")
        (tmp_path / "apache.conf").write_text(configuration)
        command = [APACHE, "-D", "FOREGROUND", "-f", tmp_path / "apache.conf"]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield begin
    for process in started:
        process.terminate()
        process.wait(20)


def test_apache_signs_a_user_in_and_out(
    start_server: Callable[..., Server],
    unused_port: int,
    tmp_path: Path,
    apache: Callable[[str], None],
) -> None:
    """Discovery, code with PKCE and nonce, ID token, userInfo; then out at Apache and at the pages."""
    apache_port = free_port()
    issuer_url = f"http://127.0.0.1:{unused_port}"
    server = start_server("serve", "--dev", "--port", str(unused_port), "--issuer-url", issuer_url)
    people = make_people(server)
    people.user("ada", email="ada@example.com", email_verified="true")
    home = f"http://localhost:{apache_port}"
    client = people.client(
        GenerateSecret=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "email"],
        AllowedOAuthFlowsUserPoolClient=True,
        CallbackURLs=[f"{home}/protected/callback"],
        LogoutURLs=[f"{home}/out"],
        SupportedIdentityProviders=["COGNITO"],
    )
    apache(
        CONFIGURATION.format(
            folder=tmp_path,
            modules=MODULES,
            port=apache_port,
            issuer=f"{issuer_url}/{people.pool_id}",
            client_id=client["ClientId"],
            client_secret=client["ClientSecret"],
        )
    )
    session = requests.Session()
    session.trust_env = False

    def get(url: str) -> requests.Response:
        return session.get(url, allow_redirects=False, timeout=30)

    wait_until(lambda: _answers(session, home))
    # In
    asked = get(f"{home}/protected/index.html")
    assert asked.status_code == 302, asked.text
    browser = browser_of(server)
    page = browser.get(asked.headers["Location"].removeprefix(issuer_url))
    back = page.submit(username="ada", password=PASSWORD).location
    assert back.startswith(f"{home}/protected/callback?code=")
    assert get(back).status_code == 302, (tmp_path / "error.log").read_text()
    inside = get(f"{home}/protected/index.html")
    assert (inside.status_code, inside.text, inside.headers["X-User"]) == (200, "inside", "ada@example.com")
    # Out
    out = get(f"{home}/protected/callback?logout={quote(home + '/out')}")
    assert out.status_code == 302, out.text
    left = browser.get(out.headers["Location"].removeprefix(issuer_url))
    assert left.location == f"{home}/out"
    assert get(f"{home}/protected/index.html").status_code == 302
    again = browser.get(get(f"{home}/protected/index.html").headers["Location"].removeprefix(issuer_url))
    assert again.forms, "the pages ask again"


def _answers(session: requests.Session, home: str) -> bool:
    try:
        return session.get(home, timeout=5).status_code > 0
    except requests.ConnectionError:
        return False
