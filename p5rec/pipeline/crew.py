"""Worker processes of a run, as the process that starts them sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from signal import SIGINT, Signals
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

from p5rec.core.cores import ONE_THREAD
from p5rec.core.errors import UserError

from .board import Board
from .jobs import Job

GRACE = 90.0  # seconds in which a worker that is to end saves what it may go on from
# as this process imports, whatever the folder it was started in
START = "import sys; sys.path[:] = {path!r}; from p5rec.pipeline.worker import main; main()"


@dataclass
class Worker:
    """A worker process.

    Attributes:
        process: it.
        job: what it does; None: it waits for a job.
    """

    process: subprocess.Popen[str]
    job: Job | None = None


class Crew:
    """Workers, started when there is something to do for them, in one thread each.

    Args:
        run: what each of them is told first.
        most: workers at a time.
        board: where is printed what they say.
    """

    def __init__(self, run: dict[str, Any], most: int, board: Board) -> None:
        self.run, self.most, self.board = run, most, board
        self.workers: list[Worker] = []
        self.heard: SimpleQueue[tuple[int, str, list[Any]]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self._end()
        finally:
            self.board.close()

    @property
    def free(self) -> bool:
        """Whether a worker waits for a job, or may be started."""
        return len(self.workers) < self.most or any(worker.job is None for worker in self.workers)

    def give(self, job: Job, told: Collection[str]) -> None:
        """Has a worker do a job.

        Args:
            told: stages that a line was said of.
        """
        worker = next((worker for worker in self.workers if worker.job is None), None)
        worker = worker or self._start()
        worker.job = job
        self._order(worker, {"job": asdict(job), "told": sorted(told)})

    def next(self) -> tuple[Job, list[str]]:
        """Waits until a job is done: it, and the stages that a line was said of.

        Raises:
            UserError: a job failed of it, or its process was killed.
            RuntimeError: a job failed of our own fault.
        """
        while True:
            number, kind, told = self.heard.get()
            worker = self.workers[number]
            match kind:
                case "bar":
                    self.board.show(number, f"{worker.job}: {told[0]}" if told[0] else "")
                case "said":
                    self.board.say(told[0])
                case "noise":
                    self.board.say(told[0], sys.stderr)
                case "done":
                    job, worker.job = worker.job, None
                    assert job is not None
                    return job, told[0]
                case _:
                    if worker.job is not None:
                        raise self._failure(worker, kind, told)

    def _failure(self, worker: Worker, kind: str, told: list[Any]) -> Exception:
        self.board.say(f"{worker.job}: failed; ending what is done beside it", sys.stderr)
        if kind == "failed":
            return UserError(*told[0])
        if kind == "broken":
            self.board.say(told[0], sys.stderr)
            return RuntimeError(f"{worker.job}: its process broke down, as told above")
        code = worker.process.wait()
        how = f"was killed ({Signals(-code).name})" if code < 0 else f"ended with code {code}"
        return UserError(
            f"{worker.job}: expected its process to finish, got one that {how}, as happens where "
            "memory is short; run again with fewer at a time (--jobs 1)"
        )

    def _start(self) -> Worker:
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace",
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # Ctrl-C reaches us alone, and workers through us
        )  # fmt: skip
        worker, number = Worker(process), len(self.workers)
        self.workers.append(worker)
        for stream, hear in ((process.stdout, self._hear), (process.stderr, self._overhear)):
            Thread(target=hear, args=(number, stream), daemon=True).start()
        self._order(worker, self.run)
        return worker

    def _order(self, worker: Worker, order: dict[str, Any]) -> None:
        assert worker.process.stdin is not None
        with suppress(BrokenPipeError):  # it is gone, which is heard
            worker.process.stdin.write(json.dumps(order) + "\n")
            worker.process.stdin.flush()

    def _hear(self, number: int, stream: IO[str]) -> None:
        for line in stream:
            kind, *told = json.loads(line)
            self.heard.put((number, kind, told))
        self.heard.put((number, "gone", []))

    def _overhear(self, number: int, stream: IO[str]) -> None:
        for line in stream:
            if text := line.rstrip():
                self.heard.put((number, "noise", [text]))

    def _end(self) -> None:
        """Ends the workers: those at work save what they may go on from; a second Ctrl-C stops
        them at once."""
        for worker in self.workers:
            assert worker.process.stdin is not None
            with suppress(BrokenPipeError):
                worker.process.stdin.close()
        try:
            self._wait()
        except KeyboardInterrupt:
            for worker in self.workers:
                worker.process.send_signal(SIGINT)
            self._wait(GRACE / 10)
            raise

    def _wait(self, grace: float = GRACE) -> None:
        try:
            for worker in self.workers:
                worker.process.wait(grace)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and grace == GRACE:
                raise
            for worker in self.workers:
                worker.process.kill()
                worker.process.wait()
