"""What the users and roles of accounts may do: their policies, as the frozen view has them.

Documents are kept as they came and compiled when they are first asked (`aws/policy.py` remembers them by their text),
so that a change of one entity costs a look-up of that entity and nothing else.
Source: IAM User Guide, "Policy evaluation logic", "Global condition context keys"; the sentences as AWS answers them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from scopegate.account.aws_policies import find_aws_policy
from scopegate.aws.operations import Caller, RoleSession
from scopegate.aws.policy import (
    Context,
    Decision,
    InvalidPolicy,
    Policy,
    Principal,
    Verdict,
    evaluate,
    parse_policy,
    parse_trust_policy,
    principal_of,
)
from scopegate.aws.rights import describe_caller
from scopegate.base import clock, names
from scopegate.store.documents import Document

FindEntity = Callable[[str, str, str], Document | None]
"""The document of (account, kind, name)."""

ASSUME_ROLE: Final = "sts:AssumeRole"
TAG_SESSION: Final = "sts:TagSession"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Layer:
    """Policies of one kind. All of them have to allow an action, in some policy; a deny in any of them refuses."""

    name: str  # as AWS's denial names it
    article: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Identities:
    """Every role, user and managed policy, as `queries` describes their documents."""

    find_entity: FindEntity = field(repr=False)

    def find_role(self, role_arn: str) -> Document | None:
        """The role of exactly that ARN."""
        arn = names.find_arn(role_arn)
        if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
            return None
        document = self.find_entity(arn.account, "role", arn.resource.rpartition("/")[2])
        return document if document is not None and document["Role"]["Arn"] == role_arn else None

    def allows(self, caller: Caller, action: str, resource: str, context: Context) -> Decision:
        """`ports.Allows`."""
        if caller.session is None and caller.user is None:
            return Decision(Verdict.ALLOW)
        entity = self._identity(caller)
        if entity is None:
            return _not_allowed(action)
        whole = self._with_path(resource)
        known = {**context, **_describe(caller, entity, whole)}
        try:
            layers = list(self._layers(caller, entity))
        except InvalidPolicy as error:
            log.warning("policy.not_understood", caller=caller.arn, reason=str(error))
            return Decision(Verdict.EXPLICIT_DENY, "because one of its policies cannot be evaluated")
        verdicts = [(layer, evaluate(layer.policies, action, whole, known)) for layer in layers]
        for layer, verdict in verdicts:
            if verdict is Verdict.EXPLICIT_DENY:
                return Decision(verdict, f"with an explicit deny in {layer.article} {layer.name}")
        for layer, verdict in verdicts[1:]:
            if verdict is not Verdict.ALLOW:
                # Not even the policy of a resource lets a caller out of these.
                return Decision(Verdict.EXPLICIT_DENY, _nowhere_allowed(action, layer.name))
        if verdicts[0][1] is not Verdict.ALLOW:
            return _not_allowed(action)
        return Decision(Verdict.ALLOW)

    def trusts(self, role_arn: str, principal: Principal, context: Context, *, action: str = ASSUME_ROLE) -> Verdict:
        """Whether a role lets somebody take it: DELEGATED, if the policies of who asks allow it as well."""
        role = self.find_role(role_arn)
        if role is None:
            return Verdict.IMPLICIT_DENY
        try:
            policy = parse_trust_policy(role["Role"]["AssumeRolePolicyDocument"])
        except InvalidPolicy as error:
            log.warning("policy.not_understood", role=role_arn, reason=str(error))
            return Verdict.EXPLICIT_DENY
        return evaluate((policy,), action, role_arn, context, principal)

    def may_assume(self, caller: Caller, action: str, role_arn: str, context: Context) -> bool:
        """Whether a caller may take a role, or tag its session: the role trusts it, and nothing that binds the caller
        is against it."""
        known = {**context, **_describe(caller, self._identity(caller), role_arn)}
        trust = self.trusts(role_arn, principal_of(caller), known, action=action)
        own = self.allows(caller, action, role_arn, context).verdict
        if own is Verdict.EXPLICIT_DENY or trust not in (Verdict.ALLOW, Verdict.DELEGATED):
            return False
        # Named itself by a role of its own account, a caller needs no policy beside.
        named = trust is Verdict.ALLOW and role_arn.split(":")[4] == caller.account
        return own is Verdict.ALLOW or (named and self._identity(caller) is not None)

    def assume_role(self, role_arn: str, service: str, session_name: str, context: Context) -> Caller | None:
        """`ports.AssumeRole`."""
        role = self.find_role(role_arn)
        if role is None or self.trusts(role_arn, Principal(service=service), context) is not Verdict.ALLOW:
            return None
        issued_at = int(clock.real_now())
        role_id, source_arn = role["Role"]["RoleId"], "".join(context.get("aws:sourcearn", ()))
        session = RoleSession(
            role_arn, session_name, role_id, issued_at=issued_at, service=service, source_arn=source_arn
        )
        return caller_of(session, "")

    def _identity(self, caller: Caller) -> Document | None:
        """The user or the role behind a caller, if it still is the one that the caller was made from."""
        if caller.session is None:
            document = self.find_entity(caller.account, "user", caller.user or "")
            return document if document is not None and document["User"]["UserId"] == caller.user_id else None
        session = caller.session
        role = self.find_role(session.role_arn)
        if role is None or session.role_id not in ("", role["Role"]["RoleId"]):
            return None
        if session.service:
            source = {"aws:sourceaccount": [caller.account], "aws:sourcearn": [session.source_arn]}
            trust = self.trusts(session.role_arn, Principal(service=session.service), source)
            return role if trust is Verdict.ALLOW else None
        return role

    def _layers(self, caller: Caller, entity: Document) -> Iterator[_Layer]:
        """Raises InvalidPolicy for one that cannot be evaluated: nothing is then allowed."""
        texts = [*entity["InlinePolicies"].values(), *map(self._find_managed, entity["AttachedPolicies"])]
        yield _Layer("identity-based policy", "an", _parse_all(texts))
        boundary = (entity.get("Role") or entity["User"]).get("PermissionsBoundary")
        if boundary is not None:
            yield _Layer(
                "permissions boundary", "a", _parse_all([self._find_managed(boundary["PermissionsBoundaryArn"])])
            )
        if caller.session is not None and caller.session.policies:
            found = [self._find_managed(text) if text.startswith("arn:") else text for text in caller.session.policies]
            yield _Layer("session policy", "a", _parse_all(found))

    def _find_managed(self, arn: str) -> str | None:
        """The document of a managed policy. None: of AWS and not known here, or gone; it allows nothing."""
        found = find_aws_policy(arn)
        if found is not None:
            return found
        parsed = names.find_arn(arn)
        if parsed is None:
            return None
        document = self.find_entity(parsed.account, "policy", parsed.resource.rpartition("/")[2])
        if document is None or document["Policy"]["Arn"] != arn:
            return None
        default = document["Policy"]["DefaultVersionId"]
        return next(str(one["Document"]) for one in document["Versions"] if one["VersionId"] == default)

    def _with_path(self, resource: str) -> str:
        """A user, role or policy of IAM with the path that it has: calls name it without."""
        arn = names.find_arn(resource)
        if arn is None or arn.service != "iam":
            return resource
        kind, _, name = arn.resource.partition("/")
        document = self.find_entity(arn.account, kind, name)
        if document is None:
            return resource
        return str(document[kind.capitalize()]["Arn"])


def caller_of(session: RoleSession, access_key_id: str) -> Caller:
    """Who a session of a role is."""
    arn = names.find_arn(session.role_arn)
    assert arn is not None
    name = arn.resource.rpartition("/")[2]
    return Caller(
        arn.account,
        f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{name}/{session.name}",
        f"{session.role_id}:{session.name}",
        access_key_id,
        session,
    )


def _not_allowed(action: str) -> Decision:
    return Decision(Verdict.IMPLICIT_DENY, _nowhere_allowed(action, "identity-based policy"))


def _nowhere_allowed(action: str, layer: str) -> str:
    return f"because no {layer} allows the {action} action"


def _parse_all(texts: list[str | None]) -> tuple[Policy, ...]:
    return tuple(parse_policy(text) for text in texts if text is not None)


def _describe(caller: Caller, entity: Document | None, resource: str) -> dict[str, list[str]]:
    """The condition keys about who calls."""
    owner = names.find_arn(resource)
    session = caller.session
    tags = {**(entity["Tags"] if entity is not None else {}), **dict(session.tags if session is not None else ())}
    found = describe_caller(caller) | {f"aws:principaltag/{key.lower()}": [value] for key, value in tags.items()}
    found["aws:resourceaccount"] = [(owner.account if owner is not None else "") or caller.account]
    return found
