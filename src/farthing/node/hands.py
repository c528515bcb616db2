"""What is done to hardware and disk for a claim, step by step. Blocks; whoever calls is alone (see `prepare`).

The order of one preparation: record "preparing", open the shares, write the CDI file, record "prepared". Undoing goes
backwards, the record last. So everything that may be left over has a record, and every step may be done twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from farthing.model.errors import FarthingError, TransientError, UnsupportedError
from farthing.node.cdi import Cdi
from farthing.node.check import Books, refusal, taken
from farthing.node.checkpoint import Checkpoint, Record
from farthing.node.devices import Edits, Inventory, Vendor
from farthing.node.limits import facts
from farthing.node.share import ClaimName, Share


class BesideError(UnsupportedError):
    """The node's books say no. A neighbour whose claim is over may still be in the way."""


@dataclass
class Hands:
    """The hardware and the disk of one node. `inventory` is what the node has, as seen last."""

    vendor: Vendor
    checkpoint: Checkpoint
    cdi: Cdi
    inventory: Inventory = field(default_factory=Inventory)

    def prepare(self, name: ClaimName, wanted: tuple[Share, ...] | None) -> Record:
        """Make ready what the claim wants; None: nobody can say what it wants. Raises FarthingError."""
        (done,) = self.prepare_all([(name, wanted)])
        if isinstance(done, Exception):
            raise done
        return done

    def prepare_all(self, claims: Sequence[tuple[ClaimName, tuple[Share, ...] | None]]) -> list[Record | Exception]:
        """The same for many, each of another uid: the answers in their order, with two writes for all of them."""
        books, begun = self.books(), dict[str, Record]()
        answers = [self._begin(name, wanted, books, begun) for name, wanted in claims]
        outcomes = self._finish(list(begun.values()))
        return [outcomes.get(name.uid, answer) for (name, _), answer in zip(claims, answers, strict=True)]

    def do(self, record: Record) -> Record:
        """Make ready what nothing speaks against."""
        outcome = self._finish([record])[record.claim.uid]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def undo(self, record: Record) -> None:
        """Take back whatever is there of a claim."""
        uid = record.claim.uid
        others = (one for one in self.checkpoint if one.claim.uid != uid)
        self.vendor.close(record.shares, tuple(share for one in others for share in one.shares))
        self.cdi.remove(uid)
        self.checkpoint.remove(uid)

    def books(self) -> Books:
        """What is prepared now."""
        return Books(share for record in self.checkpoint for share in record.shares)

    def neighbours(self, shares: Iterable[Share]) -> list[Record]:
        """The claims that have something of the same devices."""
        devices = {share.device for share in shares}
        return [record for record in self.checkpoint if any(share.device in devices for share in record.shares)]

    def refresh(self) -> int:
        """See what another driver did, and clear what is of a former boot. Returns how many records were spoiled."""
        lost = self.checkpoint.refresh()
        for uid in lost.former:
            self.cdi.remove(uid)
        return lost.corrupt

    def tidy(self) -> tuple[str, ...]:
        """Undo what is open though no record says so: records may be lost, hardware remembers.

        A claim whose CDI file stands may still be in use, whether it has a record or not.
        """
        if any(self.checkpoint.get(uid) is None for uid in self.cdi.there()):
            return ()
        return self.vendor.tidy(tuple(share for record in self.checkpoint for share in record.shares))

    # Steps --------------------------------------------------------------------------------------------------------

    def _begin(
        self, name: ClaimName, wanted: tuple[Share, ...] | None, books: Books, begun: dict[str, Record]
    ) -> Record | Exception:
        """What is there already, or why it cannot be; what is to be done goes into `begun` and the books."""
        try:
            record = self.checkpoint.get(name.uid)
            if record and self._stands(record) and wanted in (None, record.shares):
                return self._renewed(record, wanted)
            if wanted is None:
                return TransientError(f"claim {name} is not prepared, and the API server cannot be asked about it")
            if record:
                self.undo(record)
                books.drop(record.shares)
            if reason := taken(wanted, self.inventory):
                return UnsupportedError(str(reason))
            reason = refusal(wanted, books, self.inventory)
        except Exception as error:  # noqa: BLE001 -- of one claim; it must not cost the others of its turn theirs
            return error
        if reason is not None:
            return BesideError(str(reason))
        begun[name.uid] = Record(name, wanted, "preparing")
        books.add(wanted)
        return begun[name.uid]

    def _finish(self, begun: Sequence[Record]) -> dict[str, Record | Exception]:
        """Do what was begun; the outcome for each uid."""
        if not begun:
            return {}
        try:
            self.checkpoint.put(*begun)
        except FarthingError as error:
            return {record.claim.uid: error for record in begun}
        outcomes = {record.claim.uid: self._ready(record) for record in begun}
        done = [record for record in outcomes.values() if isinstance(record, Record)]
        try:
            if done:
                self.checkpoint.put(*done)
        except FarthingError as error:
            return outcomes | {record.claim.uid: self._taken_back(record, error) for record in done}
        return outcomes

    def _ready(self, record: Record) -> Record | Exception:
        try:
            self.cdi.write(record.claim.uid, self._open(record.shares))
        except FarthingError as error:
            return self._taken_back(record, error)
        except Exception as error:  # noqa: BLE001 -- of one claim; it must not cost the others of its turn theirs
            return error
        return Record(record.claim, record.shares, "prepared")

    def _taken_back(self, record: Record, error: FarthingError) -> Exception:
        try:
            self.undo(record)
        except FarthingError as another:
            return another
        return error

    def _stands(self, record: Record) -> bool:
        return record.state == "prepared" and self.cdi.path(record.claim.uid).exists()

    def _renewed(self, record: Record, wanted: tuple[Share, ...] | None) -> Record:
        """The record with the pods that use the claim by now."""
        if wanted is None or [share.pods for share in wanted] == [share.pods for share in record.shares]:
            return record
        newer = Record(record.claim, wanted, record.state)
        self.checkpoint.put(newer)
        return newer

    def _open(self, shares: tuple[Share, ...]) -> dict[str, Edits]:
        """The edits of each request."""
        of = attrgetter("request")
        return {
            request: self.vendor.open(group) + facts(group, self.inventory.by_name)
            for request, group in ((r, tuple(g)) for r, g in groupby(sorted(shares, key=of), of))
        }
