"""What an engine's thread says, in an event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from vlm.serving.ticket import Said


class Listener:
    """Hears the pieces of one answer. To be made within the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Said] = asyncio.Queue()

    def hear(self, said: Said) -> None:
        """Take a piece; the engine's thread calls this."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, said)

    async def __aiter__(self) -> AsyncIterator[Said]:
        """Yield pieces to the last."""
        while True:
            said = await self._pieces.get()
            yield said
            if said.finish or said.error:
                return
