"""What a function may read besides its arguments, seen in the names that it uses: files, the environment, clocks, chance, code made at run time."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import NamedTuple

from millstream.kernel.normal_form import Use

_FILE = "reads {path} by itself ({name})"
_RULES = (
    (r"(builtins|io|_io|codecs|gzip|bz2|lzma|tokenize)\.open", _FILE),
    (r"io\.FileIO|_io\.FileIO|os\.(open|listdir|scandir|walk|stat|lstat|readlink)|os\.path\.(exists|isfile|isdir|getmtime|getsize|lexists)", _FILE),
    (r"(genericpath|posixpath)\.(exists|isfile|isdir|getmtime|getsize|lexists)|glob\.i?glob|linecache\.\w+|shelve\.open|fileinput\.\w+", _FILE),
    (r"zipfile\.(ZipFile|Path)|tarfile\.(open|TarFile.*)|pathlib\.Path\.(cwd|home)", _FILE),
    (r"[\w.]+\.(read|scan)_\w+", _FILE),
    (r"numpy\.([\w.]+\.)?(load|loadtxt|genfromtxt|fromfile|memmap|fromregex)|pyarrow\.([\w.]+\.)?(dataset|ParquetFile|memory_map|OSFile)", _FILE),
    (r"(sqlite3|duckdb|_duckdb|psycopg\w*|sqlalchemy|pyodbc|pymysql|adbc\w*|connectorx|redis|pymongo)\.[\w.]+", "asks a database ({name})"),
    (r"(urllib\.request|requests|httpx|aiohttp|http\.client|socket|_socket|ftplib|boto3|botocore|fsspec|s3fs|smbclient|paramiko)\.[\w.]+", "asks the network ({name})"),
    (r"os\.(environ|environb|getenv|getenvb|getcwd|getlogin|getuid|getpid|uname|cpu_count)(\.\w+)?|posix\.(getcwd|getpid|uname)", "reads the environment ({name})"),
    (r"sys\.(argv|flags|platform)(\.\w+)?|platform\.\w+|getpass\.\w+|locale\.\w+|builtins\.input", "reads the environment ({name})"),
    (r"time\.(time|time_ns|monotonic\w*|perf_counter\w*|process_time\w*|thread_time\w*|clock_\w+)", "reads the clock ({name})"),
    (r"datetime\.(datetime\.(now|utcnow|today)|date\.today)|pandas\.([\w.]+\.)?(Timestamp|Timedelta)\.(now|today|utcnow)", "reads the clock ({name})"),
    (r"(secrets|ssl)\.\w+|os\.(urandom|getrandom)|posix\.(urandom|getrandom)|uuid\.uuid[14]|random\.SystemRandom[\w.]*", "draws random numbers without a seed ({name})"),
    (r"builtins\.(hash|id)", "differs from process to process ({name})"),
    (r"builtins\.(exec|eval|compile)|code\.\w+|codeop\.\w+|runpy\.\w+", "runs code that is made while it runs ({name})"),
    (r"builtins\.__import__|importlib\.[\w.]+|pkgutil\.\w+|sys\.modules(\.\w+)?|imp\.\w+", "finds code by names made while it runs ({name})"),
    (r"(pickle|_pickle|dill|dill\._dill|cloudpickle|marshal|joblib|joblib\.numpy_pickle)\.(loads?|Unpickler)", "unpickles objects, whose code is not known ({name})"),
    (r"subprocess\.\w+|os\.(system|popen|exec\w+|spawn\w+|fork)|posix\.(system|fork)|multiprocessing\.[\w.]+|pty\.\w+", "starts a program ({name})"),
    (r"ctypes\.[\w.]+|_ctypes\.\w+|cffi\.[\w.]+", "calls code outside Python ({name})"),
    (r"sys\.(_getframe|_current_frames|settrace|setprofile)|inspect\.(stack|currentframe|getsource\w*|getmembers\w*)|gc\.\w+", "looks into the interpreter ({name})"),
)
_KNOWN = tuple((re.compile(pattern), sentence) for pattern, sentence in _RULES)
_MOMENT = re.compile(r"time\.(localtime|gmtime|ctime|asctime|strftime)")
_CHANCE = re.compile(r"random(\.(Random\.)?[a-z]\w*)?|numpy\.random(\.([\w.]+\.)?[a-z]\w*)?")
_SEEDED = re.compile(r"random\.(Random|seed|Random\.seed)|numpy\.random\.([\w.]+\.)?(default_rng|RandomState|seed|SeedSequence|Generator|PCG64|MT19937|Philox|SFC64)")
_NO_DRAW = {"seed", "getstate", "setstate", "get_state", "set_state"}
_PATH_METHODS = {"read_text", "read_bytes", "iterdir", "glob", "rglob", "is_file", "is_dir", "exists", "stat", "open"}
_READING_METHODS = re.compile(r"(read|scan)_(csv|parquet|json|ndjson|ipc|excel|delta|database)")
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
    sentence = next((sentence for pattern, sentence in _KNOWN if pattern.fullmatch(name)), None)
    if sentence is _FILE:
        return _file(name, _argument(use.call, lookup))
    if sentence is not None:
        return HiddenInput(sentence.format(name=name))
    if _MOMENT.fullmatch(name) and not _takes_moment(name, use.call):
        return HiddenInput(f"reads the clock ({name})")
    if _SEEDED.fullmatch(name):
        unseeded = use.call is not None and not _arguments(use.call)
        return HiddenInput(f"draws random numbers without a seed ({name})") if unseeded else None
    if _CHANCE.fullmatch(name) and name.rpartition(".")[2] not in _NO_DRAW:
        return HiddenInput(f"draws random numbers without a seed ({name})")
    return None


def hidden_method(use: Use, lookup: Lookup) -> HiddenInput | None:
    """What a method of an unknown object reads, by its name."""
    name, call = use.names[-1], use.call
    if call is None or len(use.names) < 2:
        return None
    if name in _PATH_METHODS:
        return _file(f".{name}", _written_path(call.func.value if isinstance(call.func, ast.Attribute) else None, lookup))
    if _READING_METHODS.fullmatch(name):
        return _file(f".{name}", _argument(call, lookup))
    if name in _CHANCE_METHODS and len(call.args) <= _CHANCE_METHODS[name] and not {"seed", "random_state", "rng"} & {each.arg for each in call.keywords}:
        return HiddenInput(f"draws random numbers without a seed (.{name})")
    if name in _CLOCK_METHODS and not call.keywords:
        return HiddenInput(f"reads the clock (.{name})")
    return None


def is_seed(name: str, use: Use) -> bool:
    """Whether a call sets the seed of a whole library."""
    return name.rpartition(".")[2] in ("seed", "set_random_seed") and use.call is not None and bool(_arguments(use.call))


def _file(name: str, path: str | None) -> HiddenInput:
    return HiddenInput(_FILE.format(path="files" if path is None else repr(path), name=name), path, is_file=True)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [each for each in (*call.args, *(keyword.value for keyword in call.keywords)) if not (isinstance(each, ast.Constant) and each.value is None)]


def _takes_moment(name: str, call: ast.Call | None) -> bool:
    return call is not None and len(call.args) >= (2 if name == "time.strftime" else 1)


def _argument(call: ast.Call | None, lookup: Lookup) -> str | None:
    if call is None:
        return None
    named = [each.value for each in call.keywords if each.arg in _PATH_ARGUMENTS]
    return next((path for each in (*call.args[:1], *named) if (path := _written_path(each, lookup)) is not None), None)


def _written_path(node: ast.expr | None, lookup: Lookup) -> str | None:
    """The path that an expression stands for: a text, `Path("…")`, or a constant of the module."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.func).rpartition(".")[2] in ("Path", "PurePath", "str"):
        return _written_path(node.args[0], lookup)
    if isinstance(node, ast.Name):
        value = lookup(node.id)
        return str(value) if isinstance(value, str | PurePath) else None
    return None
