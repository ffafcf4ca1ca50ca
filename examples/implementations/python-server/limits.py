"""SEC-6: token buckets on the server's clock, which bound how often a caller invites and rings."""

from dataclasses import dataclass

from arguments import Bounds
from codes import Code, Refused


@dataclass
class Bucket:
    """Holds up to `size` tokens; gets one back each `refill` nanoseconds from the time when it ceased to be full."""

    size: int
    refill: int
    tokens: int
    since: int = 0  # the time up to which refills are counted

    def has_one(self, now: int) -> bool:
        back = (now - self.since) // self.refill if self.refill else self.size
        self.tokens = min(self.size, self.tokens + back)
        self.since = now if self.tokens == self.size else self.since + back * self.refill
        return self.tokens > 0

    def take(self) -> None:
        self.tokens -= 1


class RateLimits:
    def __init__(self, bounds: Bounds, enforced: bool):
        self.enforced = enforced
        self._bounds = bounds
        self._calls: dict[str, Bucket] = {}  # by caller
        self._rings: dict[tuple[str, str], Bucket] = {}  # by caller and invitee

    def call(self, now: int, caller: str, args: object) -> None:
        """Takes the call from its bucket, unless that or the bucket of a ring that it asks for is empty.

        This is row 3 of the order of checks, so nothing is known yet of what the call comes to: neither whether its list
        is a list nor who of it would really be rung.
        """
        if not self.enforced:
            return
        calls = self._bucket(self._calls, caller, "invite_calls")
        ids = args.get("userIdList") if isinstance(args, dict) else None
        invitees = {item for item in ids if isinstance(item, str)} if isinstance(ids, list) else set()
        rings = [self._rings[caller, invitee] for invitee in invitees if (caller, invitee) in self._rings]
        if not calls.has_one(now) or not all(bucket.has_one(now) for bucket in rings):
            raise Refused(Code.FREQ_LIMIT, "too many calls; try again later")
        calls.take()

    def ring(self, now: int, caller: str, invitee: str) -> None:
        """Takes a ring that has begun: a code other than 0 rings nobody and takes none."""
        if self.enforced:
            bucket = self._bucket(self._rings, (caller, invitee), "rings")
            bucket.has_one(now)
            bucket.take()

    def _bucket(self, buckets: dict, key: object, name: str) -> Bucket:
        size = self._bounds[f"{name}_max"]
        return buckets.setdefault(key, Bucket(size, self._bounds[f"{name}_refill"], size))
