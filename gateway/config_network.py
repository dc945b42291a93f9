"""Settings of the network beside the broker: the servers of the gateway, the cloud, the webhook and the feeds."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.adapters.personal_data import Scanner
from gateway.config_part import Part
from gateway.core.ids import checked_id


def _public_id(text: str) -> str:
    """`text`, if it is an id that may leave. Raises ValueError."""
    kind = Scanner()(text)
    if kind is not None:
        raise ValueError(f"it looks like personal data ({kind}), and this id leaves the gateway in records and topics; choose another name")
    return checked_id(text)


Id = Annotated[str, AfterValidator(_public_id)]


def _checked_url(url: str) -> str:
    """Raises ValueError for plain http beyond this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(f"{url!r} is not an address such as https://host/path") from None
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"{url!r} would be sent in plain text: use https")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class CloudPart(Part):
    """The cloud that records are sent to."""

    url: str = Field(pattern=r"^https?://[^\s/]+/?$", description="the dashboard, such as https://dashboard.example")
    token_file: Path = Field(description="file that holds this gateway's token")
    ca_file: Path | None = Field(None, description="certificate authority of the dashboard, if not a public one")
    interval_s: float = Field(30.0, ge=0.1, description="how often to look for new records")
    desk: bool = Field(default=False, description="apply the signed desired state of the desk there: bundles and stopped offers")

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        return _checked_url(value)


class _ServerPart(Part):
    """A server with TLS, which only loopback may lack."""

    host: str = Field("127.0.0.1", description="address to listen at; beyond loopback it needs a certificate")
    port: int = Field(ge=0, lt=65_536)
    certificate_file: Path | None = Field(None, description="certificate of the server; naming one turns TLS on")
    key_file: Path | None = Field(None, description="private key of the certificate")

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        if self.certificate_file is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached from the network, and its answers would be sent in plain text: "
                "set certificate_file and key_file, or host = 127.0.0.1"
            )
        return self


class HttpPart(_ServerPart):
    """The HTTP interface."""

    port: int = Field(8470, ge=0, lt=65_536, description="port to listen at; 0 takes a free one")
    tokens_file: Path = Field(description='TOML file with a line device = "token" for each client; only its owner may read it')


class MetricsPart(_ServerPart):
    """Metrics for Prometheus."""

    port: int = Field(9473, ge=0, lt=65_536, description="port to listen at; 0 takes a free one")


class PagePart(_ServerPart):
    """The person's page."""

    port: int = Field(8480, ge=0, lt=65_536, description="port to listen at; 0 takes a free one")
    operator: str = Field(min_length=1, max_length=80, description="who runs the gateway, as people know it; stated on the page")
    address: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+$",
        description="the page's address in QR codes, such as https://wayside.example; default: host and port",
    )
    incentive: dict[Annotated[str, Field(pattern="^[a-z]{2,3}$")], Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=dict, description='what taking part brings, by language, such as { en = "a coffee", de = "ein Kaffee" }'
    )

    @property
    def public_address(self) -> str:
        """The page's address for people."""
        scheme = "http" if self.certificate_file is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.address or f"{scheme}://{host}:{self.port}"


class DeskPart(Part):
    """The operator's desk."""

    people_file: Path = Field(
        description='TOML file with a line name = { role = "viewer", token = "..." } for each of the staff; only its owner may read it'
    )


class WebhookPart(Part):
    """The system that passes offers of the channel `webhook` on."""

    url: str = Field(pattern=r"^https?://[^\s]+$", description="where these offers are posted; https, or http on this machine")
    secret_file: Path = Field(description="secret that signs them (Standard Webhooks: whsec_ and base64); only its owner may read it")
    ca_file: Path | None = Field(None, description="certificate authority of the receiver, if not a public one")

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        return _checked_url(value)


class FeedPart(Part):
    """A document on the network that is polled."""

    name: Id = Field(description="its name in the log")
    url: str = Field(pattern=r"^https?://[^\s]+$", description="its address; https, or http on this machine")
    decoder: str = Field(description="format of its items: cloudevents, ngsi_ld or another bridge")
    interval_s: float = Field(60.0, ge=10, le=86_400, description="time between two polls")
    ca_file: Path | None = Field(None, description="certificate authority of its server, if not a public one")

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        return _checked_url(value)
