"""Where an organisation lives: domains, hosts and URLs as people write them, as one origin."""

from __future__ import annotations

import re

from aumconnect._runner import origin_of
from aumconnect.errors import ConfigurationError, ProtocolError

__all__ = ["ANNOUNCED", "organization_origin"]

ANNOUNCED = r"https://([a-z0-9-]+\.)+salesforce\.(com|mil)"
"""Hosts that a login may send us to: the organisation's own domain or an instance."""

_LOCAL = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


def organization_origin(url: str, *, insecure: bool) -> str:
    """``https://host`` of a domain, host or URL. Raises `ConfigurationError` for plain HTTP over a network."""
    if "://" not in url:
        url = f"https://{_host(url)}"
    try:
        origin = origin_of(url)
    except ProtocolError:
        raise ConfigurationError(f"{url!r} is not the address of an organisation") from None
    if url.rstrip("/").count("/") > 2:
        raise ConfigurationError(f"{url!r} has a path; only its host is wanted", hint=f"write {origin}")
    if origin.startswith("http://") and not insecure and not _LOCAL.fullmatch(origin):
        raise ConfigurationError(
            f"{origin} would send the token in clear",
            hint="use https, or say insecure=True if it never leaves your network",
        )
    return origin


def _host(domain: str) -> str:
    if domain in ("login", "test"):
        return f"{domain}.salesforce.com"
    if "." not in domain.partition(":")[0]:
        return f"{domain}.my.salesforce.com"
    return f"{domain}.salesforce.com" if domain.endswith(".my") else domain
