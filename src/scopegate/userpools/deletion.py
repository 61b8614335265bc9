"""What is left of user pools that are deleted: their many users, some at a time, so that others may write in between.

Begun by DeleteUserPool; what a stopped process leaves is found again by the next that sweeps.
"""

from scopegate.store.port import Store
from scopegate.userpools import queries


async def delete_left_users(store: Store) -> None:
    while (await store.write(queries.delete_left_users)).result:
        pass
