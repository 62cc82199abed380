"""The way to an OpenAI-compatible server: its address, our connections, its models, and what goes wrong on the way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from openrag_cli.answering.llm import refusals
from openrag_cli.answering.llm.models import ModelInfo, choose, read_models, window_of
from openrag_cli.answering.llm.request import Dialect
from openrag_cli.config.network import is_loopback, network_reason, proxy_for, unusable_proxy
from openrag_cli.config.secret import Url
from openrag_cli.config.settings import Settings
from openrag_cli.errors import ConfigError, UpstreamDown, UpstreamError, UpstreamTimeout

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
OPENAI_URL = "https://api.openai.com/v1"
_VERSION = re.compile(r"/v\d+(?:/|$)|/openai(?:/|$)|/compatible-mode")


class Upstream:
    """One server, shared by all of its models. Use it within one event loop, and close it there."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.llm_base_url or Url(OPENAI_URL)
        self._key = settings.llm_api_key
        self._connect_s = settings.llm_connect_timeout_s
        self._pause_s = settings.llm_read_timeout_s
        self._version = ""
        """`/v1` once the address was found to lack it."""
        self._made: httpx.AsyncClient | None = None
        self._listing: asyncio.Task[list[ModelInfo]] | None = None
        self._dialects: dict[str, Dialect] = {}

    @property
    def where(self) -> str:
        """The server for a person, secrets masked."""
        return f"the LLM at {str(self._url).rstrip('/')}"

    def dialect(self, model: str) -> Dialect:
        """Return what is known of how a model is to be asked."""
        return self._dialects.setdefault(model, Dialect())

    def url(self, path: str) -> str:
        """Return the address of an endpoint: behind the base's path, before its query."""
        parts = urlsplit(self._url.reveal().strip())
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}{self._version}/{path}"))

    def try_version(self) -> bool:
        """From now on ask below `/v1`, if the address names no version; return whether that is new."""
        if self._version or _VERSION.search(urlsplit(self._url.reveal()).path):
            return False
        self._version = "/v1"
        return True

    def masked(self, text: str) -> str:
        """Return what the server wrote without our key and password, should it repeat them, in JSON or not."""
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return self._masked(text)
        return json.dumps(self._masked_in(body), ensure_ascii=False)

    def _masked_in(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masked(value)
        if isinstance(value, list):
            return [self._masked_in(entry) for entry in value]
        if isinstance(value, dict):
            return {self._masked(key): self._masked_in(entry) for key, entry in value.items()}
        return value

    def _masked(self, text: str) -> str:
        text = self._url.hidden_in(text)
        return self._key.hidden_in(text) if self._key else text

    async def aclose(self) -> None:
        """Close the connections."""
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})
            self._listing = None
        if self._made is not None:
            await self._made.aclose()
            self._made = None

    @property
    def client(self) -> "httpx.AsyncClient":
        """The HTTP client, made when it is first needed. Raises: ConfigError: the environment's proxy cannot be used."""
        import httpx

        if self._made is None:
            headers = [(b"Authorization", f"Bearer {self._key.reveal()}".encode())] if self._key else []
            try:
                self._made = httpx.AsyncClient(
                    headers=headers,
                    # How long the server may be silent is watched by the tokens that come, not by its pings.
                    timeout=httpx.Timeout(None, connect=self._connect_s, write=self._pause_s),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                    follow_redirects=True,
                    max_redirects=MAX_REDIRECTS,
                    trust_env=not is_loopback(self._url.reveal()),
                )
            except (ImportError, ValueError, httpx.InvalidURL) as exc:
                raise unusable_proxy(self._url.reveal(), self.where) from exc
        return self._made

    # --- its models

    def begin_listing(self) -> "asyncio.Task[list[ModelInfo]]":
        """Ask for the models in the background: it opens the connection too. A failure is an empty list."""
        if self._listing is None:
            self._listing = asyncio.create_task(self._list_quietly())
        return self._listing

    async def _list_quietly(self) -> list[ModelInfo]:
        try:
            return await self.models()
        except (UpstreamError, ConfigError):
            return []

    def forget_listing(self) -> None:
        """Let the models be listed again when they are next asked for."""
        self._listing = None

    async def models(self) -> list[ModelInfo]:
        """Return the models that the server lists. Raises: UpstreamError, ConfigError."""
        async with self.translated():
            response = await asyncio.wait_for(self.client.get(self.url("models")), self._pause_s)
            if response.status_code == 404 and self.try_version():
                again = await self.client.get(self.url("models"))
                if again.status_code >= 400:
                    self._version = ""
                else:
                    response = again
            if response.status_code >= 400:
                text = self.masked(response.text)
                raise refusals.refusal(self.where, response.status_code, text, response.headers, model="")
            try:
                found = read_models(response.json())
            except ValueError:
                found = []
        if not found:
            raise UpstreamError(f"{self.where} lists no models", hint=refusals.HINT)
        return found

    async def chosen_model(self) -> str:
        """Return the model to ask where none is named: the first listed that can chat. Raises: UpstreamError, ConfigError."""
        found = choose(await self.begin_listing()) or choose(await self.models())
        if found is None:
            raise UpstreamError(f"{self.where} has no model", hint=refusals.HINT)
        return found

    async def window(self, model: str | None, *, timeout_s: float) -> int | None:
        """Return the window of a model where the server has told it within a time; None where it has not."""
        listing = self.begin_listing()
        done, _ = await asyncio.wait({listing}, timeout=timeout_s)
        if not done:
            return None
        return window_of(listing.result(), model)

    # --- what goes wrong

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """Translate the errors of the connection. Raises: UpstreamError and kin."""
        import httpx

        try:
            yield
        except httpx.ConnectTimeout as exc:
            raise UpstreamTimeout(
                f"{self.where} took over {self._connect_s:g} s to connect", hint=refusals.HINT, retry_after_s=0
            ) from exc
        except (TimeoutError, httpx.TimeoutException) as exc:
            raise UpstreamTimeout(f"{self.where} was silent for {self._pause_s:g} s", hint=refusals.HINT) from exc
        except (httpx.ConnectError, httpx.ProxyError) as exc:
            raise self._unreachable(exc) from exc
        except httpx.TooManyRedirects as exc:
            what = f"{self.where} sends on and on to other addresses (over {MAX_REDIRECTS} redirects)"
            raise UpstreamError(what, hint=refusals.HINT) from exc
        except httpx.TransportError as exc:
            what = f"{self.where} broke the connection: {network_reason(exc)}"
            raise UpstreamError(what, hint=refusals.HINT, retry_after_s=0) from exc
        except (httpx.InvalidURL, httpx.DecodingError) as exc:
            raise UpstreamError(f"{self.where} cannot be asked: {network_reason(exc)}", hint=refusals.HINT) from exc

    def _unreachable(self, error: BaseException) -> UpstreamDown:
        why = network_reason(error)
        proxy = proxy_for(self._url.reveal())
        if proxy:
            name, address = proxy
            text = f"{self.where} cannot be reached through the proxy {Url(address)} ({name}): {why}"
            return UpstreamDown(text, hint=f"correct {name}, or name the host in NO_PROXY", retry_after_s=0)
        return UpstreamDown(f"{self.where} cannot be reached: {why}", hint=refusals.HINT, retry_after_s=0)
