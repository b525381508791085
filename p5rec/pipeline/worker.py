"""A worker process: does one job after another of a run, as the process that started it says.

It is told in lines of JSON on stdin: first what the run is, then job after job. It answers in such
lines on stdout. When stdin ends it ends, too; a job is interrupted then, as by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.config import bind
from p5rec.core.errors import UserError
from p5rec.core.progress import send_bars
from p5rec.core.recipes import load
from p5rec.data.prepare import load_corpus

from .jobs import Job, Work
from .prepared import Prepared

GRACE = 60.0  # seconds that an interrupted job has to save what it may go on from


class Line:
    """What this process says to the one that started it."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what else is printed here is no answer
        sys.stdout = sys.stderr

    def send(self, kind: str, *told: Any) -> None:
        """An answer: its kind, and plain data."""
        with suppress(BrokenPipeError):  # nobody is there, which stdin tells as well
            self.out.write(json.dumps([kind, *told]) + "\n")
            self.out.flush()

    def cut(self) -> None:
        """From now on nobody is told anything, and printing is no error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2, self.out.fileno()):
            os.dup2(nowhere, stream)


def main() -> None:
    """Entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have switched it off
    line = Line()
    orders: SimpleQueue[str] = SimpleQueue()
    busy = Event()
    try:
        Thread(target=_listen, args=(orders, busy, line), daemon=True).start()
        run = json.loads(orders.get() or "null")
        if run is None:
            return
        sys.argv = run["command"]  # what a manifest names
        send_bars(lambda text: line.send("bar", text))
        store = Store(Path(run["store"]), say=lambda text: line.send("said", text), rank=0)
        store = store.telling_once()
        assert store.told is not None
        work: Work | None = None
        while order := orders.get():
            busy.set()
            told = json.loads(order)
            store.told.update(told["told"])
            work = work or _work(run, store)
            work.do(Job(**told["job"]))
            busy.clear()
            line.send("done", sorted(store.told))
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        line.send("failed", list(error.lines))
    except Exception:
        line.send("broken", traceback.format_exc())


def _listen(orders: SimpleQueue[str], busy: Event, line: Line) -> None:
    """Passes on what comes on stdin; when it ends, so does this process."""
    for order in sys.stdin:
        orders.put(order)
    orders.put("")
    line.cut()
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE)
        os._exit(1)


def _work(run: dict[str, Any], store: Store) -> Work:
    script = Path(run["script"])
    cfg: Any = bind(load(script).SCHEMA, run["config"], {}, script)
    data = Artefact(Path(run["data"]), Path(run["data"]).name)
    corpus = load_corpus(data.path).validated(exclude_seen=cfg.evaluate.exclude_seen)
    return Work(cfg, Prepared(corpus, data, store))
