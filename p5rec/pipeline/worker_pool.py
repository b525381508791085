"""The worker processes of a run, from the side of the parent process."""

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

from .jobs import Job
from .worker_display import WorkerDisplay

GRACE = 90.0  # seconds that an interrupted worker has to save a checkpoint
# the worker imports from the same paths as this process, in any working folder
START = "import sys; sys.path[:] = {path!r}; from p5rec.pipeline.worker import main; main()"


@dataclass
class Worker:
    """A worker process.

    Attributes:
        process: the process.
        job: its current job; None: it is idle.
    """

    process: subprocess.Popen[str]
    job: Job | None = None


class WorkerPool:
    """Worker processes of one thread each, which start when there are jobs for them.

    Args:
        run: the description of the run, the first message to each worker.
        limit: the maximum number of workers.
        display: prints the workers' output.
    """

    def __init__(self, run: dict[str, Any], limit: int, display: WorkerDisplay) -> None:
        self.run, self.limit, self.display = run, limit, display
        self.workers: list[Worker] = []
        self.messages: SimpleQueue[tuple[int, str, list[Any]]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self._shut_down()
        finally:
            self.display.close()

    @property
    def has_capacity(self) -> bool:
        """Whether a worker is idle or another one may start."""
        return len(self.workers) < self.limit or any(worker.job is None for worker in self.workers)

    def submit(self, job: Job, notified: Collection[str]) -> None:
        """Sends a job to an idle worker.

        Args:
            job: the job.
            notified: the stages that have had their log line.
        """
        worker = next((worker for worker in self.workers if worker.job is None), None)
        worker = worker or self._start()
        worker.job = job
        self._send(worker, {"job": asdict(job), "notified": sorted(notified)})

    def wait_for_one(self) -> tuple[Job, list[str]]:
        """Waits until a job is done; returns the job and the stages that have had their log line.

        Raises:
            UserError: a job failed with a user error, or its process was killed.
            RuntimeError: a job failed with an internal error.
        """
        while True:
            number, kind, values = self.messages.get()
            worker = self.workers[number]
            match kind:
                case "bar":
                    text = f"{worker.job}: {values[0]}" if values[0] else ""
                    self.display.update_bar(number, text)
                case "log":
                    self.display.print_line(values[0])
                case "stderr":
                    self.display.print_line(values[0], sys.stderr)
                case "done":
                    job, worker.job = worker.job, None
                    assert job is not None
                    return job, values[0]
                case _:
                    if worker.job is not None:
                        raise self._failure(worker, kind, values)

    def _failure(self, worker: Worker, kind: str, values: list[Any]) -> Exception:
        self.display.print_line(f"{worker.job}: failed; stopping the other jobs", sys.stderr)
        if kind == "user error":
            return UserError(*values[0])
        if kind == "internal error":
            self.display.print_line(values[0], sys.stderr)
            return RuntimeError(f"{worker.job}: internal error in a worker (traceback above)")
        code = worker.process.wait()
        how = f"was killed ({Signals(-code).name})" if code < 0 else f"ended with code {code}"
        return UserError(
            f"{worker.job}: expected its process to finish, got one that {how}; if memory is "
            "short, run again with fewer jobs in parallel (--jobs 1)"
        )

    def _start(self) -> Worker:
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace",
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # Ctrl-C interrupts this process, which stops the workers
        )  # fmt: skip
        worker, number = Worker(process), len(self.workers)
        self.workers.append(worker)
        readers = ((process.stdout, self._read_messages), (process.stderr, self._read_stderr))
        for stream, read in readers:
            Thread(target=read, args=(number, stream), daemon=True).start()
        self._send(worker, self.run)
        return worker

    def _send(self, worker: Worker, message: dict[str, Any]) -> None:
        assert worker.process.stdin is not None
        with suppress(BrokenPipeError):  # it has exited; _read_messages notices
            worker.process.stdin.write(json.dumps(message) + "\n")
            worker.process.stdin.flush()

    def _read_messages(self, number: int, stream: IO[str]) -> None:
        for line in stream:
            kind, *values = json.loads(line)
            self.messages.put((number, kind, values))
        self.messages.put((number, "exited", []))

    def _read_stderr(self, number: int, stream: IO[str]) -> None:
        for line in stream:
            if text := line.rstrip():
                self.messages.put((number, "stderr", [text]))

    def _shut_down(self) -> None:
        """Stops the workers; a training saves a checkpoint first. A second Ctrl-C interrupts the
        workers again, and kills them soon after."""
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
