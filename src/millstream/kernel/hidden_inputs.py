"""What a function may read besides its arguments, seen in the names that it uses: files, the environment, clocks, chance, code made at run time."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from millstream.kernel.normal_form import Use

_FILE = "reads {path} by itself ({name})"
_DATABASE, _NETWORK = "asks a database ({name})", "asks the network ({name})"
_ENVIRONMENT, _CLOCK = "reads the environment ({name})", "reads the clock ({name})"
_DRAWS = "draws random numbers without a seed ({name})"
_MADE, _FOUND = "runs code that is made while it runs ({name})", "finds code by names made while it runs ({name})"
_UNPICKLES, _STARTS = "unpickles objects, whose code is not known ({name})", "starts a program ({name})"
_OUTSIDE, _LOOKS = "calls code outside Python ({name})", "looks into the interpreter ({name})"
_EXISTS = r"(exists|isfile|isdir|getmtime|getsize|lexists)"
_DATABASES = ("sqlite3", "duckdb", "_duckdb", "psycopg", "psycopg2", "sqlalchemy", "pyodbc", "pymysql", "connectorx", "redis", "pymongo")
_NETWORKS = ("requests", "httpx", "aiohttp", "socket", "_socket", "ftplib", "boto3", "botocore", "fsspec", "paramiko")
_OPENERS = ("io", "_io", "codecs", "gzip", "bz2", "lzma", "tokenize", "tarfile", "shelve", "fileinput", "wave")
_RULES: Mapping[str, Sequence[tuple[str, str]]] = {
    "builtins": (
        ("open", _FILE),
        ("input", _ENVIRONMENT),
        ("hash|id", "differs from process to process ({name})"),
        ("exec|eval|compile", _MADE),
        ("__import__", _FOUND),
    ),
    "os": (
        ("open|listdir|scandir|walk|fwalk|stat|lstat|readlink|access", _FILE),
        (rf"path\.{_EXISTS}", _FILE),
        (r"(environ|environb|getenv|getenvb|getcwd|getlogin|getuid|getpid|uname|cpu_count|name)(\.\w+)?", _ENVIRONMENT),
        ("urandom|getrandom", _DRAWS),
        (r"system|popen|exec\w+|spawn\w+|fork", _STARTS),
    ),
    "posix": (
        ("open|listdir|scandir|stat|lstat|readlink", _FILE),
        ("getcwd|getpid|uname", _ENVIRONMENT),
        ("urandom", _DRAWS),
        ("system|fork", _STARTS),
    ),
    "sys": (
        (r"(argv|flags|platform)(\.\w+)?", _ENVIRONMENT),
        (r"modules(\.\w+)?", _FOUND),
        ("_getframe|_current_frames|settrace|setprofile", _LOOKS),
    ),
    "time": ((r"time|time_ns|(monotonic|perf_counter|process_time|thread_time|clock_)\w*", _CLOCK),),
    "datetime": ((r"datetime\.(now|utcnow|today)|date\.today", _CLOCK),),
    "pandas": ((r"([\w.]+\.)?(Timestamp|Timedelta)\.(now|today|utcnow)", _CLOCK),),
    "uuid": (("uuid[14]", _DRAWS),),
    "random": ((r"SystemRandom[\w.]*", _DRAWS),),
    "inspect": ((r"stack|currentframe|getsource\w*|getmembers\w*", _LOOKS),),
    "numpy": ((r"([\w.]+\.)?(load|loadtxt|genfromtxt|fromfile|memmap|fromregex)", _FILE),),
    "pyarrow": ((r"([\w.]+\.)?(dataset|ParquetFile|memory_map|OSFile)", _FILE),),
    "pathlib": ((r"Path\.(cwd|home)", _ENVIRONMENT),),
    "zipfile": (("ZipFile|Path", _FILE),),
    "joblib": ((r"(numpy_pickle\.)?load", _UNPICKLES),),
    "secrets": ((r"\w+", _DRAWS),),
    "gc": ((r"\w+", _LOOKS),),
    **dict.fromkeys(_OPENERS, (("open|FileIO", _FILE),)),
    **dict.fromkeys(("genericpath", "posixpath"), ((_EXISTS, _FILE),)),
    **dict.fromkeys(("glob", "linecache"), ((r"\w+", _FILE),)),
    **dict.fromkeys(("platform", "getpass", "locale"), ((r"\w+", _ENVIRONMENT),)),
    **dict.fromkeys(("code", "codeop", "runpy"), ((r"\w+", _MADE),)),
    **dict.fromkeys(("importlib", "pkgutil", "imp"), ((r"[\w.]+", _FOUND),)),
    **dict.fromkeys(("pickle", "_pickle", "dill", "cloudpickle", "marshal"), ((r"([\w.]+\.)?(loads?|Unpickler)", _UNPICKLES),)),
    **dict.fromkeys(("subprocess", "multiprocessing", "pty"), ((r"[\w.]+", _STARTS),)),
    **dict.fromkeys(("ctypes", "_ctypes", "cffi"), ((r"[\w.]+", _OUTSIDE),)),
    **dict.fromkeys(_DATABASES, ((r"[\w.]+", _DATABASE),)),
    **dict.fromkeys(_NETWORKS, ((r"[\w.]+", _NETWORK),)),
    **dict.fromkeys(("urllib", "http"), ((r"(request|client)\.[\w.]+", _NETWORK),)),
}
"""By package: what follows in the full name, and the sentence for it."""
_MOMENTS = {"time.localtime", "time.gmtime", "time.ctime", "time.asctime", "time.strftime"}
_CHANCE = r"random(\.(Random\.)?[a-z]\w*)?|numpy\.random(\.([\w.]+\.)?[a-z]\w*)?"
_SEEDED = (
    r"random\.(Random|seed|Random\.seed)|numpy\.random\.([\w.]+\.)?(default_rng|RandomState|seed|SeedSequence|Generator|PCG64|MT19937|Philox|SFC64)"
)
_NO_DRAW = {"seed", "getstate", "setstate", "get_state", "set_state"}
_PATH_METHODS = {"read_text", "read_bytes", "iterdir", "glob", "rglob", "is_file", "is_dir", "exists", "stat", "open"}
_READING_METHODS = r"(read|scan)_(csv|parquet|json|ndjson|ipc|excel|delta|database)"
_CHANCE_METHODS = {"sample": 1, "shuffle": 0}
"""Methods of tables that draw at random unless a seed is named, with the most positional arguments that they take then."""
_CLOCK_METHODS = {"now", "utcnow", "today"}
_PATH_ARGUMENTS = ("file", "path", "source", "filepath_or_buffer", "filename", "fname")


class HiddenInput(NamedTuple):
    """Something that a function reads by itself; `path` is the file's if that is written there."""

    what: str
    path: str | None = None
    is_file: bool = False


