"""A message's way out: the pool's own sender, else mail by SMTP; SMS, and mail without a server, stay in the outbox.

Source: reference, "Lambda triggers" (senders), CodeDeliveryFailureException; RFC 5321, RFC 5322, RFC 3207.
"""

import base64
from collections.abc import Coroutine, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.ports import Mail, Ports, SendMail
from scopegate.userpools.messages.model import EMAIL, Message
from scopegate.userpools.model import PoolView
from scopegate.userpools.triggers import About, custom_sender

_TIMEOUT_S: Final = limit("userpools.mail_timeout_ms") / 1000
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

log = structlog.get_logger()


async def post(pool: PoolView, ports: Ports, message: Message, about: About) -> None:
    """Send what is in the outbox already. Raises CodeDeliveryFailureException when the mail server does not take it."""
    # Without KMS the code is not encrypted; see docs/divergences.md.
    code = base64.b64encode(message.code.encode()).decode("ascii")
    about = about.with_address(message.attribute, message.destination)
    if await custom_sender(pool, ports.invoke, message.medium, message.purpose, about, code):
        return
    if message.medium == EMAIL and ports.send_mail is not None:
        await ports.send_mail(render_mail(pool.document, message))


def send_beside(pool: PoolView, ports: Ports, work: Coroutine[Any, Any, None]) -> None:
    """Send what an answer that does not tell who is there must not wait for; failures are told to the log alone."""

    async def done() -> None:
        try:
            await work
        except AwsError as error:
            log.warning("user.not_sent", user_pool_id=pool.pool_id, code=error.code, why=error.log)

    ports.beside(done())


def render_mail(document: Mapping[str, Any], message: Message) -> Mail:
    """The message as mail, from whom the pool says. document: UserPoolType."""
    configuration = document.get("EmailConfiguration") or {}
    return Mail(
        message.destination,
        message.subject,
        message.body,
        configuration.get("From", ""),
        configuration.get("ReplyToEmailAddress", ""),
    )


def open_mail(settings: Settings) -> SendMail | None:
    """The way to the mail server that the settings name, None without one."""
    if settings.smtp_url is None:
        return None
    server = urlsplit(settings.smtp_url)
    host = server.hostname or ""
    uses_tls = server.scheme == "smtps"
    # A password never goes over the network in the clear: STARTTLS is then demanded, else it is used where offered.
    start_tls = True if server.username and host not in _LOOPBACK and not uses_tls else None
    options: dict[str, Any] = {
        "hostname": host,
        "port": server.port or (465 if uses_tls else 587 if server.username else 25),
        "username": unquote(server.username) if server.username else None,
        "password": unquote(server.password) if server.password else None,
        "use_tls": uses_tls,
        "start_tls": None if uses_tls else start_tls,
        "timeout": _TIMEOUT_S,
    }

    async def send_mail(mail: Mail) -> None:
        try:
            await aiosmtplib.send(_render(mail, settings.mail_from), **options)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            kind = type(error).__name__
            # What the server said may hold the address: its code is enough.
            code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
            log.warning("mail.failed", server=host, reason=kind, **({} if code is None else {"code": code}))
            raise AwsError(
                "CodeDeliveryFailureException", "The message could not be delivered.", log=f"mail: {kind}"
            ) from error

    return send_mail


def _render(mail: Mail, mail_from: str) -> EmailMessage:
    """Raises ValueError for an address that no header can hold."""
    message = EmailMessage(policy=SMTP)
    message["From"] = mail.sender or mail_from
    message["To"] = mail.to
    message["Date"] = formatdate(clock.now())
    domain = parseaddr(message["From"])[1].rpartition("@")[2]
    message["Message-ID"] = f"<{clock.uuid4()}@{domain or 'localhost'}>"
    message["Subject"] = " ".join(mail.subject.split())
    if mail.reply_to:
        message["Reply-To"] = mail.reply_to
    message.set_content(mail.body, subtype="html", charset="utf-8")
    return message
