"""The Python runtime: loads the handler and speaks the Lambda Runtime API over an inherited socket.

It runs inside the function's process under whatever Python the function asks for, so it is written for 3.6 and imports
little. It is not part of the server and imports nothing of it.
Source: reference pages "Python: handler string and load errors", "Reported by the runtime", "Text format, exact lines";
behaviour of awslambdaric 4.2.
"""

import _socket
import io
import json
import logging
import os
import sys
import time

_API_FD = 3
_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
_POST = b"POST /2018-06-01/runtime/invocation/%b/%b HTTP/1.1\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
_INIT_ERROR = (
    b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: %d\r\n"
    b"Lambda-Runtime-Function-Error-Type: %b\r\n\r\n"
)
_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. "
    "However, in rare cases, a Lambda runtime update can cause unexpected function behavior. "
    "For functions using managed runtimes, runtime updates can be triggered by a function change, or can be applied "
    "automatically. To determine if the runtime has been updated, check the runtime version in the INIT_START log "
    "entry. If this error correlates with a change in the runtime version, you may be able to mitigate this error by "
    "temporarily rolling back to the previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html"
)
_INDENT = "\u00a0\u00a0"
_NEWLINE = "\0\r"  # stands for a newline inside one log event; the server turns it back

_PYTHON = sys.version_info[:2]
# The 3.12 client and later write UTF-8; the older ones escape what is not ASCII.
_ASCII = _PYTHON < (3, 12)
_HAS_REQUEST_ID = _PYTHON >= (3, 9)


class Fault(Exception):
    """A failure that the runtime names itself."""

    def __init__(self, kind, message, trace=()):
        Exception.__init__(self, message)
        self.kind = kind
        self.trace = list(trace)


class ClientContext(object):
    """What a mobile SDK sent about itself."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, fields):
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        self.client = Client(fields["client"]) if fields.get("client") else None


class Client(object):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))


class CognitoIdentity(object):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields):
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")


class LambdaContext(object):
    """The handler's second argument. What the environment knows once is set on the class (see `_load`)."""

    log_group_name = log_stream_name = function_name = memory_limit_in_mb = function_version = None

    def __init__(self, request_id, arn, deadline_ms, client_context, identity, tenant_id):
        self.aws_request_id = request_id
        self.log_group_name = self.log_group_name
        self.log_stream_name = self.log_stream_name
        self.function_name = self.function_name
        self.memory_limit_in_mb = self.memory_limit_in_mb
        self.function_version = self.function_version
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self.client_context = None
        self._w3c = None
        if client_context:
            try:
                fields = json.loads(client_context)
            except ValueError as error:
                raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse Client Context JSON: %s" % error)
            if isinstance(fields, dict):
                self._w3c = fields.pop("w3c", None)
                self.client_context = ClientContext(fields)
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        self._epoch_deadline_time_in_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(message if isinstance(message, str) else str(message))

    def w3c(self):
        return self._w3c

    def __repr__(self):
        return "LambdaContext([%s])" % ",".join("%s=%s" % item for item in self.__dict__.items() if item[0][0] != "_")


class _Now(object):
    """The invocation that log records belong to."""

    request_id = None


# JSON


class _Number(float):
    """A Decimal on its way into JSON: written with its own digits."""

    def __new__(cls, text):
        number = float.__new__(cls, 0)
        number.text = text
        return number


class _FoundDecimal(Exception):
    pass


def _is_decimal(value):
    return type(value).__name__ == "Decimal" and type(value).__module__ in ("decimal", "_decimal")


def _refuse(value):
    if _is_decimal(value):
        raise _FoundDecimal()
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def _number(value):
    if _is_decimal(value):
        return _Number(str(value))
    return _refuse(value)


def _float_text(value):
    if isinstance(value, _Number):
        return value.text
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


_encode = json.JSONEncoder(ensure_ascii=_ASCII, default=_refuse).encode


def _to_json(value):
    try:
        return _encode(value)
    except _FoundDecimal:
        # The C encoder cannot write a Decimal; the Python one can be told how.
        from json import encoder

        escape = encoder.encode_basestring_ascii if _ASCII else encoder.encode_basestring
        pieces = encoder._make_iterencode({}, _number, escape, None, _float_text, ": ", ", ", False, False, False)
        return "".join(pieces(_number(value) if _is_decimal(value) else value, 0))


# Errors and logs


def _error_document(message, kind, trace, request_id):
    document = {"errorMessage": message, "errorType": kind}
    if _HAS_REQUEST_ID:
        document["requestId"] = request_id
    document["stackTrace"] = trace
    return document


