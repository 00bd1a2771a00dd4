"""One thread that owns a model, and answers whatever is asked from other threads, as much at once as fits."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import torch

from vlm.model.generate import Answerer
from vlm.serving.batch import Row, RunningBatch
from vlm.serving.ticket import Asked, ClosedError, FullError, Hear, LateError, Said, Ticket

MOST_READ = 4096
"""Tokens of new prompts that are read between two words: whoever is being answered waits for them."""


class Engine:
    """Answers prompts by continuous batching.

    An answer is the same whatever else is asked. Prompts are taken in the order in which they come.

    Args:
        answerer: Whom nobody else asks from now on.
        at_once: Answers that are written at once, at most.
        queue: Prompts that may wait for a place.
        cache_tokens: Tokens whose keys and values are held at once, at most, padding among them; None is
            what `at_once` answers take that fill the context.
    """

    def __init__(self, answerer: Answerer, at_once: int, queue: int, cache_tokens: int | None = None) -> None:
        self.answerer, self.at_once, self.queue = answerer, at_once, queue
        self.cache_tokens = cache_tokens or at_once * answerer.model.llm.context_length
        self._batch = RunningBatch(answerer)
        self._running: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()
        self._tasks: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def num_running(self) -> int:
        """Answers that are being written."""
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        """Prompts that wait for a place."""
        return len(self._waiting)

    def ask(self, asked: Asked, hear: Hear) -> Ticket:
        """Put a prompt into the queue.

        Raises:
            FullError: The queue is.
            ClosedError: Nothing more is taken.
        """
        ticket = Ticket(asked, hear)
        with self._changed:
            self._require_open()
            if len(self._waiting) >= self.queue:
                raise FullError
            self._waiting.append(ticket)
            self._changed.notify_all()
        return ticket

    def do(self, task: Callable[[], Any]) -> Future[Any]:
        """Have something else done with the model, between two words.

        Raises:
            FullError: As much as may waits to be done.
            ClosedError: Nothing more is taken.
        """
        done: Future[Any] = Future()
        with self._changed:
            self._require_open()
            if len(self._tasks) >= self.queue:
                raise FullError
            self._tasks.append((task, done))
            self._changed.notify_all()
        return done

    def close(self) -> None:
        """Take nothing more, end what is under way, and let the model go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError

    def _work(self) -> None:
        while self._wait():
            self._leave_out()
            self._admit()
            self._do_one()
            self._step()
        for ticket in [*self._running, *self._waiting]:
            ticket.hear(Said(error=ClosedError()))
        for _, done in self._tasks:
            done.set_exception(ClosedError())

    def _wait(self) -> bool:
        """Wait until there is something to do; return whether there is."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._running or self._waiting or self._tasks)
            return not self._closed

    def _leave_out(self) -> None:
        """Forget what nobody waits for any longer, and what comes too late."""
        with self._changed:
            waiting = list(self._waiting)
        now = time.monotonic()
        late = [ticket for ticket in [*self._running, *waiting] if ticket.asked.deadline <= now]
        for ticket in late:
            if not ticket.is_cancelled:
                ticket.hear(Said(error=LateError()))
            ticket.cancel()
        with self._changed:
            for ticket in [ticket for ticket in self._waiting if ticket.is_cancelled]:
                self._waiting.remove(ticket)
        self._settle([ticket for ticket in self._running if not ticket.is_cancelled])

    def _settle(self, running: list[Ticket]) -> None:
        """Let go of all that is not among these."""
        if len(running) != len(self._running):
            self._running = running
            self._batch.keep(_rows(running))

    def _admit(self) -> None:
        """Read the prompts for which there is room."""
        taken: list[Ticket] = []
        with self._changed:
            while self._waiting and self._fits(taken, self._waiting[0]):
                taken.append(self._waiting.popleft())
        if not taken:
            return
        try:
            for ticket in taken:
                asked = ticket.asked
                ticket.row = Row(self.answerer, asked.prompt, asked.decoding, asked.top_logprobs)
            self._batch.add(_rows(taken))
        except Exception as error:  # of these prompts: the others are answered on
            self._batch.keep(_rows(self._running))
            _tell(taken, error)
            return
        self._running = [*self._running, *taken]
        self._tell_pieces(taken)

    def _fits(self, taken: Sequence[Ticket], ticket: Ticket) -> bool:
        others = [*self._running, *taken]
        if not others:
            return True
        most = max(self._columns(other) for other in [*others, ticket])
        read = max(len(other.asked.prompt.ids) for other in [*taken, ticket]) * (len(taken) + 1)
        return (
            len(others) < self.at_once
            and (len(others) + 1) * most <= self.cache_tokens
            and (not taken or read <= MOST_READ)
        )

    def _columns(self, ticket: Ticket) -> int:
        """Return what a row takes when its answer is longest."""
        most = len(ticket.asked.prompt.ids) + ticket.asked.decoding.max_new_tokens
        return min(most, self.answerer.model.llm.context_length)

    def _do_one(self) -> None:
        with self._changed:
            task, done = self._tasks.popleft() if self._tasks else (None, None)
        if task is None or done is None or not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(task())
        except Exception as error:
            done.set_exception(error)

    def _step(self) -> None:
        """Write a word of every answer."""
        if not self._running:
            return
        try:
            self._batch.step()
        except Exception as error:
            _tell(self._running, error)
            self._running = []
            self._batch = RunningBatch(self.answerer)
            return
        self._tell_pieces(self._running)

    def _tell_pieces(self, tickets: Sequence[Ticket]) -> None:
        ended = set()
        for ticket, row in zip(tickets, _rows(tickets), strict=True):
            answer = row.answer
            if answer.finish:
                ended.add(id(ticket))
            if ticket.is_cancelled or not (answer.finish or ticket.asked.streams):
                continue
            piece = answer.take()
            if piece or answer.finish:
                logprobs = None if row.top_logprobs is None else answer.take_logprobs()
                ticket.hear(Said(piece, len(answer.ids), answer.finish, logprobs=logprobs))
        if ended:
            self._settle([ticket for ticket in self._running if id(ticket) not in ended])


def _rows(tickets: Sequence[Ticket]) -> list[Row]:
    return [ticket.row for ticket in tickets if ticket.row is not None]


def _tell(tickets: Sequence[Ticket], error: Exception) -> None:
    for ticket in tickets:
        ticket.hear(Said(error=error))
    if isinstance(error, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
