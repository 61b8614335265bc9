"""Messages of user pools from outside: the command, its API, who may read it, and mail by a real mail server."""

import json
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.operators import scopegate, wait_until
from tests.people import PASSWORD, People, make_people, refused
from tests.server import SCOPEGATE, Server, make_function


def sign_up(people: People, client: dict[str, Any], username: str = "ada", mail: str = "ada@example.com") -> None:
    people.idp.sign_up(
        ClientId=client["ClientId"],
        Username=username,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": mail}],
    )


@pytest.fixture
def people(server: Server) -> People:
    return make_people(server, AutoVerifiedAttributes=["email"])


def test_the_outbox_is_shown_to_an_operator(people: People) -> None:
    address = f"{people.pool_id[-9:].lower()}@example.com"
    sign_up(people, people.client(), "ada", address)
    endpoint = {"AWS_ENDPOINT_URL": people.server.url}

    shown = scopegate("outbox", "--user", address, environment=endpoint)
    as_json = scopegate("outbox", "--user", address, "--json", environment=endpoint)

    assert (shown.returncode, as_json.returncode) == (0, 0)
    assert f"EMAIL to {address} (ada of {people.pool_id}, SignUp)" in shown.stdout
    assert "Your verification code is " in shown.stdout
    (line,) = as_json.stdout.splitlines()
    message = json.loads(line)
    assert (message["destination"], message["purpose"], message["subject"]) == (
        address,
        "SignUp",
        "Your verification code",
    )
    assert message["body"].split()[-1] in shown.stdout


def test_the_outbox_is_followed(people: People) -> None:
    address = f"{people.pool_id[-9:].lower()}@example.com"
    client = people.client()
    following = subprocess.Popen(
        [SCOPEGATE, "outbox", "--user", address, "--follow", "--json"],
        env={"PATH": "/usr/bin:/bin", "AWS_ENDPOINT_URL": people.server.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    try:
        for name in ("ada", "bob"):
            sign_up(people, client, name, address)
        found = [json.loads(following.stdout.readline())["username"] for _ in range(2)]
    finally:
        following.kill()
        following.wait()
        following.stdout.close()

    assert found == ["ada", "bob"]


def test_a_user_name_is_no_markup(people: People) -> None:
    """Attack U1."""
    people.idp.admin_create_user(
        UserPoolId=people.pool_id,
        Username="[red]",
        UserAttributes=[{"Name": "email", "Value": "x@example.com"}],
    )

    shown = scopegate("outbox", environment={"AWS_ENDPOINT_URL": people.server.url})

    assert f"([red] of {people.pool_id}, AdminCreateUser)" in shown.stdout
    assert "Your username is [red] and" in shown.stdout


READ = """
import os, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

def handler(event, context):
    request = AWSRequest("GET", event["url"] + "/_scopegate/api/outbox")
    SigV4Auth(get_session().get_credentials(), "scopegate", "us-east-1").add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers))) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
"""


def test_a_function_does_not_read_the_outbox(server: Server) -> None:
    """Attack U5: a function has a session of its role, which is no operator's."""
    make_function(server, "outbox-reader", READ)

    payload = json.dumps({"url": server.url})
    answer = server.aws("lambda").invoke(FunctionName="outbox-reader", Payload=payload)

    assert json.load(answer["Payload"]) == 403


def test_nobody_reads_the_outbox_unsigned_or_from_a_page(server: Server) -> None:
    """Attack U4."""
    assert server.http("GET", "/_scopegate/api/outbox").status_code == 403
    assert server.http("GET", "/_scopegate/api/outbox", headers={"Origin": "https://evil.example"}).status_code == 403


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if envelope.rcpt_tos == ["refused@example.com"]:
            return "550 no such mailbox"
        self.mails.append(message_from_bytes(envelope.content))
        return "250 kept"


@pytest.fixture
def mailbox(unused_port: int) -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=unused_port)
    controller.start()
    yield box, unused_port
    controller.stop()


def test_mails_go_to_the_mail_server(start_server: Callable[..., Server], mailbox: tuple[Mailbox, int]) -> None:
    """And a mail that it does not take is told to whoever asked; the code is in the outbox all the same."""
    box, port = mailbox
    server = start_server("serve", "--dev", environment={"SCOPEGATE_SMTP_URL": f"smtp://127.0.0.1:{port}"})
    people = make_people(server, AutoVerifiedAttributes=["email"])
    client = people.client()

    sign_up(people, client)
    with refused("CodeDeliveryFailureException"):
        sign_up(people, client, "bob", "refused@example.com")
    people.idp.confirm_sign_up(ClientId=client["ClientId"], Username="bob", ConfirmationCode=people.code("bob"))

    (mail,) = box.mails
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert (mail["To"], mail["From"]) == ("ada@example.com", "no-reply@verificationemail.com")
    assert people.code("ada") in body.decode()


def test_a_mail_that_is_not_taken_does_not_tell_who_is_there(
    start_server: Callable[..., Server], mailbox: tuple[Mailbox, int]
) -> None:
    """Attack O17: where a client hides users, the answer waits for no mail server."""
    _, port = mailbox
    server = start_server("serve", "--dev", environment={"SCOPEGATE_SMTP_URL": f"smtp://127.0.0.1:{port}"})
    people = make_people(server)
    client = people.client(PreventUserExistenceErrors="ENABLED")
    people.user("ada", email="refused@example.com", email_verified="true")

    details = [
        people.idp.forgot_password(ClientId=client["ClientId"], Username=name)["CodeDeliveryDetails"]
        for name in ("ada", "nobody")
    ]

    assert {each["DeliveryMedium"] for each in details} == {"EMAIL"}
    wait_until(lambda: "user.not_sent" in (server.data_dir / "server.log").read_text())
