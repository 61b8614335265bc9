"""Where somebody signs in: what a sign-in needs of this process, for pages and operations alike."""

from collections.abc import Mapping

from scopegate.base import clock
from scopegate.base.settings import Settings
from scopegate.ports import Ports
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer
from scopegate.userpools.client_auth import guesser_of
from scopegate.userpools.messages.compose import compose
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.messages.post import post, send_beside
from scopegate.userpools.messages.queries import keep_message
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.signin.flow import Desk
from scopegate.userpools.triggers import About, attributes_of
from scopegate.userpools.users.model import User


def open_desk(
    pool: PoolView,
    client: AppClient,
    ports: Ports,
    store: Store,
    seal: Sealer,
    *,
    via: str,
    metadata: Mapping[str, str] | None = None,
    validation_data: Mapping[str, str] | None = None,
    address: str = "",
    settings: Settings,
) -> Desk:
    """via: of the tokens that come of it. metadata, validation_data: Desk's. address: where the request came from."""

    async def send(user: User, delivery: Delivery, source: str, code: str) -> None:
        about = About(user.username, client.client_id, attributes_of(user), metadata)
        message = await compose(pool, ports.invoke, source, about, delivery, code, public_url="")
        await store.write(lambda tx: keep_message(tx, seal, message, clock.now()))
        await post(pool, ports, message, about)

    async def send_code(user: User, delivery: Delivery, source: str, code: str, *, beside: bool) -> None:
        sending = send(user, delivery, source, code)
        if beside:
            send_beside(pool, ports, sending)
        else:
            await sending

    return Desk(
        store=store,
        seal=seal,
        passwords=ports.passwords,
        invoke=ports.invoke,
        send_code=send_code,
        pool=pool,
        client=client,
        via=via,
        metadata=metadata,
        validation_data=validation_data,
        guesser="" if settings.development else guesser_of(address),
        rates=None if settings.development else ports.rates,
    )