def _describe(error, request_id):
    if isinstance(error, Fault):
        return _error_document(str(error), error.kind, error.trace, request_id)
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    for index, frame in enumerate(frames):
        if not frame[0].endswith("/bootstrap.py"):
            frames = frames[index:]
            break
    shown = [(_shown(frame[0]), frame[1], frame[2], frame[3]) for frame in frames]
    return _error_document(str(error), type(error).__name__, traceback.format_list(shown), request_id)


_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")


def _shown(path):
    """Where there is no mount namespace the code lies elsewhere; traces show it where Lambda has it."""
    if _root != "/var/task" and path.startswith(_root + "/"):
        return "/var/task" + path[len(_root) :]
    return path


def _log_error(document):
    if _json_logs:
        record = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "ERROR"}
        record.update(document)
        _write_event(_encode(record))
        return
    kind, message = document["errorType"], document["errorMessage"]
    first = "[ERROR] " + kind if kind else "[ERROR]"
    if message:
        first += ": " + message if kind else " " + message
    lines = [first]
    if document["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        for frame in document["stackTrace"]:
            for line in frame.splitlines():
                text = line.lstrip(" ")
                indents = (len(line) - len(text)) // 2
                lines.append(_INDENT * indents + " " * ((len(line) - len(text)) % 2) + text)
    elif document["stackTrace"] is not None:
        lines.append("Traceback (most recent call last):")
    _write_event("\n".join(lines))


def _write_event(text):
    sys.stdout.write(text.rstrip("\n").replace("\n", _NEWLINE) + "\n")


class _Handler(logging.Handler):
    """The root logger's one handler: each record is one event, whatever lines it has."""

    def emit(self, record):
        try:
            _write_event(self.format(record))
        except Exception:
            self.handleError(record)


class _RequestId(logging.Filter):
    def filter(self, record):
        record.aws_request_id = _Now.request_id or ""
        return True


_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "aws_request_id"}


