"""The commands, their options and their help; what they do is in `client.py`, `serve.py`, `stacks.py`, `keys.py` and
`render.py`.

A command imports what it needs when it runs: `token` in a shell loop must not wait for the database library.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console

import scopegate
from scopegate.base import garbage
from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.cli import client

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""
Amazon Cognito's OAuth 2.0 server, Amazon API Gateway and a Lambda-compatible function runtime, on one port.

[bold]Examples[/bold]

  scopegate up template.yaml                      everything in the file runs, enforced

  scopegate token --client orders-job             an access token of a client

  scopegate call GET /orders --client orders-job  token, call, answer, and why

  scopegate explain REQUEST_ID                    the ten steps of that call

  scopegate serve --dev                           the same server without a template

  scopegate deploy template.yaml                  a template into a running server

  aws --endpoint-url http://localhost:4566 cognito-idp list-user-pools --max-results 10
""",
)

keys_app = typer.Typer(
    no_args_is_help=True,
    help="Admin keys of production mode. Example: scopegate keys create --name deploy",
)
app.add_typer(keys_app, name="keys")

Endpoint = Annotated[
    str,
    typer.Option("--endpoint", envvar="AWS_ENDPOINT_URL", help="A running server.", show_default=True),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="Stack name of one file; default: its folder's name. Of several: each file's own name."
    ),
]
SkipUnknown = Annotated[
    bool, typer.Option("--skip-unknown", help="Leave out resources of types that nothing here can make.")
]
NoBuild = Annotated[bool, typer.Option("--no-build", help="Take code as it lies there: install and bundle nothing.")]
DEFAULT_ENDPOINT = "http://localhost:4566"


def _options(**chosen: Any) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if value is not None}


def _with_settings(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every flag of the settings table but those named; they arrive as `**flags`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        rows = [row for row in fields(Settings) if row.metadata["flag"] and row.name not in left_out]
        added = [
            inspect.Parameter(
                row.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None if row.type is not bool else False,
                annotation=Annotated[
                    _FLAG_TYPES[str(row.type)], typer.Option(row.metadata["flag"], help=row.metadata["help"])
                ],
            )
            for row in rows
        ]
        signature = inspect.Signature([*own, *added])

        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            command(*args, **kwargs)

        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return wrapper

    return decorate


_FLAG_TYPES: Final[dict[str, Any]] = {
    "<class 'str'>": str | None,
    "<class 'int'>": int | None,
    "<class 'bool'>": bool,
    "<class 'pathlib.Path'>": Path | None,
    "str | None": str | None,
    "int | None": int | None,
    "tuple[str, ...]": list[str] | None,
}


@app.command()
@_with_settings("development")
def up(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="SAM or CloudFormation templates, or OpenAPI documents, each a stack; default: template.yaml (.yml, "
            ".json) here.",
        ),
    ] = None,
    name: Name = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="Template parameter, KEY=VALUE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done to the stack, and end.")] = False,
    skip_unknown: SkipUnknown = False,
    no_build: NoBuild = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Deploy again whenever the template, its code or a layer is saved.")
    ] = False,
    **flags: Any,
) -> None:
    """Run a template: everything in it, enforced, on one port. Development mode, loopback only.

    What a requirements.txt or package.json beside unbuilt code asks for is installed once, into a cache.

    Example: scopegate up template.yaml --name shop --port 4566

    Example: scopegate up --watch

    Example: scopegate up .aws-sam/build/template.yaml
    """
    from scopegate.cli import serve, stacks  # noqa: PLC0415

    if dry_run and watch:
        raise SetupError("--dry-run ends and --watch goes on: give one of them")
    chosen = tuple(files or [stacks.find_template(Path())])
    order = stacks.Order(chosen, name, client.parse_parameters(param or []), skip_unknown)
    wanted = serve.Wanted(order, dry_run=dry_run, build=not no_build, watch=watch)
    serve.run({**flags, "development": True}, wanted)


@app.command(name="serve")
@_with_settings()
def serve_command(**flags: Any) -> None:
    """Run the server. Production mode needs an admin key (scopegate keys create); --dev accepts any.

    Example: scopegate serve --dev

    Example: scopegate serve --host 0.0.0.0 --database postgresql://db/scopegate --public-url https://auth.example.com
    """
    from scopegate.cli import serve  # noqa: PLC0415

    serve.run(flags)


