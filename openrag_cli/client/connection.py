"""The connection to a server: its address and token, one client, and what may go wrong on the way."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openrag_cli import errors
from openrag_cli.client.from_json import body_of, error_of
from openrag_cli.config.network import is_loopback, network_reason, proxy_for, unusable_proxy
from openrag_cli.config.secret import Secret, Url

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
CONNECT_S = 10.0
READ_S = 120.0


class Connection:
    """The HTTP API at `url`. Safe across threads."""

    def __init__(self, url: Url, token: Secret | None) -> None:
        self._address = url
        self._url = str(url).rstrip("/")
        self._token = token

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.client.close()

    @property
    def address(self) -> str:
        """The server's address, without what is secret in it."""
        return self._address.address

    @cached_property
    def client(self) -> "httpx.Client":
        """The HTTP client. Raises: ConfigError: the address is none, or the environment's proxy cannot be used."""
        import httpx

        options = self._options()
        with self._checking_proxy():
            return httpx.Client(**options)

    def async_client(self) -> "httpx.AsyncClient":
        """Return a client for one answer, in whatever event loop; whoever asks for it closes it. Raises: ConfigError."""
        import httpx

        options = self._options()
        with self._checking_proxy():
            return httpx.AsyncClient(**options)

    def _options(self) -> Json:
        import httpx

        try:
            base_url = httpx.URL(self._address.address)
        except httpx.InvalidURL:
            raise self._no_url() from None
        return {
            "base_url": base_url,
            "auth": self._address.credentials,
            "headers": [(b"Authorization", f"Bearer {self._token.reveal()}".encode())] if self._token else [],
            "timeout": httpx.Timeout(READ_S, connect=CONNECT_S),
            "trust_env": not is_loopback(self._address.address),
        }

    def _no_url(self) -> errors.ConfigError:
        return errors.ConfigError(f"{self._url} is not a server's URL", hint="--server http://host:8080")

    @contextlib.contextmanager
    def _checking_proxy(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (ImportError, ValueError, httpx.InvalidURL):
            raise unusable_proxy(self._address.address, self._url) from None

    def send(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        """Return the answer to a request. Raises: the error that it carries; UpstreamError and kin, ConfigError."""
        with self.translating():
            response = self.client.request(method, path, **arguments)
        if response.status_code >= 400:
            raise error_of(response, self.filtered)
        return response

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Translate what goes wrong on the way. Raises: UpstreamTimeout, UpstreamError, ConfigError."""
        import httpx

        try:
            yield
        except httpx.TimeoutException as exc:
            raise errors.UpstreamTimeout(f"the server {self._url} did not answer in time", hint="try again") from exc
        except httpx.UnsupportedProtocol as exc:
            raise self._no_url() from exc
        except httpx.TransportError as exc:
            raise self._unreachable(network_reason(exc)) from exc

    def _unreachable(self, why: str) -> errors.UpstreamError:
        proxy = proxy_for(self._address.address)
        if proxy is None:
            return errors.UpstreamError(f"the server {self._url} cannot be reached: {why}", hint="is it running?")
        name, address = proxy
        return errors.UpstreamError(
            f"the server {self._url} cannot be reached through the proxy {Url(address)} ({name}): {why}",
            hint=f"correct {name}, or name the host in NO_PROXY",
        )

    def filtered(self, text: str) -> str:
        """Return what the server wrote without our token and password, should it repeat them."""
        text = self._address.hidden_in(text)
        return self._token.hidden_in(text) if self._token else text

    def get(self, path: str, **parameters: Any) -> Json:
        """Return the JSON object that a path answers."""
        return body_of(self.send("GET", path, params=parameters))

    def json(self, method: str, path: str, **arguments: Any) -> Json:
        """Return the JSON object of the answer to a request. Raises: see `send`."""
        return body_of(self.send(method, path, **arguments))