Lookup = Callable[[str], object]
"""What a global name stands for."""


def hidden_input(name: str, use: Use, lookup: Lookup) -> HiddenInput | None:
    """What the use of a function or module of other people reads, `name` being its full name."""
    package, _, rest = name.partition(".")
    sentence = next((sentence for pattern, sentence in _RULES.get(package, ()) if re.fullmatch(pattern, rest)), None)
    if sentence is None and rest.rpartition(".")[2].startswith(("read_", "scan_")):
        sentence = _FILE
    if sentence is _FILE:
        return _file(name, _argument(use.call, lookup), lookup)
    if sentence is not None:
        return HiddenInput(sentence.format(name=name))
    if name in _MOMENTS and not _takes_moment(name, use.call):
        return HiddenInput(_CLOCK.format(name=name))
    return _chance(name, use.call) if package in ("random", "numpy") else None


def hidden_method(use: Use, lookup: Lookup) -> HiddenInput | None:
    """What a method of an unknown object reads, by its name."""
    name, call = use.names[-1], use.call
    if call is None or len(use.names) < 2:
        return None
    if name in _PATH_METHODS:
        return _file(f".{name}", _written_path(call.func.value if isinstance(call.func, ast.Attribute) else None, lookup), lookup)
    if re.fullmatch(_READING_METHODS, name):
        return _file(f".{name}", _argument(call, lookup), lookup)
    if name in _CHANCE_METHODS:
        return HiddenInput(_DRAWS.format(name=f".{name}")) if _is_unseeded(name, call) else None
    sentence = {"__subclasses__": _FOUND, **dict.fromkeys(_CLOCK_METHODS, _CLOCK)}.get(name)
    return HiddenInput(sentence.format(name=f".{name}")) if sentence is not None else None