@app.command()
def deploy(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="SAM or CloudFormation templates, or OpenAPI documents, each a stack of its own."
        ),
    ],
    name: Name = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="Template parameter, KEY=VALUE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, change nothing.")] = False,
    skip_unknown: SkipUnknown = False,
    no_build: NoBuild = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Deploy templates into a running server; only what changed is touched, and a failure is undone.

    Of several files each comes after those whose exports it imports. Ctrl-C leaves the server at its work.

    Exit code 1: the deployment failed; 2: nothing was begun.

    Example: scopegate deploy template.yaml --name shop --param Stage=prod

    Example: scopegate deploy template.yaml --name shop --dry-run

    Example: scopegate deploy pool.yaml api.yaml
    """
    from scopegate.cli import stacks  # noqa: PLC0415

    server = client.Client(endpoint)
    projects = stacks.Order(tuple(files), name, client.parse_parameters(param or [])).read(server.region)
    console = Console(highlight=False)
    builder = None if no_build else stacks.make_builder(console)
    if dry_run:
        stacks.plan(console, server, projects, builder=builder, skip_unknown=skip_unknown)
        return
    for project in projects:
        stacks.deploy(console, server, project, builder=builder, skip_unknown=skip_unknown)


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="SAM or CloudFormation templates, or OpenAPI documents.")
    ],
    param: Annotated[list[str] | None, typer.Option("--param", help="Template parameter, KEY=VALUE.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="A rule to tell nothing of.")] = None,
    skip_unknown: SkipUnknown = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail as errors do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="As SARIF 2.1.0, for code hosts.")] = False,
) -> None:
    """Judge templates without deploying them: who may call what, what is wrong, what is suspicious and how to mend it.

    Exit code 1: there is an error (with --strict, a warning). docs/check.md explains each rule.

    Example: scopegate check template.yaml --param Stage=prod

    Example: scopegate check services/*/template.yaml --strict --sarif > scopegate.sarif
    """
    from scopegate.cli import check  # noqa: PLC0415

    if as_json and as_sarif:
        raise SetupError("--json and --sarif exclude each other")
    parameters = client.parse_parameters(param or [])
    reports = check.check(files, parameters, ignore or [], skip_unknown=skip_unknown)
    if as_json or as_sarif:
        print(check.as_json(reports) if as_json else check.as_sarif(reports))
    else:
        check.show(Console(highlight=False), reports)
    raise typer.Exit(check.exit_code(reports, strict=strict))


@app.command()
def delete(
    stack: Annotated[str, typer.Argument(help="The stack's name, as outputs shows it.")],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Delete a stack and what it made, but what its template retains.

    Example: scopegate delete shop
    """
    from scopegate.cli import stacks  # noqa: PLC0415

    stacks.delete(Console(highlight=False), client.Client(endpoint), stack)


@app.command()
def outputs(
    stack: Annotated[str | None, typer.Argument(help="The stack's name; default: all stacks.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; of all stacks by their names.")] = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Show the outputs of stacks, KEY = VALUE.

    Example: scopegate outputs shop --json
    """
    from scopegate.cli import stacks  # noqa: PLC0415

    stacks.outputs(Console(), client.Client(endpoint), stack, as_json=as_json)


@app.command()
def token(
    client_name: Annotated[str, typer.Option("--client", help="App client, by name or id.")],
    scope: Annotated[str | None, typer.Option("--scope", help="Scopes, separated by blanks; default: all.")] = None,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Ask for an access token with client_credentials and print it.

    Example: curl -H "Authorization: $(scopegate token --client orders-job)" http://localhost:4566/…
    """
    print(client.Client(endpoint).token(client_name, scope))


@app.command()
def call(
    method: Annotated[str, typer.Argument(help="GET, POST, …")],
    path: Annotated[str, typer.Argument(help="Path of the API, as routes show it.")],
    client_name: Annotated[str | None, typer.Option("--client", help="App client whose token is sent.")] = None,
    scope: Annotated[str | None, typer.Option("--scope", help="Scopes to ask for; default: all.")] = None,
    api: Annotated[str | None, typer.Option("--api", help="API, by name or id.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Stage; default: the only one.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="Body to send.")] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="'Name: value'.")] = None,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Call an API: token, call, answer, and why it was allowed or denied.

    Example: scopegate call POST /orders --client orders-job -d '{"item": "tea"}'
    """
    allowed = client.Client(endpoint).call(
        Console(), method.upper(), path, client_name, scope, api, stage, data, header or []
    )
    raise typer.Exit(0 if allowed else 1)


@app.command()
def explain(
    request_id: Annotated[
        str, typer.Argument(metavar="REQUEST_ID", help="x-amzn-RequestId or apigw-requestid of an answer.")
    ],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Show the ten steps of a call, with times and the decision.

    Example: scopegate explain 141d6671-99b4-40ca-9997-7a22f01eac74
    """
    client.Client(endpoint).explain(Console(), request_id)


@app.command()
def ls(endpoint: Endpoint = DEFAULT_ENDPOINT) -> None:
    """Show pools, clients, APIs with their routes, and functions.

    Example: scopegate ls
    """
    client.Client(endpoint).overview(Console())


@app.command()
def logs(
    function: Annotated[str | None, typer.Argument(help="A function's name, or a log group's; default: all.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Show what functions wrote, and the access logs of stages.

    Example: scopegate logs OrdersFunction -n 100 --follow
    """
    client.Client(endpoint).logs(function, lines, follow=follow)


@app.command()
def outbox(
    user: Annotated[str | None, typer.Option("--user", help="A user name or an address; default: everybody.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
) -> None:
    """Show the mails and SMS that user pools wrote to their users, with the codes in them.

    Example: scopegate outbox --user ada@example.com
    """
    client.Client(endpoint).outbox(Console(highlight=False), user, follow=follow, as_json=as_json)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option("--name", help="Whose key it is.")] = "admin",
    database: Annotated[str | None, typer.Option(help="As the server's.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="As the server's. Default: .scopegate")] = None,
) -> None:
    """Make an admin key and print it once.

    Example: scopegate keys create --name deploy
    """
    from scopegate.cli import keys  # noqa: PLC0415

    keys.create(_options(database=database, data_dir=data_dir), name)


@keys_app.command("list")
def keys_list(
    database: Annotated[str | None, typer.Option(help="As the server's.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="As the server's. Default: .scopegate")] = None,
) -> None:
    """List admin keys, without their secrets.

    Example: scopegate keys list
    """
    from scopegate.cli import keys  # noqa: PLC0415

    keys.list_all(_options(database=database, data_dir=data_dir))


@keys_app.command("revoke")
def keys_revoke(
    access_key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")],
    database: Annotated[str | None, typer.Option(help="As the server's.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="As the server's. Default: .scopegate")] = None,
) -> None:
    """Revoke an admin key; running servers refuse it within a second.

    Example: scopegate keys revoke AKIAIOSFODNN7EXAMPLE
    """
    from scopegate.cli import keys  # noqa: PLC0415

    keys.revoke(_options(database=database, data_dir=data_dir), access_key_id)


def _version(value: bool) -> None:
    if value:
        print(f"scopegate {scopegate.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The program `scopegate`: what the operator got wrong is one line on standard error, and exit code 2.

    Exit code 1 is for work that was begun and failed, and for a call that was refused.
    """
    garbage.begin()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except client.StackFailed as error:
        _complain(str(error), 1)
    except client.StackLeft as left:
        Console(stderr=True).print(str(left), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(130) from None
    except SetupError as error:
        _complain(str(error), 2)
    except typer.TyperException as error:
        message, usage = error.format_message(), getattr(error, "ctx", None)
        if not message:  # no command at all: the help is shown instead
            raise SystemExit(2) from None
        hint = f"; see {usage.command_path} --help" if usage is not None else ""
        _complain(message.rstrip(".") + hint, 2)
    except typer.Abort:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read has left; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    raise SystemExit(code)


def _complain(message: str, code: int) -> NoReturn:
    Console(stderr=True).print("error:", message, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(code) from None
