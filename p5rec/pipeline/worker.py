"""A worker process, which runs jobs of a run one after another for its parent process.

It reads messages from stdin, one JSON object per line: first the description of the run, then jobs.
It writes messages to stdout as JSON lines. It exits when stdin ends; a running job is then
interrupted as by Ctrl-C.
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
from p5rec.core.progress import forward_bars
from p5rec.core.recipes import load
from p5rec.data.prepare import load_corpus
from p5rec.methods.plugins import load_plugins

from .jobs import Job, JobRunner
from .prepared import Prepared

GRACE = 60.0  # seconds that an interrupted job has to save a checkpoint


class Channel:
    """Sends messages to the parent process over stdout."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # other output of this process goes to stderr
        sys.stdout = sys.stderr

    def send(self, kind: str, *values: Any) -> None:
        """Sends a message: its kind, and plain data."""
        with suppress(BrokenPipeError):  # the parent is gone, so stdin has ended as well
            self.out.write(json.dumps([kind, *values]) + "\n")
            self.out.flush()

    def close(self) -> None:
        """Discards all further messages and output."""
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2, self.out.fileno()):
            os.dup2(null, stream)


def main() -> None:
    """Entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore SIGINT
    channel = Channel()
    messages: SimpleQueue[str] = SimpleQueue()
    busy = Event()
    try:
        Thread(target=_listen, args=(messages, busy, channel), daemon=True).start()
        run = json.loads(messages.get() or "null")
        if run is None:
            return
        sys.argv = run["command"]  # for the manifests
        forward_bars(lambda text: channel.send("bar", text))
        store = Store(Path(run["store"]), notify=lambda line: channel.send("log", line), rank=0)
        store = store.notifying_once()
        assert store.notified is not None
        runner: JobRunner | None = None
        while line := messages.get():
            busy.set()
            message = json.loads(line)
            store.notified.update(message["notified"])
            runner = runner or _runner(run, store)
            runner.run(Job(**message["job"]))
            busy.clear()
            channel.send("done", sorted(store.notified))
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        channel.send("user error", list(error.lines))
    except Exception:
        channel.send("internal error", traceback.format_exc())


def _listen(messages: SimpleQueue[str], busy: Event, channel: Channel) -> None:
    """Queues the lines of stdin; when it ends, interrupts a running job."""
    for line in sys.stdin:
        messages.put(line)
    messages.put("")
    channel.close()
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE)
        os._exit(1)


def _runner(run: dict[str, Any], store: Store) -> JobRunner:
    load_plugins(*run["plugins"])
    script = Path(run["script"])
    cfg: Any = bind(load(script).SCHEMA, run["config"], {}, script)
    data = Artefact(Path(run["data"]), Path(run["data"]).name)
    corpus = load_corpus(data.path).with_validation(exclude_seen=cfg.evaluate.exclude_seen)
    return JobRunner(cfg, Prepared(corpus, data, store))
