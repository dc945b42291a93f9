"""Builds a gateway from a config: the one file that imports core, decoders and adapters.

Every setting is checked here, before a connection is made. A setting that cannot work raises SetupError with one line of text.
"""

from __future__ import annotations

import logging
import tomllib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.bundle_store import BundleStore, BundleStoreError
from gateway.adapters.clock import SystemClock
from gateway.adapters.cloud import Cloud
from gateway.adapters.coupon_keys import CouponSigner, open_signer
from gateway.adapters.desired import AppliedFile, DesiredError, DeskTarget
from gateway.adapters.feeds import HttpFeed
from gateway.adapters.http_client import HttpTarget
from gateway.adapters.onnx_scorer import ScorerError
from gateway.adapters.personal_data import Scanner
from gateway.adapters.store import Store
from gateway.adapters.store.keys import make_key
from gateway.adapters.tls_files import authority_fault
from gateway.adapters.toml_files import TomlFileError
from gateway.build_broker import build_bus
from gateway.build_store import SetupError, open_store, secret_text
from gateway.config import ConfigError, combined
from gateway.core import limits
from gateway.core.bundle import Bundle, BundleError
from gateway.core.desired import without_stopped
from gateway.core.nearest import nearest
from gateway.core.ports import StoreError
from gateway.core.site import ClaimRules, Door, Retention, ScreenTerms, Site
from gateway.decoders.bluetooth.keys import parse_keys
from gateway.decoders.contract import Decoder, Keys
from gateway.decoders.lorawan.javascript import Codec, Codecs
from gateway.decoders.mapping.decode import mapping_decoder
from gateway.decoders.registry import BrokenDecoderError, DecoderNotFoundError, load, usable
from gateway.decoders.topics import is_filter
from gateway.runtime.app import App
from gateway.runtime.desired import DesiredThread, Running
from gateway.runtime.echo import echo_topic
from gateway.runtime.feeds import FeedThread, feed_topic
from gateway.runtime.mailbox import Mailbox
from gateway.runtime.model_check import check_model
from gateway.runtime.model_slot import ModelSlot
from gateway.runtime.outbound import OutboundThread
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed, Source, source
from gateway.runtime.uplink import UplinkThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from gateway.config import Config
    from gateway.config_network import CloudPart, FeedPart
    from gateway.config_sources import CodecPart, SourcePart


log = logging.getLogger("wayside")


FAULTS = (SetupError, TomlFileError, StoreError, BundleError, ScorerError, BundleStoreError, OSError)
"""Errors of building a gateway; the text of each is one line with cause and way out."""


def build(config: Config) -> App:
    """A gateway for this config, not yet connected. Raises one of FAULTS."""
    clock = SystemClock()
    bundle = without_stopped(
        checked_bundle(config, EXPIRY_UNCHECKED), stopped_offers(config)
    )  # with an expired bundle consents and sightings are still processed
    with suppress(OSError):  # a folder that cannot be written costs a model check at each start
        BundleStore(config.bundle.path).note_passed()
    _make_claim_secret(config)
    coupon_signer(config, may_create=True)
    site = build_site(config, bundle)
    slot = model_slot(config, bundle)
    slot.poll(clock.now_ms())
    store = open_store(config)
    try:
        return _wired(config, clock, site, slot, store)
    except Exception:
        store.close()  # so that the start can be tried again
        raise


def _wired(config: Config, clock: SystemClock, site: Site, slot: ModelSlot, store: Store) -> App:
    """The gateway on an open store, with its services. Raises as `build`."""
    from gateway import build_services as services  # noqa: PLC0415 - servers and pages, which a check does not need

    router = build_router(config)
    cloud = build_cloud(config)
    bus = build_bus(config, router.sources, clock, store)
    mailbox = Mailbox(limits.MAILBOX_MESSAGES_MAX, router.sender)
    uplink = UplinkThread(config.gateway, cloud, mailbox, clock.now_ms, config.cloud.interval_s) if cloud and config.cloud else None
    tokens = services.http_tokens(config)
    app = App(
        site,
        clock=clock,
        bus=bus,
        store=store,
        scorer=slot,
        router=router,
        mailbox=mailbox,
        uplink=uplink,
        model_slot=slot,
        status_interval_ms=int(config.status_interval_s * 1000),
        clean=Scanner(config.privacy.phone_regions).clean,
        echo_topic=echo_topic(config.site, config.gateway),
    )
    if tokens is not None:
        app.services.append(services.build_http(config, app, tokens))
    if config.metrics is not None:
        app.services.append(services.build_metrics(config, app))
    if config.page is not None:
        app.services.append(services.build_page(config, app))
    if config.desk is not None:
        app.services.append(services.build_desk(config, app))
    webhook = services.build_webhook(config)
    if webhook is not None:
        app.services.append(OutboundThread(webhook, app.triggers, mailbox, clock.now_ms))
    app.services += [*build_feeds(config, mailbox, clock), services.build_report(config, app)]
    if config.cloud is not None and config.cloud.desk:
        app.services.append(build_desired(config, app, slot))
    return app