def _is_unseeded(name: str, call: ast.Call) -> bool:
    return len(call.args) <= _CHANCE_METHODS[name] and not {"seed", "random_state", "rng"} & {each.arg for each in call.keywords}


def _chance(name: str, call: ast.Call | None) -> HiddenInput | None:
    if re.fullmatch(_SEEDED, name):
        is_drawn = call is not None and not _arguments(call)
    else:
        is_drawn = re.fullmatch(_CHANCE, name) is not None and name.rpartition(".")[2] not in _NO_DRAW
    return HiddenInput(_DRAWS.format(name=name)) if is_drawn else None


def is_seed(name: str, use: Use) -> bool:
    """Whether a call sets the seed of a whole library."""
    return name.rpartition(".")[2] in ("seed", "set_random_seed") and use.call is not None and bool(_arguments(use.call))


def _file(name: str, path: str | None, lookup: Lookup) -> HiddenInput:
    """A file is told as seen from the folder of the code."""
    folder = PurePath(str(lookup("__file__"))).parent
    seen = str(PurePath(path).relative_to(folder)) if path is not None and PurePath(path).is_relative_to(folder) else path
    return HiddenInput(_FILE.format(path="files" if seen is None else repr(seen), name=name), path, is_file=True)


def _arguments(call: ast.Call) -> list[ast.expr]:
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return [each for each in given if not (isinstance(each, ast.Constant) and each.value is None)]


def _takes_moment(name: str, call: ast.Call | None) -> bool:
    return call is not None and len(call.args) >= (2 if name == "time.strftime" else 1)


def _argument(call: ast.Call | None, lookup: Lookup) -> str | None:
    if call is None:
        return None
    named = [each.value for each in call.keywords if each.arg in _PATH_ARGUMENTS]
    return next((path for each in (*call.args[:1], *named) if (path := _written_path(each, lookup)) is not None), None)


def _written_path(node: ast.expr | None, lookup: Lookup) -> str | None:
    """The path that an expression stands for: texts, constants of the module and `__file__`, put together as paths are."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        value = lookup(node.id)
        return str(value) if isinstance(value, str | PurePath) else None
    if isinstance(node, ast.Attribute) and node.attr == "parent":
        return _joined([node.value], lookup, above=True)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _joined([node.left, node.right], lookup)
    return _called_path(node, lookup) if isinstance(node, ast.Call) else None


def _called_path(node: ast.Call, lookup: Lookup) -> str | None:
    called = ast.unparse(node.func).rpartition(".")[2]
    if called in ("resolve", "absolute") and isinstance(node.func, ast.Attribute) and not node.args:
        return _written_path(node.func.value, lookup)
    return _joined(node.args, lookup, above=called == "dirname") if called in ("Path", "PurePath", "str", "join", "dirname") else None


def _joined(nodes: Sequence[ast.expr], lookup: Lookup, *, above: bool = False) -> str | None:
    parts = [part for each in nodes if (part := _written_path(each, lookup)) is not None]
    if not parts or len(parts) < len(nodes):
        return None
    joined = PurePath(*parts)
    return str(joined.parent if above else joined)