class _JsonFormatter(logging.Formatter):
    def format(self, record):
        entry = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            import traceback

            kind, error, trace = record.exc_info
            entry["stackTrace"] = traceback.format_list([tuple(frame) for frame in traceback.extract_tb(trace)])
            entry["errorType"] = kind.__name__
            entry["errorMessage"] = str(error)
            entry["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
        entry["requestId"] = record.aws_request_id or None
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in entry:
                entry[name] = value
        return json.dumps({k: v for k, v in entry.items() if v is not None}, ensure_ascii=False, default=str)


_json_logs = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def _set_up_logging():
    # One write for each line, not for each piece: `print` costs one system call.
    sys.stdout = io.TextIOWrapper(
        io.open(1, "wb", buffering=8192, closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
    sys.stderr = io.TextIOWrapper(
        io.open(2, "wb", buffering=8192, closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
    handler = _Handler()
    if _json_logs:
        handler.setFormatter(_JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        logging.root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    handler.addFilter(_RequestId())
    logging.root.addHandler(handler)


# Loading


def _set_path():
    """`/var/task` first, then layers, the standard library, and last the AWS SDK that Lambda has too."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    version = "python%d.%d" % _PYTHON
    opt = os.environ.pop("_SCOPEGATE_OPT", "/opt")
    sys.path[:0] = [_root, "%s/python/lib/%s/site-packages" % (opt, version), "%s/python" % opt]
    sys.path.append(os.environ.pop("_SCOPEGATE_SDK", "/var/lang/lib/sdk"))
    # `-S` keeps the machine's packages out; the names that `site` gives to every program belong to Python.
    import site

    site.setquit()
    site.sethelper()
    sys.argv = [os.environ.get("_HANDLER", "")]


def _load(text):
    import importlib

    try:
        module_name, name = text.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (text, error))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = '  File "%s" Line %s\n    %s' % (_shown(error.filename or ""), error.lineno, error.text)
        message = "Syntax error in module '%s': %s" % (module_name, error)
        raise Fault("Runtime.UserCodeSyntaxError", message, [trace])
    try:
        return getattr(module, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name))


# The loop


class _Api(object):
    """The Runtime API over a socket: one answer at a time, in the order of the requests."""

    def __init__(self):
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, _API_FD)
        os.set_inheritable(_API_FD, False)
        self.buffer = b""

    def read(self):
        """(head, body) of one answer. The end of the connection ends this process."""
        buffer = self.buffer
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            more = self.socket.recv(65536)
            if not more:
                os._exit(0)
            buffer += more
            end = buffer.find(b"\r\n\r\n")
        head = buffer[:end]
        at = head.index(b"Content-Length: ") + 16
        line_end = head.find(b"\r\n", at)
        size = int(head[at:line_end] if line_end > 0 else head[at:])
        start = end + 4
        missing = start + size - len(buffer)
        if missing > 0:
            pieces = [buffer]
            while missing > 0:
                more = self.socket.recv(min(missing, 1048576) if missing > 65536 else 65536)
                if not more:
                    os._exit(0)
                pieces.append(more)
                missing -= len(more)
            buffer = b"".join(pieces)
        self.buffer = buffer[start + size :]
        return head, buffer[start : start + size]


def _headers(head):
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        headers[name] = value
    return headers


def _main():
    _set_up_logging()
    api = _Api()
    text = os.environ.get("_HANDLER", "")
    _set_path()
    for name, variable in (
        ("log_group_name", "AWS_LAMBDA_LOG_GROUP_NAME"),
        ("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
        ("function_name", "AWS_LAMBDA_FUNCTION_NAME"),
        ("memory_limit_in_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        ("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
    ):
        setattr(LambdaContext, name, os.environ.get(variable))
    try:
        handler = _load(text)
    except Exception as error:
        document = _describe(error, "")
        _write_event(_WARNING)
        _log_error(document)
        sys.stdout.flush()
        body = _encode(document).encode("utf-8", "backslashreplace")
        kind = document["errorType"].encode("ascii", "replace")
        api.socket.sendall(_INIT_ERROR % (len(body), kind) + body)
        api.read()
        sys.exit(1)
    api.socket.sendall(_NEXT)
    environ = os.environ
    while True:
        head, payload = api.read()
        headers = _headers(head)
        request_id = headers[b"Lambda-Runtime-Aws-Request-Id"]
        trace_id = headers.get(b"Lambda-Runtime-Trace-Id")
        if trace_id:
            environ["_X_AMZN_TRACE_ID"] = trace_id.decode("latin-1")
        else:
            environ.pop("_X_AMZN_TRACE_ID", None)
        kind, content_type, body = _invoke(handler, payload, headers, request_id.decode("ascii"))
        sys.stdout.flush()
        sys.stderr.flush()
        api.socket.sendall(_POST % (request_id, kind, content_type, len(body)) + body + _NEXT)
        payload = body = None
        api.read()


def _let_answers_be_plain(url):
    """A custom resource answers to this machine by plain HTTP; much code speaks TLS, whatever its `ResponseURL` says.

    No connection to any other machine is touched.
    """
    if type(url) is not str or not url.startswith("http://127.0.0.1:") or "/_scopegate/responses?" not in url:
        return
    from http.client import HTTPConnection, HTTPSConnection

    connect = HTTPSConnection.connect
    if connect.__name__ == "connect_plain":
        return
    port = int(url.split("/")[2].partition(":")[2])

    def connect_plain(self):
        if self.host == "127.0.0.1" and self.port in (443, port):
            self.port = port
            HTTPConnection.connect(self)
        else:
            connect(self)

    HTTPSConnection.connect = connect_plain


def _invoke(handler, payload, headers, request_id):
    """(b"response" or b"error", content type, body)"""
    _Now.request_id = request_id
    try:
        client_context = headers.get(b"Lambda-Runtime-Client-Context")
        identity = headers.get(b"Lambda-Runtime-Cognito-Identity")
        tenant_id = headers.get(b"Lambda-Runtime-Aws-Tenant-Id")
        context = LambdaContext(
            request_id,
            headers[b"Lambda-Runtime-Invoked-Function-Arn"].decode("utf-8"),
            int(headers[b"Lambda-Runtime-Deadline-Ms"]),
            client_context.decode("utf-8") if client_context else None,
            identity.decode("utf-8") if identity else None,
            tenant_id.decode("utf-8") if tenant_id else None,
        )
        try:
            event = json.loads(payload.decode("utf-8"))
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
        if type(event) is dict and "ResponseURL" in event:
            _let_answers_be_plain(event["ResponseURL"])
        result = handler(event, context)
        if type(result) is bytes:
            return b"response", b"application/unknown", result
        try:
            return b"response", b"application/json", _to_json(result).encode("utf-8")
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)
    except Exception as error:
        document = _describe(error, request_id)
        error = None
        _log_error(document)
        return b"error", b"application/json", _encode(document).encode("utf-8", "backslashreplace")


if __name__ == "__main__":
    _main()