FEED_BYTES_MAX = 2_000_000
SECRET_CHARS_MIN, SECRET_CHARS_MAX = 16, 64  # 64 bytes is the longest key of BLAKE2b
EXPIRY_UNCHECKED = 0
"""As `now_ms`: a time before CLOCK_FLOOR_MS, at which the expiry of a bundle is not checked."""


def trusted_keys(config: Config) -> list[Ed25519PublicKey]:
    """The public keys that the config accepts. Raises SetupError."""
    try:
        return [key for path in config.bundle.trusted_keys for key in read_public_keys(path)]
    except OSError as error:
        raise SetupError(f"{config.place('bundle', 'trusted_keys')}: {error.filename} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SetupError(f"{config.place('bundle', 'trusted_keys')}: {error}") from None


def open_config_bundle(config: Config, now_ms: int) -> Bundle:
    """The verified bundle of the config, not older than the newest installed one. Raises BundleError, SetupError, BundleStoreError."""
    return _open_installed(config, config.bundle.path, now_ms)


def _open_installed(config: Config, path: Path, now_ms: int) -> Bundle:
    """The active bundle, or the previous one, which may be older than the newest installed one."""
    bundle_store = BundleStore(config.bundle.path)
    trusted_ms = now_ms if now_ms >= limits.CLOCK_FLOOR_MS else None
    version_min = bundle_store.version_min() if path == bundle_store.active else 1
    try:
        return open_bundle(path, trusted_keys(config), trusted_ms, version_min=version_min)
    except BundleError as error:
        raise BundleError(error.reason, error.detail, place=f"{config.place('bundle', 'path')}: {path}") from None


def checked_bundle(config: Config, now_ms: int) -> Bundle:
    """The verified bundle of the config, after a model check unless it had one when it was installed. Raises as `open_config_bundle`.

    Raises ScorerError if the model check fails.
    """
    bundle = open_config_bundle(config, now_ms)
    if not BundleStore(config.bundle.path).has_passed():
        check_model(bundle.model)
    return bundle


def model_slot(config: Config, bundle: Bundle) -> ModelSlot:
    """The model slot with the model of an opened bundle. Raises ScorerError."""
    return ModelSlot(bundle, BundleStore(config.bundle.path), partial(_reopened, config))


def _reopened(config: Config, path: Path, now_ms: int) -> Bundle:
    """Open a bundle for the running gateway, which must not end with SetupError. Raises BundleError, BundleStoreError."""
    try:
        bundle = _open_installed(config, path, now_ms)
        check_zone_kinds(config, bundle)
        check_retention(config, bundle)
        check_channels(config, bundle)
    except SetupError as error:
        raise BundleStoreError(str(error)) from None
    return without_stopped(bundle, stopped_offers(config))


def stopped_offers(config: Config) -> tuple[str, ...]:
    """The offers that the desk has stopped on this gateway; none without a desk. Raises BundleStoreError."""
    if config.cloud is None or not config.cloud.desk:
        return ()
    try:
        return AppliedFile(config.bundle.path).read().stopped
    except DesiredError as error:
        raise BundleStoreError(str(error)) from None


def build_desired(config: Config, app: App, slot: ModelSlot) -> DesiredThread:
    """The thread that applies the desired state of the desk, not started. Raises SetupError and BundleStoreError."""
    assert config.cloud is not None
    bundles = BundleStore(config.bundle.path)
    if bundles.state() is None:
        manifest = open_config_bundle(config, EXPIRY_UNCHECKED).manifest
        bundles.install(config.bundle.path.read_bytes(), manifest.name, manifest.version)

    def check(content: bytes) -> None:
        bundle = open_bundle(content, trusted_keys(config), app.clock.now_ms())
        check_model(bundle.model)
        build_site(config, bundle)

    from gateway.build_condition import condition_of  # noqa: PLC0415 - reports, which a check does not need

    try:
        condition = condition_of(config, app)
    except (OSError, ValueError) as error:
        raise SetupError(f"a certificate file cannot be read: {error}") from None

    def check_settings(text: str) -> None:
        try:
            other = combined(config, text)
        except ConfigError as error:
            raise SetupError(str(error)) from None
        build_site(other, open_config_bundle(other, EXPIRY_UNCHECKED))
        build_router(other)

    def restart() -> None:
        app.reload()

    running = Running(
        config.gateway,
        tuple(zone.id for zone in config.zones),
        lambda: slot.version,
        check,
        condition,
        check_settings,
        lambda: app.bus.link().connected,
        restart,
    )
    desk = DeskTarget(config.cloud.url, cloud_token(config.cloud), trusted_keys(config), config.cloud.ca_file)
    try:
        return DesiredThread(running, desk, bundles, AppliedFile(config.bundle.path), FAULTS)
    except DesiredError as error:
        raise SetupError(str(error)) from None


def check_zone_kinds(config: Config, bundle: Bundle) -> None:
    """Raises SetupError if a zone's kind is not one of the bundle's schema; one line for each."""
    known = bundle.schema.zone_kinds
    faults = [
        f"{config.place('zones', at, 'kind')}: {zone.kind!r} is no zone kind of the bundle's schema{nearest(zone.kind, known)}"
        for at, zone in enumerate(config.zones)
        if zone.kind is not None and zone.kind not in known
    ]
    if faults:
        raise SetupError("\n".join(faults))


def check_retention(config: Config, bundle: Bundle) -> None:
    """Raises SetupError if decisions are deleted before the campaign's caps, refusals, silences and outcomes have looked at them."""
    days, kept = bundle.campaign.days_back, {"decisions_days": config.retention.decisions_days}
    if config.neighbours:  # contacts of neighbours are facts
        kept["facts_days"] = config.retention.facts_days
    for name, least in kept.items():
        if days > least:
            raise SetupError(
                f"retention.{name}: {least} days are less than the {days} that the campaign's contact policy and outcomes look back"
            )


def check_channels(config: Config, bundle: Bundle) -> None:
    """Raises SetupError if an offer of the campaign has a coupon without a key to sign it, or a channel that the config lacks."""
    passed_on = next((offer for offer in bundle.campaign.offers if offer.channel == "webhook"), None)
    if passed_on is not None and config.webhook is None:
        raise SetupError(
            f"webhook is not set, and the offer {passed_on.id!r} has the channel webhook: set webhook.url and webhook.secret_file"
        )
    offer = next((offer for offer in bundle.campaign.offers if offer.coupon), None)
    if offer is not None and config.coupons.key_file is None:
        raise SetupError(f"coupons.key_file is not set, and the offer {offer.id!r} has a coupon: name a file, which is made at the start")


def build_site(config: Config, bundle: Bundle) -> Site:
    """The site of a config, with schema, campaign and columns of its bundle.

    Raises SetupError for a zone kind that the schema lacks, for a retention that is too short for the campaign, and for coupons
    without a key.
    """
    check_zone_kinds(config, bundle)
    check_retention(config, bundle)
    check_channels(config, bundle)
    zones = {part.id: part.zone() for part in config.zones}
    return Site(
        name=config.site,
        gateway=config.gateway,
        timezone=ZoneInfo(config.timezone),
        zones=zones,
        anchors={anchor: zone.id for zone in zones.values() for anchor in zone.anchors},
        devices={name: part.zone for name, part in config.devices.items()},
        doors={name: Door(part.from_zone, part.inverted) for name, part in config.devices.items() if part.from_zone or part.inverted},
        presence=config.presence.rules(tuple(zones.values())),
        campaign=bundle.campaign,
        rules=bundle.rules,
        schema=bundle.schema,
        columns=bundle.manifest.model.columns,
        mined=bundle.mined,
        privacy=config.privacy.terms(),
        clock_floor_ms=limits.CLOCK_FLOOR_MS,
        retention=Retention(**config.retention.model_dump()),
        holidays=frozenset(config.holidays),
        claims=ClaimRules(claim_secret(config), frozenset(config.claims.counters)),
        holdout_salt=config.holdout_salt or config.site,
        priors=bundle.priors or (),
        positives=bundle.positives,
        coupons=coupon_signer(config),
        neighbours=frozenset(config.neighbours),
        screens={name: part.zone for name, part in config.devices.items() if part.kind == "screen"},
        screen_terms=ScreenTerms(**config.screens.model_dump()),
    )


def build_router(config: Config) -> Router:
    """The router for the sources of a config. Raises SetupError for a wrong topic filter, decoder, speaker or keys file."""
    # The feeds first, so that no filter of the broker takes their messages.
    sources = [*(_feed_source(part) for part in config.feeds), *build_sources(config.sources, config.codecs, config.place)]
    return Router(
        sources, Installed({config.gateway: "gateway", **{name: part.kind for name, part in config.devices.items()}}, config.anchors())
    )


def _dotted(*setting: str | int) -> str:
    return ".".join(map(str, setting))


def build_sources(
    parts: Sequence[SourcePart], codec_parts: Sequence[CodecPart], place: Callable[[str, int], str] = _dotted
) -> list[Source]:
    """The sources of a config, whose place in its file is for errors.

    Raises SetupError for a wrong topic filter, decoder, speaker, keys file or codec, and for a library that is not installed.
    """
    codecs, sources = build_codecs(codec_parts), []
    remembering: dict[str, Decoder] = {}  # one of each format, shared by the sources of descriptions and of values
    for number, part in enumerate(parts):
        where = place("sources", number)
        if not is_filter(part.topic):
            raise SetupError(f"{where}: {part.topic!r} is not an MQTT topic filter (# stands only at the end, + for a whole level)")
        try:
            if part.mapping is not None:
                decoder = mapping_decoder(part.mapping.mapping())
            else:
                found = usable(part.decoder or "").coded(codecs)
                decoder = remembering.setdefault(found.name, found.remembering()) if found.fresh is not None else found
            keyed = decoder.keyed(_keys(part.keys_file)) if part.keys_file else decoder
            sources.append(source(part.topic, keyed, part.speaker, part.kinds, is_bridge=part.bridge))
        except (DecoderNotFoundError, BrokenDecoderError, ValueError) as error:
            raise SetupError(f"{where}: {error}") from None
    return sources


def build_codecs(parts: Sequence[CodecPart]) -> Codecs:
    """The JavaScript codecs of a config, each loaded once. Raises SetupError for a file or codec that cannot be used."""
    codecs = []
    for part in parts:
        try:
            codec = Codec(part.file.read_text(encoding="utf-8"), part.models, part.rows())
            codec.check()
        except OSError as error:
            raise SetupError(f"codecs: {part.file} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise SetupError(f"codecs: {part.file}: {error}") from None
        codecs.append(codec)
    return tuple(codecs)


def _feed_source(part: FeedPart) -> Source:
    """The source of a feed's messages. Raises SetupError for a format that is no bridge's."""
    try:
        decoder = load(part.decoder)
    except (DecoderNotFoundError, BrokenDecoderError) as error:
        raise SetupError(f"feeds: {error}") from None
    if decoder.role != "bridge":
        raise SetupError(f"feeds: {part.name}: items of {part.decoder} name no device; use cloudevents or ngsi_ld")
    return source(feed_topic(part.name), decoder, kinds=sorted(decoder.kinds - {"sighting", "position"}))


def build_feeds(config: Config, mailbox: Mailbox, clock: SystemClock) -> list[FeedThread]:
    """The pollers of the config's feeds, not started. Raises SetupError for an address or certificate file that cannot be used."""
    feeds = []
    for part in config.feeds:
        try:
            target = HttpTarget(part.url, ca_file=part.ca_file, body_bytes_max=FEED_BYTES_MAX)
        except (ValueError, OSError) as error:
            raise SetupError(f"feeds: {part.name}: {error}") from None
        feeds.append(FeedThread(part.name, HttpFeed(target), mailbox, clock.now_ms, part.interval_s))
    return feeds


def _keys(path: Path) -> Keys:
    """The decryption keys of a source's sensors. Raises ValueError."""
    try:
        return parse_keys(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None


def _make_claim_secret(config: Config) -> None:
    """Make the secret of the tags' codes at the first start. Raises OSError."""
    path = config.claims.secret_file
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make_key(path)


def claim_secret(config: Config) -> bytes | None:
    """The secret of the codes issued with tags, or None without one. Raises SetupError."""
    path = config.claims.secret_file
    secret = secret_text(path, config.place("claims", "secret_file")) if path is not None and path.exists() else None
    if secret is not None and not SECRET_CHARS_MIN <= len(secret.encode()) <= SECRET_CHARS_MAX:
        raise SetupError(f"claims.secret_file: {config.claims.secret_file} must hold {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} characters")
    return None if secret is None else secret.encode()


def coupon_signer(config: Config, *, may_create: bool = False) -> CouponSigner | None:
    """The key that signs coupons; None without one, and before the first start unless `may_create`. Raises SetupError."""
    path = config.coupons.key_file
    if path is None or not (may_create or path.exists()):
        return None
    try:
        return open_signer(path)
    except (ValueError, OSError) as error:
        raise SetupError(f"coupons.key_file: {error}") from None


def build_cloud(config: Config) -> Cloud | None:
    """The connection to the cloud, or None if the config has none. Raises SetupError for an unusable certificate file or token."""
    if config.cloud is None:
        return None
    if config.cloud.ca_file is not None and (fault := authority_fault(config.cloud.ca_file)):
        raise SetupError(f"{config.place('cloud', 'ca_file')}: {fault}")
    return Cloud(config.cloud.url, cloud_token(config.cloud), config.cloud.ca_file)


def cloud_token(part: CloudPart) -> str:
    """The token of the cloud. Raises SetupError."""
    token = secret_text(part.token_file, "cloud.token_file") or ""
    if not token.isascii() or not token.isprintable() or not token:
        raise SetupError(f"cloud.token_file: {part.token_file} must hold one line of printable ASCII")
    return token
