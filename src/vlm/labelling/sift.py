"""Replies to records: chosen, sifted, and each with where it comes from."""

from collections.abc import Iterator, Sequence
from typing import Any

from vlm.corpus.formats.conversation import make_record, with_prompts
from vlm.corpus.write import Record
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.endpoint.budget import tokens_of
from vlm.endpoint.reply import Completion
from vlm.endpoint.request import Request
from vlm.labelling.acceptance import Criteria, Label, choose_label
from vlm.labelling.agreement import likeness
from vlm.labelling.questions import Pictures, Question, Subject
from vlm.labelling.teacher import Teacher
from vlm.synthesis.draft import Rejected
from vlm.synthesis.funnel import Funnel, Tally
from vlm.synthesis.ledger import Ledger
from vlm.synthesis.review import Draw, Shown

Answered = tuple[Question, Label, Request]
"""What was asked, what was chosen, and the request to which it is the reply."""


class Sifting:
    """What becomes of replies.

    Args:
        teacher: Who gave them.
        criteria: Which of them become records.
        ledger: Knows which requests failed.
        funnel: Counts.
        draw: Is offered everything.
    """

    def __init__(
        self, teacher: Teacher, criteria: Criteria, ledger: Ledger, funnel: Funnel, draw: Draw
    ) -> None:
        self.teacher, self.criteria, self.ledger = teacher, criteria, ledger
        self.funnel, self.draw = funnel, draw
        self._is_first = ledger.firsts()

    def sift(self, subject: Subject) -> Iterator[Record | Rejected]:
        """Yield what was rejected, and at last the record of what was not."""
        pictures, accepted = subject.read(), []
        tally = self.funnel.tallies[subject.kind]
        for question in subject.questions:
            if not pictures:
                tally.rejected["no-picture"] += 1
                yield Rejected(subject.key, subject.kind, "no-picture", "")
                continue
            requests = self.teacher.requests(question, pictures)
            completions = self._completions(requests, subject.kind)
            if completions is None:
                continue
            label = choose_label(completions)
            rule = self._judge(subject, question, label, tally)
            self._show(subject, question, label, rule, pictures)
            if rule:
                yield Rejected(subject.key, subject.kind, rule, label.text)
            else:
                accepted.append((question, label, requests[label.place]))
        if accepted:
            yield Record(subject.key, self._content(subject, accepted), dict(pictures))

    def _completions(self, requests: Sequence[Request], kind: str) -> list[Completion] | None:
        """Return the replies; None, and count it, if one is missing."""
        teacher, found = self.teacher, []
        for request in requests:
            completion = teacher.cache.get(request.key)
            if completion is None:
                self.funnel.miss(kind, self.ledger.failure(request.key))
                return None
            found.append(completion)
        for request, completion in zip(requests, found, strict=True):
            if self._is_first(request.key):
                tokens = tokens_of(request, completion)
                self.funnel.pay(completion.served_model, tokens, teacher.prices.cost(*tokens))
        return found

    def _judge(self, subject: Subject, question: Question, label: Label, tally: Tally) -> str:
        """Return the rule that an answer breaks, and count it."""
        image = subject.image if isinstance(subject.image, str) else ""
        rule = self.criteria.fault(label, question, image)
        is_known = bool(question.known)
        is_right = is_known and likeness(label.text, question.known) == 1
        tally.known += is_known
        tally.right += is_right
        if rule:
            tally.rejected[rule] += 1
        else:
            tally.accepted += 1
            tally.turns += 1
            tally.known_accepted += is_known
            tally.right_accepted += is_right
        return rule

    def _show(
        self, subject: Subject, question: Question, label: Label, rule: str, pictures: Pictures
    ) -> None:
        facts = [f"agreement {label.agreement:.2f}"]
        facts += [] if label.confidence is None else [f"confidence {label.confidence:.2f}"]
        facts += [f"known: {question.known}"] if question.known else []
        turns = [] if rule else [(question.text, label.text)]
        text = f"{question.text}\n{label.text}"
        picture = next(iter(pictures.values()))
        self.draw.offer(Shown(subject.kind, subject.key, "\n".join(facts), picture, turns, text, rule))

    def _content(self, subject: Subject, accepted: Sequence[Answered]) -> dict[str, Any]:
        """Return LLaVA's record: what was accepted as one conversation."""
        turns = [(question.text, label.text) for question, label, _ in accepted]
        forms = [question.form for question, _, _ in accepted]
        image: Any = subject.image
        record = make_record(subject.key, image, with_prompts(turns, forms))
        if isinstance(image, list):
            first = record["conversations"][0]
            first["value"] = f"{IMAGE_PLACEHOLDER}\n" * (len(image) - 1) + first["value"]
        return record | {"provenance": self._origin(accepted)}

    def _origin(self, accepted: Sequence[Answered]) -> dict[str, Any]:
        teacher = self.teacher
        last = max((label.completion for _, label, _ in accepted), key=lambda one: one.created)
        return {
            "asked": teacher.model,
            "model": last.served_model,
            "date": last.date,
            "answers": [
                {"request": request.key, "agreement": label.agreement, "confidence": label.confidence}
                for _, label, request in accepted
            ],
        }
