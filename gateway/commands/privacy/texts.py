"""The sentences of the privacy sheet in its languages; numbers are put in by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Language = Literal["en", "de", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Text = Mapping[Language, str]


def _text(en: str, de: str, fr: str) -> Text:
    return {"en": en, "de": de, "fr": fr}


TITLE = _text("Data that leave the gateway {gateway}", "Was das Gateway {gateway} verlässt", "Ce qui quitte la passerelle {gateway}")

SECTIONS: Mapping[str, tuple[Text, tuple[Text, ...]]] = {
    "protected": (
        _text("Unit of protection", "Wer geschützt ist", "Qui est protégé"),
        (
            _text(
                "Only people with consent to measurement are counted. All others are in no number that leaves.",
                "Gezählt werden nur Menschen, die der Messung zugestimmt haben. Alle anderen stehen in keiner Zahl, die das "
                "Gateway verlässt.",
                "Seules les personnes qui ont consenti à la mesure sont comptées. Les autres ne figurent dans aucun chiffre transmis.",
            ),
            _text(
                "The unit of protection is one person for one calendar day ({time_zone}). At most {contacts_max} offers of a "
                "person and day "
                "count in each table.",
                "Geschützt ist ein Mensch für einen Kalendertag ({time_zone}). Je Tabelle zählen höchstens {contacts_max} "
                "Angebote eines Menschen am Tag.",
                "L'unité protégée est une personne pendant un jour civil ({time_zone}). Au plus {contacts_max} offres par personne "
                "et par jour "
                "comptent dans chaque tableau.",
            ),
            _text(
                "An outcome counts on the day on which it is final. A second phone of a person, or a page after a withdrawal and "
                "a new consent, counts as another person.",
                "Ein Ergebnis zählt an dem Tag, an dem es feststeht. Ein zweites Telefon, oder eine Seite nach Widerruf und neuer "
                "Einwilligung, zählt als ein weiterer Mensch.",
                "Un résultat compte le jour où il est définitif. Un second téléphone, ou une page après un retrait et un nouveau "
                "consentement, compte comme une autre personne.",
            ),
        ),
    ),
    "noise": (
        _text("Noise", "Rauschen", "Bruit"),
        (
            _text(
                "Each number has random noise before it leaves: epsilon = {epsilon:g} a day, {table_epsilon:g} for each of two "
                "tables of offers. In 95 of 100 cases a number is at most {error} away from the true one.",
                "Jede Zahl erhält vor dem Verlassen ein zufälliges Rauschen: Epsilon = {epsilon:g} am Tag, {table_epsilon:g} für "
                "jede der zwei "
                "Tabellen. In 95 von 100 Fällen weicht eine Zahl um höchstens {error} von der wahren ab.",
                "Chaque nombre reçoit un bruit aléatoire avant d'être transmis : epsilon = {epsilon:g} par jour, {table_epsilon:g} "
                "pour chacun "
                "des deux tableaux. Dans 95 cas sur 100, l'écart avec le nombre exact est d'au plus {error}.",
            ),
            _text(
                "With or without one person's day, the probability of every possible result differs by a factor of at most "
                "{factor} (e to the power of {epsilon:g}). Several days add up.",
                "Mit oder ohne den Tag eines Menschen unterscheidet sich die Wahrscheinlichkeit jedes möglichen Ergebnisses "
                "höchstens um den Faktor {factor} (e hoch {epsilon:g}). Mehrere Tage addieren sich.",
                "Avec ou sans la journée d'une personne, la probabilité de chaque résultat possible diffère d'un facteur d'au plus "
                "{factor} (e puissance {epsilon:g}). Plusieurs jours s'additionnent.",
            ),
        ),
    ),
    "leaves": (
        _text("Numbers that leave", "Was das Gateway verlässt", "Ce qui est transmis"),
        (
            _text(
                "Offers sent, by zone and {window}: {hour_counts} numbers a day from {zones} zones.",
                "Gesendete Angebote nach Zone und je {window}: {hour_counts} Zahlen am Tag aus {zones} Zonen.",
                "Offres envoyées, par zone et par {window} : {hour_counts} nombres par jour pour {zones} zones.",
            ),
            _text(
                "Outcomes by {offers_by} (ignored, dismissed, came, accepted, redeemed, held out): {offer_counts} numbers each "
                "time, from {offers} offers. All leave, zeros too.",
                "Ergebnisse nach {offers_by} (nicht beachtet, abgelehnt, gekommen, angenommen, eingelöst, zurückgehalten): "
                "jeweils {offer_counts} Zahlen aus {offers} Angeboten. Alle werden gesendet, auch Nullen.",
                "Résultats par {offers_by} (ignorée, refusée, venue, acceptée, utilisée, retenue) : {offer_counts} nombres "
                "chaque fois, pour {offers} offres. Tous sont transmis, zéros compris.",
            ),
            _text(
                "The state of the gateway: that it runs, its version, how many records wait; for a desk also connection, certificates, "
                "days without a message of its sensors, days of buffer, and bytes written in quarters of their budget. None of it counts "
                "people.",
                "Der Zustand des Gateways: dass es läuft, seine Version, wie viele Datensätze warten; für einen Desk auch Verbindung, "
                "Zertifikate, Tage ohne Nachricht seiner Sensoren, Tage Puffer und geschriebene Bytes in Vierteln ihres Budgets. "
                "Nichts davon zählt Menschen.",
                "L'état de la passerelle : son fonctionnement, sa version, les enregistrements en attente ; pour un bureau aussi la "
                "connexion, les certificats, les jours sans message de ses capteurs, les jours de réserve et les octets écrits "
                "par quarts de leur budget. Rien n'y compte les personnes.",
            ),
        ),
    ),
    "stays": (
        _text("Data that stay", "Was im Gateway bleibt", "Ce qui n'est pas transmis"),
        (
            _text(
                "Apart from the messages above: names, ids of people, phones and tags, positions, single visits, answers and "
                "purchases, free text, exact numbers, and times finer than a window.",
                "Abgesehen von den Nachrichten oben: Namen, Kennungen von Menschen, Telefonen und Tags, Orte, einzelne Besuche, "
                "Antworten und Käufe, freier Text, genaue Zahlen und Zeiten, die feiner sind als ein Zeitfenster.",
                "Hors des messages ci-dessus : les noms, les identifiants de personnes, de téléphones et de badges, les "
                "positions, les visites, réponses et achats, le texte libre, les nombres exacts et les heures plus fines qu'une "
                "fenêtre.",
            ),
        ),
    ),
    "kept": (
        _text(
            "How long data are kept on the gateway", "Wie lange Daten auf dem Gateway bleiben", "Durée de conservation sur la passerelle"
        ),
        (
            _text(
                "Visits {visits_days} days, decisions {decisions_days} days, answers, purchases and consents {facts_days} days, "
                "withdrawals "
                "(as a keyed hash) {withdrawals_days} days. A withdrawal deletes a person's data at once.",
                "Besuche {visits_days} Tage, Entscheidungen {decisions_days} Tage, Antworten, Käufe und Einwilligungen "
                "{facts_days} Tage, Widerrufe (als verschlüsselter Hash) {withdrawals_days} Tage. Ein Widerruf löscht die Daten "
                "eines Menschen sofort.",
                "Visites {visits_days} jours, décisions {decisions_days} jours, réponses, achats et consentements {facts_days} "
                "jours, retraits "
                "(sous forme de hachage à clé) {withdrawals_days} jours. Un retrait efface aussitôt les données d'une personne.",
            ),
            _text(
                "Contacts that are counted stay until their number has left: to the end of the day, the week or the quarter.",
                "Gezählte Kontakte bleiben, bis ihre Zahl das Gateway verlassen hat: bis zum Ende des Tages, der Woche oder des Quartals.",
                "Les contacts comptés restent jusqu'à la transmission de leur nombre : fin du jour, de la semaine ou du trimestre.",
            ),
        ),
    ),
}

OFFERS_BY: Mapping[tuple[bool, bool], Text] = {
    (False, False): _text("zone, offer and day", "Zone, Angebot und Tag", "zone, offre et jour"),
    (True, False): _text(
        "offer and day, all zones together", "Angebot und Tag, alle Zonen zusammen", "offre et jour, toutes zones confondues"
    ),
    (False, True): _text("zone, offer and calendar week", "Zone, Angebot und Kalenderwoche", "zone, offre et semaine civile"),
    (True, True): _text(
        "offer and calendar week, all zones together",
        "Angebot und Kalenderwoche, alle Zonen zusammen",
        "offre et semaine civile, toutes zones confondues",
    ),
}
"""By whether zones are added up, and whether a week is: the cells of the table of offers."""
CONTROL = _text(
    "Answers to the yearly question of how much people feel in control: their number and their sum, once a quarter "
    "(epsilon {control_epsilon:g}; in 95 of 100 cases at most {control_error} away from the true ones).",
    "Antworten auf die jährliche Frage, wie viel Menschen selbst bestimmen: ihre Anzahl und ihre Summe, einmal im Quartal "
    "(Epsilon {control_epsilon:g}; in 95 von 100 Fällen um höchstens {control_error} von den wahren entfernt).",
    "Réponses à la question annuelle sur la maîtrise de ses données : leur nombre et leur somme, une fois par trimestre "
    "(epsilon {control_epsilon:g} ; dans 95 cas sur 100, à {control_error} au plus des valeurs exactes).",
)
VISITORS = _text(
    "Devices of people without consent: how many with a fixed radio id were heard, by zone and day (epsilon "
    "{visitors_epsilon:g}; in 95 of 100 cases at most {visitors_error} away from the true number). A device is a hash in memory "
    "under a key that ends with the day; it is never stored, and two days cannot be linked. Phones that change their address are "
    "not counted.",
    "Geräte von Menschen ohne Einwilligung: wie viele mit fester Funkkennung gehört wurden, nach Zone und Tag (Epsilon "
    "{visitors_epsilon:g}; in 95 von 100 Fällen um höchstens {visitors_error} von der wahren Zahl entfernt). Ein Gerät ist ein "
    "Hash im Arbeitsspeicher unter einem Schlüssel, der mit dem Tag endet; es wird nie gespeichert, und zwei Tage lassen sich "
    "nicht verbinden. Telefone, die ihre Adresse wechseln, zählen nicht.",
    "Appareils de personnes sans consentement : combien, à identifiant radio fixe, ont été entendus, par zone et par jour "
    "(epsilon {visitors_epsilon:g} ; dans 95 cas sur 100, à {visitors_error} au plus du nombre exact). Un appareil est un "
    "hachage en mémoire, sous une clé qui finit avec le jour ; il n'est jamais enregistré, et deux jours ne peuvent être reliés. "
    "Les téléphones qui changent d'adresse ne comptent pas.",
)
ONLY_CONSENTING = _text(
    "Only people with consent to measurement are counted in the tables of offers.",
    "In den Tabellen der Angebote werden nur Menschen gezählt, die der Messung zugestimmt haben.",
    "Dans les tableaux des offres, seules les personnes qui ont consenti à la mesure sont comptées.",
)
DAYS = _text("Days that add up", "Tage, die sich addieren", "Jours qui s'additionnent")
DAYS_ABOUT = _text(
    "Ten people are known, and one of them came each day with the same habits. The highest probability with which all the "
    "numbers that leave can name that person (by guessing: 10 %):",
    "Zehn Menschen sind bekannt, und einer von ihnen kam jeden Tag mit denselben Gewohnheiten. Die höchste Wahrscheinlichkeit, "
    "mit der alle gesendeten Zahlen diesen Menschen benennen können (durch Raten: 10 %):",
    "Dix personnes sont connues, et l'une d'elles est venue chaque jour avec les mêmes habitudes. La plus forte probabilité que "
    "tous les nombres transmis permettent de la désigner (au hasard : 10 %) :",
)
DAYS_COLUMNS = _text("days | epsilon | at most", "Tage | Epsilon | höchstens", "jours | epsilon | au plus")

DEMONSTRATION = _text(
    "This gateway is a demonstration with simulated people: its windows are too short for real ones, and a day below is 24 "
    "windows of {window}.",
    "Dieses Gateway ist eine Vorführung mit simulierten Menschen: seine Zeitfenster sind für echte zu kurz, und ein Tag sind unten "
    "24 Fenster von {window}.",
    "Cette passerelle est une démonstration avec des personnes simulées : ses fenêtres sont trop courtes pour de vraies "
    "personnes, et un jour ci-dessous compte 24 fenêtres de {window}.",
)
NOT_SENT = _text(
    "This gateway has no cloud: none of these numbers leaves.",
    "Dieses Gateway hat keine Cloud: keine dieser Zahlen verlässt es.",
    "Cette passerelle n'est reliée à aucun nuage : aucun de ces nombres n'est transmis.",
)
SENT_TO = _text("Numbers go to {cloud}.", "Die Zahlen gehen an {cloud}.", "Les nombres sont transmis à {cloud}.")
FLEET = _text("People seen by several gateways", "Menschen an mehreren Gateways", "Personnes vues par plusieurs passerelles")
FLEET_COLUMNS = _text("gateways on one day | epsilon", "Gateways an einem Tag | Epsilon", "passerelles en un jour | epsilon")
ATTACKS = _text("Attacks that are tested", "Geprüfte Angriffe", "Attaques testées")
ATTACK_TITLES: Mapping[str, Text] = {
    "difference": _text(
        "all other people are known, and one is to be found out",
        "alle anderen Menschen sind bekannt, einer soll erschlossen werden",
        "toutes les autres personnes sont connues, une seule est visée",
    ),
    "bystander": _text(
        "a bystander saw an offer and wants to know the answer",
        "jemand hat ein Angebot gesehen und will die Antwort wissen",
        "un témoin a vu une offre et cherche la réponse",
    ),
    "declined": _text(
        "people without consent are counted by subtraction",
        "wer abgelehnt hat, wird durch Abziehen gezählt",
        "les personnes qui ont refusé sont comptées par soustraction",
    ),
    "linking": _text(
        "a person is followed across days and gateways",
        "ein Mensch wird über Tage und Gateways verfolgt",
        "une personne est suivie d'un jour et d'une passerelle à l'autre",
    ),
    "audit": _text("the noise is weaker than stated", "das Rauschen ist schwächer als angegeben", "le bruit est plus faible qu'indiqué"),
    "rollback": _text(
        "an old copy of the database draws new noise",
        "eine alte Kopie der Datenbank zieht neues Rauschen",
        "une ancienne copie de la base tire un nouveau bruit",
    ),
    "clock": _text(
        "a wrong clock releases a day twice", "eine falsche Uhr gibt einen Tag zweimal frei", "une horloge fausse publie un jour deux fois"
    ),
    "canaries": _text(
        "personal data in any field of a message comes out again",
        "persönliche Daten in einem Feld einer Nachricht kommen wieder heraus",
        "des données personnelles dans un champ d'un message ressortent",
    ),
    "text": _text(
        "personal data in texts, logs and names of files",
        "persönliche Daten in Texten, Protokollen und Dateinamen",
        "des données personnelles dans les textes, journaux et noms de fichiers",
    ),
}
