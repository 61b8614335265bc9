"""What `scopegate check` may say: rules, by id, and what a finding and a report are made of.

Ids are stable: suppressions and dashboards name them. `docs/check.md` explains each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rule:
    """severity: `error`, `warning` or `note`. says: what is found, in one sentence. why: what it means."""

    severity: str
    says: str
    why: str


RULES: Final[Mapping[str, Rule]] = {
    "refused": Rule(
        "error",
        "A deployment refuses the template.",
        "It is refused before anything is made, or fails at this resource and is undone.",
    ),
    "misspelt-key": Rule(
        "error",
        "A key of an OpenAPI document is nearly one that API Gateway knows.",
        "An import passes over keys that it does not know: what the key should have said is not said.",
    ),
    "function-missing": Rule(
        "error",
        "A route or an authorizer names a function that does not exist.",
        "Every call of the route is answered 500.",
    ),
    "function-not-permitted": Rule(
        "error",
        "API Gateway may not invoke a function that a route or an authorizer names.",
        "Every call of the route is answered 500 until an AWS::Lambda::Permission lets the API in.",
    ),
    "broken-integration": Rule(
        "error",
        "An integration is accepted and cannot work.",
        "Every call of the route is answered 500; the message says what is wrong.",
    ),
    "open-route": Rule(
        "warning",
        "A route has no authorizer.",
        "Everybody may call it; no token is asked for.",
    ),
    "unscoped-method": Rule(
        "warning",
        "A REST method behind a user pool asks for no scope, and the pool has machine clients.",
        "Without scopes the method takes ID tokens alone: access tokens, as client_credentials gives them, get 401.",
    ),
    "undefined-scope": Rule(
        "warning",
        "A route asks for a scope that no resource server of its user pool defines.",
        "No token can have that scope, so it lets nobody in.",
    ),
    "unknown-audience": Rule(
        "warning",
        "A JWT authorizer asks for an audience that no app client of the user pool has.",
        "The client_id of an access token and the aud of an ID token are ids of app clients; no token will match.",
    ),
    "cached-policy": Rule(
        "warning",
        "What a Lambda authorizer answers for one route is remembered for the others.",
        "Within the TTL a token that was good for one route is judged on the others by the same answer: a policy that "
        "names one method refuses the rest, a plain yes lets it through.",
    ),
    "refusals-without-cors": Rule(
        "warning",
        "A REST API for browsers answers refusals without CORS headers.",
        "A page sees a network error instead of the 401, 403 or 500 that the gateway answered.",
    ),
    "guarded-preflight": Rule(
        "warning",
        "Preflight requests of browsers meet an authorizer.",
        "Browsers send OPTIONS without a token: it is refused, and the page never sends its call.",
    ),
    "closed-route": Rule(
        "warning",
        "A route is closed: every call is refused, because what is configured cannot be enforced.",
        "The reason is in the message; it is a fault of the template, or something that is not built yet.",
    ),
    "unknown-rule": Rule(
        "warning",
        "Metadata of a resource names a rule that does not exist.",
        "Nothing is ignored by it.",
    ),
    "unreachable-route": Rule(
        "note",
        "No app client of the user pool may ask for any scope of a route.",
        "Nobody can call it, unless clients are made elsewhere.",
    ),
    "foreign-issuer": Rule(
        "note",
        "An authorizer trusts an issuer or a user pool that is not of the template.",
        "Its audiences and scopes are not looked at; nothing is fetched.",
    ),
    "function-elsewhere": Rule(
        "note",
        "A route or an authorizer names a function of another account.",
        "Whether it exists and lets the API in cannot be seen from here.",
    ),
    "not-acted-on": Rule(
        "note",
        "Something is deployed and not acted on by this server.",
        "It does not change who may call; the message says what is different from AWS.",
    ),
}

NEVER_IGNORED: Final = frozenset({"refused", "unknown-rule"})


@dataclass(frozen=True, slots=True)
class Finding:
    """rule: of RULES. line: of `file`, from 1. snippet: YAML that mends it, "" where none can.

    owners: logical ids of the resources whose Metadata may ignore it, innermost first.
    """

    rule: str
    message: str
    file: str
    line: int | None
    owners: tuple[str, ...] = ()
    snippet: str = ""

    @property
    def severity(self) -> str:
        return RULES[self.rule].severity


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of one template. apis: name, kind, stage and routes of each, without ids that change.

    notes: what the deployment told. ignored: how many findings Metadata or the caller ignored.
    """

    file: str
    apis: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    ignored: int = 0
