"""Pictures from addresses on the Internet: of public hosts alone, whatever a name or a redirect says."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from vlm.serving.pictures import MIB, PictureLimits, refuse

MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_GATEWAYS = [ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")]
"""IPv6 addresses that stand for IPv4 ones, private ones among them."""


def is_public(address: str) -> bool:
    """Whether an IP address is of the Internet, and not of this machine or its network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return is_public(str(found.ipv4_mapped))
        if found.teredo or any(found in network for network in _GATEWAYS):
            return False
    return found.is_global and not found.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves names to addresses that may be connected to; the connection goes to these and no others.

    Args:
        allows: Whether an address may be.
    """

    def __init__(self, allows: Callable[[str], bool]) -> None:
        self.allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: It has none, or one that may not be.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        if not found or not all(self.allows(str(one[4][0])) for one in found):
            raise OSError(f"{host} is no public host")
        return [
            ResolveResult(
                hostname=host, host=str(one[4][0]), port=port, family=one[0], proto=one[2],
                flags=socket.AI_NUMERICHOST,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""


class RemotePictures:
    """Fetches pictures.

    Args:
        limits: Of a file; no more than that is read.
        timeout_s: For a picture, its redirects included.
        allows: Whether an IP address may be connected to.
    """

    def __init__(
        self, limits: PictureLimits, timeout_s: int | float, allows: Callable[[str], bool] = is_public
    ) -> None:
        self.limits, self.timeout_s, self.allows = limits, timeout_s, allows

    async def fetch(self, url: str) -> bytes:
        """Return the file at an address.

        Raises:
            RequestError: The address is not allowed, or gives no picture of that size in that time.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._fetch(url)
        except TimeoutError as error:
            raise refuse(f"a picture's host did not send it within {self.timeout_s:g} s", _CODE) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise refuse("a picture's address cannot be read, or is not public", _CODE) from error

    async def _fetch(self, url: str) -> bytes:
        connector = aiohttp.TCPConnector(resolver=PublicResolver(self.allows), use_dns_cache=False)
        headers = {"Accept": "image/*", "Accept-Encoding": "identity"}
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, trust_env=False, auto_decompress=False
        ) as session:
            for _ in range(MOST_REDIRECTS + 1):
                async with session.get(self._checked(url), allow_redirects=False) as response:
                    if response.status not in _REDIRECTS:
                        return await self._read(response)
                    url = str(response.url.join(URL(response.headers.get("Location", ""))))
        raise refuse(f"a picture's address redirects more than {MOST_REDIRECTS} times", _CODE)

    def _checked(self, address: str) -> URL:
        """Hold an address to what may be connected to; names are held to it when they are resolved."""
        url = URL(address)  # as aiohttp reads it: two readers could disagree
        if url.scheme not in ("http", "https") or not url.host or url.user is not None:
            raise refuse("a picture's address must be http:// or https://, without a user's name", _CODE)
        try:
            public = self.allows(url.host)
        except ValueError:
            # A name; one that ends in a number is an address in disguise, which no resolver is asked about.
            public = not url.host.rpartition(".")[2][:1].isdigit()
        if not public:
            raise refuse("a picture's address is not public", _CODE)
        return url

    async def _read(self, response: Any) -> bytes:
        if response.status != 200:
            raise refuse(f"a picture's host answers with {response.status}", _CODE)
        found = bytearray()
        async for chunk in response.content.iter_chunked(2**16):
            found += chunk
            if len(found) > self.limits.mib * MIB:
                raise refuse(f"a picture's file is larger than {self.limits.mib:g} MiB", "image_too_large")
        return bytes(found)


_CODE = "invalid_image_url"
