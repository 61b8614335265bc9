"""What policies belong to: a role's or a user's document, by name, and the quotas of both."""

from dataclasses import dataclass
from typing import Any, Final

from scopegate.account import queries
from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document


@dataclass(frozen=True, slots=True)
class Owner:
    """A kind of identity. entity: its member in documents and answers, which names it with `Name` behind."""

    kind: str
    entity: str
    inline_limit: str
    attached_limit: str

    @property
    def name_member(self) -> str:
        return f"{self.entity}Name"

    def get(self, call: Call, request: Shape) -> dict[str, Any]:
        """The document of whom a request names. Raises NoSuchEntity."""
        name = request[self.name_member]
        document = queries.find_entity(call.tx, call.account, self.kind, name)
        if document is None:
            raise AwsError("NoSuchEntity", f"The {self.kind} with name {name} cannot be found.")
        return document

    def put(self, call: Call, document: dict[str, Any]) -> None:
        queries.put_entity(call.tx, call.account, self.kind, document[self.entity][self.name_member], document)

    def list(self, call: Call) -> list[Document]:
        """In the order of names."""
        return [document for _, document in queries.list_entities(call.tx, call.account, self.kind)]

    def is_taken(self, call: Call, name: str) -> bool:
        """Names are told apart without regard to case."""
        entities = queries.list_entities(call.tx, call.account, self.kind)
        return any(held.lower() == name.lower() for held, _ in entities)


ROLE: Final = Owner("role", "Role", "account.iam.role_policy_characters", "account.iam.policies_per_role")
USER: Final = Owner("user", "User", "account.iam.user_policy_characters", "account.iam.policies_per_user")
OWNERS: Final = (ROLE, USER)


def check_quota(call: Call, name: str, value: int, message: str) -> None:
    """A quota of the account binds only with `--aws-quotas`."""
    if call.settings.aws_quotas and value > limit(name):
        raise AwsError("LimitExceeded", message)
