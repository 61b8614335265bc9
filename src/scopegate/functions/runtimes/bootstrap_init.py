"""The first process of an execution environment.

It starts the runtime's process when the server says so, as the environment's user and under its limits, says how it
ended, and lets nothing outlive it: neither the runtime's children when the runtime ends, nor anything when the server
does. Between two runtime processes it keeps the environment, and so /tmp, as it is.

It runs under the server's own interpreter with `-I -S -B` and imports only small modules: it costs 10 ms and 6 MB.
The function's variables never reach it: they are given to the runtime's process alone.

    bootstrap_init.py CONTROL_FD (namespace | session)

Messages on the control socket (SOCK_SEQPACKET): from the server `start` (marshalled, with file descriptors: output,
then the Runtime API's socket if there is one) and `kill`; to the server `up`, `started PID`, `failed ERRNO`,
`exit STATUS MAXRSS_KB`. The end of the socket ends everything.
Source: reference page "Process behaviour".
"""

import _signal
import _socket
import errno
import fcntl
import marshal
import os
import resource
import select
import sys

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_ABOVE = 16  # descriptors are moved out of the way of 0 to 3 first


def main():
    number = int(sys.argv[1])
    os.closerange(3, number)
    os.closerange(number + 1, 1024)
    control = _socket.socket(fileno=number)
    os.set_inheritable(control.fileno(), False)
    in_namespace = sys.argv[2] == "namespace"  # a PID namespace of our own, whose first process this is
    if not in_namespace:
        _adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    _signal.signal(_signal.SIGCHLD, lambda number, frame: None)
    _signal.set_wakeup_fd(wake)
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    control.send(b"up")
    runtime = 0
    user = None
    while True:
        ready = select.select([control.fileno(), woken], [], [])[0]
        if control.fileno() in ready:
            message, descriptors = _receive(control)
            if not message:
                _kill(in_namespace, user, runtime)
                _bury(in_namespace, user)
                os._exit(0)
            if message == b"kill":
                _kill(in_namespace, user, runtime)
            else:
                order = marshal.loads(message)
                user = order["uid"]
                runtime = _start(control, order, descriptors)
        if woken in ready:
            os.read(woken, 4096)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == runtime:
                runtime = 0
                _kill(in_namespace, user, 0)
                _bury(in_namespace, user)
                control.send(b"exit %d %d" % (status, usage.ru_maxrss))


def _receive(control):
    try:
        message, ancillary, _, _ = control.recvmsg(262144, _socket.CMSG_SPACE(64))
    except ConnectionError:
        return b"", []
    descriptors = []
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors += memoryview(data).cast("i").tolist()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return message, descriptors


def _start(control, order, descriptors):
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(b"started %d" % pid)
        return pid
    report = fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    try:
        _become(order, descriptors)
    except OSError as error:
        # A socket of a bare descriptor number: write(2) is send(2) without flags.
        os.write(report, b"failed %d" % (error.errno or errno.EIO))
    finally:
        os._exit(127)


def _become(order, descriptors):
    """Turn this child into the runtime's process: descriptors, limits, user, and only then the function's variables."""
    os.setsid()
    _signal.set_wakeup_fd(-1)
    for name in ("SIGCHLD", "SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE", "SIGXFSZ"):
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    wanted = [null, descriptors[0], descriptors[0], *descriptors[1:]]
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for descriptor in wanted]
    for target, descriptor in enumerate(moved):
        os.dup2(descriptor, target)
    for name, value in order["limits"]:
        kind = getattr(resource, name)
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            value = min(value, ceiling)
        resource.setrlimit(kind, (value, value))
    os.umask(0o022)
    if order["uid"] is not None:
        os.setgroups(order["groups"])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
    os.chdir(order["cwd"])
    os.execve(order["argv"][0], order["argv"], order["env"])


def _kill(in_namespace, user, runtime):
    """Kill every process of the environment but this one."""
    # No process can fork away from a signal to many: a fork that is under way fails or its child gets it too.
    if in_namespace:
        _send_kill(-1)
        return
    if runtime:  # it may be on its way still to become the user and to lead its group
        _send_kill(runtime)
    if user is None:
        if runtime:
            _send_kill(-runtime)
        return
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.kill(-1, _signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _send_kill(target):
    try:
        os.kill(target, _signal.SIGKILL)
    except ProcessLookupError:
        pass


def _bury(in_namespace, user):
    """Wait until every process of the environment is gone."""
    while True:
        if not in_namespace and user is None:
            for pid in _children():
                _send_kill(pid)
        try:
            os.wait()
        except ChildProcessError:
            return


def _children():
    """Direct children; those further down become direct ones as their parents die (see _adopt_orphans)."""
    me = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == me:
                yield int(name)


def _adopt_orphans():
    """Without a PID namespace: be the parent that orphans are given to, and let no set-user-id program gain rights."""
    try:
        import ctypes
    except ImportError:
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


main()
