"""Messages about single people that a gateway sends by its config, beside the numbers: receivers and content, for the privacy sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from gateway.commands.privacy.texts import Language, Text

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.core.site import Site

ASKING = frozenset({"till", "kiosk", "counter", "contact_centre"})
"""Kinds of devices that may ask for an offer to a person."""


class Exits(msgspec.Struct, frozen=True):
    """Receivers by name; empty if there is none. Of a webhook only the host is named, because an address may hold a secret."""

    broker: str = ""
    neighbours: str = ""
    webhook: str = ""
    clients: str = ""
    screens: str = ""
    people_min: int = 0
    tills: str = ""
    metrics: str = ""


def exits(config: Config, site: Site) -> Exits:
    """The receivers by config and campaign."""
    kinds = {name: part.kind for name, part in config.devices.items()}
    has_coupons = any(offer.coupon for offer in site.campaign.offers)
    is_passed_on = config.webhook is not None and any(offer.channel == "webhook" for offer in site.campaign.offers)
    return Exits(
        broker=config.mqtt.host,
        neighbours=", ".join(sorted(site.neighbours)),
        webhook=(urlsplit(config.webhook.url).hostname or "") if config.webhook is not None and is_passed_on else "",
        clients=", ".join(sorted(name for name, kind in kinds.items() if kind in ASKING)),
        screens=", ".join(sorted(site.screens)) if site.campaign.table.is_screen.any() else "",
        people_min=site.screen_terms.people_min,
        metrics=f"{config.metrics.host}:{config.metrics.port}" if config.metrics is not None else "",
        tills=", ".join(sorted(name for name, kind in kinds.items() if kind == "till")) if has_coupons else "",
    )


def rows(found: Exits, language: Language) -> Iterator[str]:
    """A sentence for each receiver."""
    values = msgspec.structs.asdict(found)
    for name, text in MESSAGES.items():
        if values[name]:
            yield text[language].format(**values)


def _text(en: str, de: str, fr: str) -> Text:
    return {"en": en, "de": de, "fr": fr}


TITLE = _text("Messages about single people", "Nachrichten über einzelne Menschen", "Messages sur des personnes")
ABOUT = _text(
    "They carry out an offer or a consent, have no noise, and go to these receivers. A receiver keeps them by its own rules; a "
    "withdrawal does not reach copies there.",
    "Sie führen ein Angebot oder eine Einwilligung aus, haben kein Rauschen und gehen an diese Empfänger. Ein Empfänger bewahrt "
    "sie nach eigenen Regeln auf; ein Widerruf erreicht Kopien dort nicht.",
    "Ils exécutent une offre ou un consentement, sont sans bruit et vont à ces destinataires. Un destinataire les garde selon "
    "ses propres règles ; un retrait n'atteint pas ses copies.",
)
MESSAGES = {
    "broker": _text(
        "Broker {broker}: each offer for a phone, with the phone's id, the place and the text; answers to a phone's consents and "
        "wishes. The administrator of the broker can read all of it, and all that phones, tags and tills send.",
        "Broker {broker}: jedes Angebot für ein Telefon mit dessen Kennung, Ort und Text; Antworten auf Einwilligungen und "
        "Wünsche eines Telefons. Wer den Broker verwaltet, kann das alles lesen, auch alles, was Telefone, Tags und Kassen "
        "senden.",
        "Courtier {broker} : chaque offre pour un téléphone, avec son identifiant, le lieu et le texte ; réponses aux "
        "consentements et souhaits d'un téléphone. L'administrateur du courtier peut tout lire, y compris ce qu'envoient "
        "téléphones, badges et caisses.",
    ),
    "neighbours": _text(
        "Gateways of the site ({neighbours}): of each contact the phone's id, the offer and a number; of a withdrawal on the "
        "page or at the desk the phone's id. A gateway where the person has not consented drops it.",
        "Gateways der Anlage ({neighbours}): von jedem Kontakt die Kennung des Telefons, das Angebot und eine Nummer; von einem "
        "Widerruf auf der Seite oder am Schalter die Kennung. Ein Gateway ohne Einwilligung des Menschen verwirft es.",
        "Passerelles du site ({neighbours}) : de chaque contact l'identifiant du téléphone, l'offre et un numéro ; d'un retrait "
        "sur la page ou au guichet, l'identifiant. Une passerelle sans consentement de la personne les rejette.",
    ),
    "webhook": _text(
        "System {webhook}: of each offer by SMS, e-mail or call the phone's id, the place, the text and its end.",
        "System {webhook}: von jedem Angebot per SMS, E-Mail oder Anruf die Kennung des Telefons, Ort, Text und Ende.",
        "Système {webhook} : de chaque offre par SMS, courriel ou appel, l'identifiant du téléphone, le lieu, le texte et sa fin.",
    ),
    "clients": _text(
        "Devices that ask ({clients}): for the id of a phone or tag that they send, an offer, or none; and whether that person "
        "has consented to presence.",
        "Geräte, die fragen ({clients}): zur Kennung eines Telefons oder Tags, die sie senden, ein Angebot oder keines; und ob "
        "dieser Mensch dem Erkennen zugestimmt hat.",
        "Appareils qui demandent ({clients}) : pour l'identifiant d'un téléphone ou d'un badge qu'ils envoient, une offre ou "
        "aucune ; et si cette personne a consenti à la présence.",
    ),
    "tills": _text(
        "Tills ({tills}) and other gateways: of each redeemed coupon its number, the till and the time, without a person.",
        "Kassen ({tills}) und andere Gateways: von jedem eingelösten Gutschein Nummer, Kasse und Zeit, ohne Menschen.",
        "Caisses ({tills}) et autres passerelles : de chaque bon utilisé le numéro, la caisse et l'heure, sans personne.",
    ),
    "screens": _text(
        "Screens ({screens}): offers for at least {people_min} people who are present together. With knowledge of all others "
        "present, one more person can be noticed.",
        "Bildschirme ({screens}): Angebote für mindestens {people_min} Menschen, die zusammen da sind. Mit Kenntnis aller "
        "anderen Anwesenden kann ein weiterer Mensch auffallen.",
        "Écrans ({screens}) : offres pour au moins {people_min} personnes présentes ensemble. Si toutes les autres sont connues, "
        "une personne de plus peut être remarquée.",
    ),
    "metrics": _text(
        "Monitoring at {metrics}: state and load of the machine, without people. Load, memory, bytes written and refused "
        "messages rise with traffic: keep it on the machine.",
        "Überwachung unter {metrics}: Zustand und Last der Maschine, ohne Menschen. Last, Speicher, geschriebene Bytes und "
        "abgewiesene Nachrichten steigen mit dem Verkehr: auf der Maschine lassen.",
        "Surveillance à {metrics} : état et charge de la machine, sans personnes. Charge, mémoire, octets écrits et messages "
        "refusés augmentent avec le trafic : à garder sur la machine.",
    ),
}
"""Field of Exits -> the sentence."""
OPERATOR = _text(
    "On the machine, the operator's commands show or copy exact data: `results` (counts), `why` (decisions), `history export` "
    "(people with consent to learning), `subject` (one person), `backup` (encrypted). They are not part of the guarantee above.",
    "Auf der Maschine zeigen oder kopieren Befehle des Betreibers genaue Daten: `results` (Anzahlen), `why` (Entscheidungen), "
    "`history export` (Menschen mit Einwilligung ins Lernen), `subject` (ein Mensch), `backup` (verschlüsselt). Die Zusage oben "
    "gilt für sie nicht.",
    "Sur la machine, les commandes de l'exploitant montrent ou copient des données exactes : `results` (comptes), `why` "
    "(décisions), `history export` (personnes ayant consenti à l'apprentissage), `subject` (une personne), `backup` (chiffré). "
    "La garantie ci-dessus ne les couvre pas.",
)
