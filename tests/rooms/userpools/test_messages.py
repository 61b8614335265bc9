"""Messages of user pools: texts, placeholders, masks, the outbox, codes, and mail by a real mail server."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import Message as Mime
from email.utils import parsedate_to_datetime
from html import escape
from types import MappingProxyType
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base import clock
from scopegate.base.errors import AwsError, SetupError
from scopegate.base.settings import Settings
from scopegate.ports import Mail
from scopegate.userpools.messages import queries
from scopegate.userpools.messages.compose import compose
from scopegate.userpools.messages.model import Delivery, Message, mask
from scopegate.userpools.messages.post import open_mail, post
from scopegate.userpools.model import PoolView, Trigger
from scopegate.userpools.triggers import About
from scopegate.userpools.users import queries as users
from scopegate.userpools.users.model import User
from tests.rooms.userpools.driver import ACCOUNT, CLIENT, REGION, World
from tests.rooms.userpools.test_triggers import ARN, Answer, Function, respond

POOL_ID = "us-east-1_AbCdEf123"
MAIL = Delivery("email", "ada@example.com")
SMS = Delivery("phone_number", "+12025550123")
ADA = About("ada", CLIENT, {"sub": "1-2"})
PUBLIC = "https://login.example.com"


def pool_of(world: World, trigger: str = "", **document: Any) -> PoolView:
    triggers = {trigger: Trigger(ARN)} if trigger else {}
    return replace(world.view.pool_by_id[POOL_ID], document=document, triggers=MappingProxyType(triggers))


def composed(
    pool: PoolView, purpose: str, delivery: Delivery = MAIL, answer: Answer | None = None, **more: Any
) -> Message:
    function = Function(answer) if answer else Function()
    about = replace(ADA, **more)
    return asyncio.run(compose(pool, function, purpose, about, delivery, "123456", public_url=PUBLIC))


# Texts


@pytest.mark.parametrize(
    ("purpose", "subject", "body"),
    [
        ("SignUp", "Your verification code", "Your verification code is 123456"),
        ("ForgotPassword", "Your password reset code", "Your password reset code is 123456"),
        ("Authentication", "Your authentication code", "Your authentication code is 123456"),
        ("AdminCreateUser", "Your temporary password", "Your username is ada and temporary password is 123456."),
    ],
)
def test_a_pool_without_texts_has_cognitos(world: World, purpose: str, subject: str, body: str) -> None:
    mail, sms = composed(pool_of(world), purpose), composed(pool_of(world), purpose, SMS)

    assert (mail.medium, mail.destination, mail.subject, mail.body) == ("EMAIL", "ada@example.com", subject, body)
    assert (sms.medium, sms.destination, sms.subject, sms.body) == ("SMS", "+12025550123", "", body)


OWN = {
    "VerificationMessageTemplate": {"EmailSubject": "S", "EmailMessage": "E {####}", "SmsMessage": "T {####}"},
    "SmsAuthenticationMessage": "A {####}",
    "MfaConfig": {"EmailMfaConfiguration": {"Subject": "MS", "Message": "M {####}"}},
    "AdminCreateUserConfig": {
        "InviteMessageTemplate": {
            "EmailSubject": "IS",
            "EmailMessage": "I {username} {####}",
            "SMSMessage": "J {username} {####}",
        }
    },
}


@pytest.mark.parametrize(
    ("purpose", "mail", "sms"),
    [
        ("SignUp", ("S", "E 123456"), "T 123456"),
        ("ForgotPassword", ("S", "E 123456"), "T 123456"),
        ("Authentication", ("MS", "M 123456"), "A 123456"),
        ("AdminCreateUser", ("IS", "I ada 123456"), "J ada 123456"),
    ],
)
def test_a_pools_texts_are_used(world: World, purpose: str, mail: tuple[str, str], sms: str) -> None:
    pool = pool_of(world, **OWN)
    by_mail, by_sms = composed(pool, purpose), composed(pool, purpose, SMS)

    assert ((by_mail.subject, by_mail.body), by_sms.body) == (mail, sms)


def test_an_invitation_names_what_the_user_signs_in_with(world: World) -> None:
    pool = pool_of(world, UsernameAttributes=["phone_number", "email"])

    body = composed(pool, "AdminCreateUser", username="2c9d", attributes={"email": "ada@example.com"}).body

    assert body == "Your username is ada@example.com and temporary password is 123456."


def test_a_pool_may_confirm_by_link(world: World) -> None:
    """Attack O18: the link begins with what the operator configured."""
    pool = pool_of(world, VerificationMessageTemplate={"DefaultEmailOption": "CONFIRM_WITH_LINK"})

    body = composed(pool, "SignUp", username="a&b").body

    query = f"client_id={CLIENT}&amp;user_name=a%26b&amp;confirmation_code=123456"
    assert body == (
        "Please click the link below to verify your email address. "
        f'<a href="https://login.example.com/{POOL_ID}/confirmUser?{query}">Verify Email</a>'
    )
    assert composed(pool, "ForgotPassword").body == "Your password reset code is 123456"


def test_a_function_writes_the_text(world: World) -> None:
    pool = pool_of(world, "CustomMessage", **OWN)
    answer = respond(emailSubject="Hello", emailMessage="<b>{####}</b>", smsMessage="Hi {####}")

    assert composed(pool, "SignUp", answer=answer).body == "<b>123456</b>"
    assert composed(pool, "SignUp", answer=answer).subject == "Hello"
    assert composed(pool, "SignUp", SMS, answer=answer).body == "Hi 123456"
    assert composed(pool, "SignUp", answer=respond()).body == "E 123456"


@pytest.mark.parametrize(
    ("purpose", "text"), [("SignUp", "no code"), ("AdminCreateUser", "{####}"), ("ForgotPassword", "{##here##}")]
)
def test_a_text_without_a_place_for_the_code_is_refused(world: World, purpose: str, text: str) -> None:
    with pytest.raises(AwsError) as refused:
        composed(pool_of(world, "CustomMessage"), purpose, answer=respond(emailMessage=text))

    assert refused.value.code == "InvalidLambdaResponseException"


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{####}", "{##x##}", "a\nBcc: b@example.com"])
def test_a_user_name_is_text_in_a_mail(world: World, name: str) -> None:
    """Attack U1; a name that looks like a placeholder is not one."""
    message = composed(pool_of(world), "AdminCreateUser", username=name)

    assert "<script" not in message.body
    assert message.body.count("123456") == 1
    assert "<a " not in message.body


def test_every_name_can_be_written(world: World) -> None:
    @given(st.text(max_size=60))
    def check(name: str) -> None:
        body = composed(pool_of(world), "AdminCreateUser", username=name).body
        assert body == f"Your username is {escape(name)} and temporary password is 123456."

    check()


@pytest.mark.parametrize(
    ("destination", "shown"),
    [
        ("freddy@example.com", "f***@e***"),
        ("a@b.c", "a***@b***"),
        ("+12025551234", "+*******1234"),
        ("+1234", "+1234"),
        ("+1", "+1"),
    ],
)
def test_destinations_are_masked(destination: str, shown: str) -> None:
    """Reference, "Error texts"."""
    assert mask(destination) == shown


def test_delivery_details() -> None:
    assert SMS.render() == {
        "Destination": "+*******0123",
        "DeliveryMedium": "SMS",
        "AttributeName": "phone_number",
    }


# The outbox


def kept(world: World, **more: Any) -> list[Message]:
    sent = queries.list_messages(world.tx, world.seal, ACCOUNT, REGION, **more)
    return [each.message for each in sent]


def test_the_outbox_is_read_by_account_region_and_user(world: World) -> None:
    """Attack O24: nothing of another account or region."""
    first, second = (
        Message(POOL_ID, "ada", "EMAIL", "a@x.y", "SignUp", "S", "1"),
        composed(pool_of(world), "SignUp", SMS),
    )
    for message in (first, second):
        queries.keep_message(world.tx, world.seal, message, 7.0)

    assert [each.body for each in kept(world)] == ["1", "Your verification code is 123456"]
    assert kept(world, username="a@x.y") == [first]
    assert len(kept(world, username="ada")) == 2
    assert queries.list_messages(world.tx, world.seal, "111111111111", REGION) == []
    assert queries.list_messages(world.tx, world.seal, ACCOUNT, "eu-west-1") == []


def test_what_comes_later_is_read_from_where_one_stopped(world: World) -> None:
    for number in range(5):
        queries.keep_message(world.tx, world.seal, Message(POOL_ID, "ada", "SMS", "+1", "SignUp", "", str(number)), 1.0)

    newest = queries.list_messages(world.tx, world.seal, ACCOUNT, REGION, size=2)
    later = queries.list_messages(world.tx, world.seal, ACCOUNT, REGION, since=newest[0].number - 2, size=2)

    assert [each.message.body for each in newest] == ["3", "4"]
    assert [each.message.body for each in later] == ["2", "3"]


def test_a_pool_keeps_its_newest_messages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_KEPT", 3)
    for number in range(6):
        queries.keep_message(world.tx, world.seal, Message(POOL_ID, "ada", "SMS", "+1", "SignUp", "", str(number)), 1.0)

    assert [each.body for each in kept(world)] == ["3", "4", "5"]


def test_codes_at_rest_are_sealed(world: World) -> None:
    """Attack O14: neither in the outbox nor as a digest that could be guessed back."""
    queries.keep_message(world.tx, world.seal, composed(pool_of(world), "SignUp"), 1.0)
    put(world, "123456")

    dump = json.dumps(
        [
            [str(bytes(each) if isinstance(each, bytes) else each) for each in row]
            for table in ("outbox", "user_codes")
            for row in world.tx.sql.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    )
    assert "ada@example.com" in dump
    assert "123456" not in dump


# Codes


HOUR = 3_600


def add_user(world: World, name: str = "ada") -> None:
    user = User(POOL_ID, name, name, f"sub-{name}", "UNCONFIRMED", True, 1.0, 1.0, {"sub": f"sub-{name}"})
    users.add_user(world.tx, world.seal, user, {})


def put(world: World, code: str, *, name: str = "ada", purpose: str = "sign_up", now: float = 0.0) -> bool:
    if users.find_user(world.tx, world.seal, POOL_ID, name) is None:
        add_user(world, name)
    return queries.put_code(
        world.tx, world.seal, POOL_ID, name, purpose, code, now=now, expires_at=now + HOUR, most=5, window_s=HOUR
    )


def attempt(world: World, code: str, *, name: str = "ada", purpose: str = "sign_up", now: float = 0.0) -> str:
    return queries.try_code(world.tx, world.seal, POOL_ID, name, purpose, code, now=now, most=3, window_s=HOUR)


def take(world: World, code: str, now: float = 0.0) -> bool:
    return queries.take_code(world.tx, world.seal, POOL_ID, "ada", "sign_up", code, now)


def test_a_code_is_its_users_for_its_purpose(world: World) -> None:
    """Attack O23."""
    put(world, "111111")
    put(world, "222222", name="bob")

    assert attempt(world, "111111") == queries.RIGHT
    assert attempt(world, "222222") == queries.WRONG
    assert attempt(world, "111111", name="bob") == queries.WRONG
    assert attempt(world, "111111", purpose="forgot_password") == queries.EXPIRED
    assert attempt(world, "111111", name="nobody") == queries.EXPIRED


def test_a_code_is_used_once(world: World) -> None:
    """Attack O23."""
    put(world, "111111")

    assert (take(world, "222222"), take(world, "111111"), take(world, "111111")) == (False, True, False)
    assert attempt(world, "111111") == queries.EXPIRED


def test_a_code_expires(world: World) -> None:
    put(world, "111111")

    assert attempt(world, "111111", now=HOUR) == queries.EXPIRED
    assert take(world, "111111", now=HOUR) is False


def test_a_new_code_ends_the_one_before(world: World) -> None:
    put(world, "111111")
    put(world, "222222")

    assert take(world, "111111") is False
    assert take(world, "222222") is True


def test_guesses_are_counted_whatever_they_are(world: World) -> None:
    """Attack O23: after the last try the right code is refused as well, and a new code buys no new guesses."""
    put(world, "111111")
    tries = [attempt(world, code) for code in ("222222", "333333", "444444", "111111")]
    put(world, "555555")
    after_another = attempt(world, "555555")
    put(world, "666666", now=HOUR)
    later = attempt(world, "666666", now=HOUR)

    assert tries == [queries.WRONG, queries.WRONG, queries.WRONG, queries.EXHAUSTED]
    assert (after_another, later) == (queries.EXHAUSTED, queries.RIGHT)


def test_codes_are_sent_so_often_within_an_hour(world: World) -> None:
    sent = [put(world, "111111", now=float(number)) for number in range(6)]
    later = put(world, "111111", now=float(HOUR))

    assert (sent, later) == ([True] * 5 + [False], True)


# Posting


class Mailbox:
    """What a mail server keeps, and whom it refuses."""

    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, Mime]] = []
        self.users: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if any("nobody" in each for each in envelope.rcpt_tos):
            return "550 no such mailbox"
        assert isinstance(envelope.content, bytes)
        self.mails.append((envelope, message_from_bytes(envelope.content)))
        return "250 kept"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        self.users.append(given.login)
        return AuthResult(success=given.password == b"s@cret")


@pytest.fixture
def mailbox(unused_port: int) -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=unused_port,
        authenticator=box.authenticate,
        auth_require_tls=False,
        auth_required=False,
    )
    controller.start()
    yield box, unused_port
    controller.stop()


def sent(settings: Settings, mail: Mail) -> None:
    send = open_mail(settings)
    assert send is not None

    async def wait() -> None:
        await send(mail)

    asyncio.run(wait())


def test_a_mail_reaches_the_mail_server(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    settings = Settings(smtp_url=f"smtp://127.0.0.1:{port}", mail_from="Shop <shop@example.com>")

    sent(settings, Mail("ada@example.com", "Grüße\nBcc: evil@example.com", "<p>Größe 123456</p>", reply_to="help@x.y"))

    ((envelope, mime),) = box.mails
    assert envelope.mail_from == "shop@example.com"
    assert envelope.rcpt_tos == ["ada@example.com"]
    assert (mime["From"], mime["To"], mime["Reply-To"]) == ("Shop <shop@example.com>", "ada@example.com", "help@x.y")
    assert mime["Bcc"] is None
    assert abs(parsedate_to_datetime(mime["Date"]).timestamp() - clock.now()) < 60
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.com>", mime["Message-ID"])
    assert mime.get_content_type() == "text/html"
    body = mime.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().strip() == "<p>Größe 123456</p>"


def test_the_mail_server_is_told_who_sends(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox

    sent(Settings(smtp_url=f"smtp://shop:s%40cret@127.0.0.1:{port}"), Mail("ada@example.com", "S", "B"))

    assert (box.users, len(box.mails)) == ([b"shop"], 1)


@pytest.mark.parametrize(
    ("url", "to"),
    [
        ("smtp://127.0.0.1:{port}", "nobody@example.com"),
        ("smtp://127.0.0.1:{port}", "a@b\r\nRCPT TO:<evil@example.com>"),
        ("smtp://shop:wrong@127.0.0.1:{port}", "ada@example.com"),
        ("smtps://127.0.0.1:{port}", "ada@example.com"),
        ("smtp://127.0.0.1:1", "ada@example.com"),
    ],
)
def test_a_mail_that_is_not_taken_is_an_error(mailbox: tuple[Mailbox, int], url: str, to: str) -> None:
    box, port = mailbox

    with pytest.raises(AwsError) as refused:
        sent(Settings(smtp_url=url.format(port=port)), Mail(to, "S", "B"))

    assert refused.value.code == "CodeDeliveryFailureException"
    assert box.mails == []


def test_a_pool_says_from_whom_its_mails_are(world: World) -> None:
    pool = pool_of(world, EmailConfiguration={"From": "Pool <pool@x.y>", "ReplyToEmailAddress": "r@x.y"})
    mails: list[Mail] = []

    async def keep(mail: Mail) -> None:
        mails.append(mail)

    ports = replace(world.edge.ports, send_mail=keep)
    asyncio.run(post(pool, ports, composed(pool, "SignUp"), ADA))
    asyncio.run(post(pool, ports, composed(pool, "SignUp", SMS), ADA))

    (mail,) = mails
    assert (mail.to, mail.sender, mail.reply_to) == ("ada@example.com", "Pool <pool@x.y>", "r@x.y")


def test_a_pools_own_sender_is_told_the_code_and_no_mail_goes_out(world: World) -> None:
    pool, function = pool_of(world, "CustomEmailSender"), Function()

    async def never(_: Mail) -> None:
        raise AssertionError

    ports = replace(world.edge.ports, send_mail=never, invoke=function)
    asyncio.run(post(pool, ports, composed(pool, "ForgotPassword"), ADA))

    assert function.event["triggerSource"] == "CustomEmailSender_ForgotPassword"
    assert function.event["request"]["code"] == "MTIzNDU2"


@pytest.mark.parametrize("url", ["mail.example.com", "http://mail", "smtp://", "smtp://host:99999", "smtp://u:secret@"])
def test_a_bad_mail_server_stops_the_start_and_is_not_repeated(url: str) -> None:
    with pytest.raises(SetupError) as refused:
        Settings(smtp_url=url)

    assert "SCOPEGATE_SMTP_URL" in str(refused.value)
    assert "secret" not in str(refused.value)
