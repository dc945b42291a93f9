"""Limits of the gateway, with the unit last in the name; the relations between them are asserted below."""

from __future__ import annotations

# --- one message -------------------------------------------------------------------------------
TOPIC_BYTES_MAX = 1_024
PAYLOAD_BYTES_MAX = 65_536  # the maximum packet size that the gateway announces in MQTT 5
JSON_DEPTH_MAX = 32  # NGSI-LD, the deepest format decoded here, needs 9
TEXT_CHARS_MAX = 512  # any single id or text that is stored
OBSERVATIONS_PER_MESSAGE_MAX = 512  # a Minew gateway reports up to 300 tags at once
INTEGER_MAX = 2**53 - 1  # above it a double cannot hold every integer, so JSON readers differ

# --- arriving ----------------------------------------------------------------------------------
BATCH_MESSAGES_MAX = 256
UNACKED_MESSAGES_MAX = 1_024  # MQTT 5 receive maximum; the back-pressure
TURN_BYTES_MAX = 65_536  # of each lane in one batch: 2,000 sightings of scanners
MAILBOX_BYTES_MAX = 16_777_216  # of messages that wait for the writer, in each of two lanes
MAILBOX_MESSAGES_MAX = 4_096  # read from the broker, not yet in a batch
DEAD_LETTERS_MAX = 1_000

# --- people ------------------------------------------------------------------------------------
IDENTITIES_MAX = 100_000  # devices and tags of consenting people: about 25 MB of memory
CONTEXTS_CACHED_MAX = 2_000  # contexts of subjects, as last committed
TAGS_PER_SUBJECT_MAX = 8
EXPIRED_SUBJECTS_MAX = 100  # subjects deleted in one commit after the end of a consent
KEYS_PER_SUBJECT_MAX = 2  # a phone and a watch
KEYS_MAX = 2_000  # identity resolving keys: one of 2,000 matches a foreign address by chance once in 8,400 addresses
ADDRESSES_CACHED_MAX = 65_536  # private addresses already looked up, most of them without an owner: about 16 MB
ADDRESSES_TRIED_MAX = 4_096  # new addresses in one batch: half a second with KEYS_MAX keys
ADDRESS_LIFE_MS_MAX = 1_200_000  # most devices change the address every 15 minutes (Bluetooth Core Vol 3 Part C App. A: T_GAP)
CONTACT_DAYS_MAX = 92  # a quarter: the longest window of a cap, a refusal or a silence
CONTACTS_KEPT_MAX = 256  # per subject: the contacts that caps are counted on
NEIGHBOUR_CONTACTS_DAY_MAX = 32  # of one person in 24 hours; more than any policy needs, so a flood stores no more
NEIGHBOUR_CONTACT_EXPIRY_S = 86_400  # a gateway that was away for a day missed a day of caps
PRESENTED_DBM_MIN = -45.0  # a tag held to a counter scanner: within a hand's breadth
PRESENTED_MS = 15_000
PRESENTED_TAGS_MAX = 64  # tags at counters, and tags that are being claimed there
CLAIM_CONFIRM_MS = 3_000  # between the two claims of a presented tag, for a rival to show
CLAIM_RIVALS_MS = 60_000
PAGE_CODE_MS = 120_000  # between two codes of a page that waits for an app; the one before still holds
PAGE_LINK_MS = 180_000  # to type the number of the app on the page
CLAIMS_REFUSED_MAX = 20  # of one device in CLAIMS_WINDOW_MS: the chance to guess a code of 80 bits stays nil
CLAIMS_WINDOW_MS = 3_600_000
CLAIM_NOTICE_MS = 3_600_000  # between two notices to the owner of one id
CLAIMING_DEVICES_MAX = 10_000  # devices with counted refusals of claims
CODE_CHARS_MAX = 64
SENT_MESSAGES_MAX = 64  # numbers of messages of a device, so that one that was overtaken still counts
SENT_DEVICES_MAX = 20_000  # pairs of device and radio: about 5 MB
REPLY_EXPIRY_S = 3_600
WITHDRAWN_MARKS_MAX = 200_000  # marks of withdrawals beside the database: 10 MB
REPLACED_FILES_MAX = 1_000  # of database files whose key was destroyed, so that an old copy is named as such
REKEY_AFTER_MS = 10_000  # between an erasure and the new key, so that several erasures share it
REKEY_RETRY_MS = 60_000  # after a try for which there was no space

# --- attributes --------------------------------------------------------------------------------
ATTRIBUTES_MAX = 1_000  # of a schema
VALUES_MAX = 64  # of one category, and of the offer categories and zone kinds
COLUMNS_MAX = 1_900  # float columns of one model, one a value of a category: a table of SQLite has at most 2,000
STATED_VALUES_MAX = 256  # values stated in one consent
ITEMS_MAX = 100  # of one purchase
WITHIN_DAYS_MAX = 400  # day buckets of one attribute of one person: 12 kB
DISTINCT_VALUES_MAX = 64  # different values that one attribute of one person remembers
GROUP_SUBJECTS_MIN = 20  # k-anonymity: people behind a centre, a rate or a cohort
GROUP_ATTRIBUTES_MAX = 64  # attributes that one group definition reads
GROUP_VALUES_MAX = 101  # a quantile for each percent
GROUP_CELLS_MAX = 20_000  # of one value table: 1 MB of JSON
GROUP_ITEMS_MAX = 64  # definitions of one kind
TIER_LEVELS_MAX = 8  # of kept attributes
READING_AGE_MS_MAX = 10_800_000  # an older reading does not describe the present

# --- clocks ------------------------------------------------------------------------------------
CLOCK_FLOOR_MS = 1_767_225_600_000  # 2026-01-01: an earlier time means that the clock was not set
CLOCK_CEILING_MS = 4_102_444_800_000  # 2100-01-01
CLOCK_BACK_MS_MAX = 86_400_000  # a window that opened further in the future was opened by a wrong clock
SIGHTING_AGE_MS_MAX = 30_000  # an older sighting does not show the present zone
CLOCK_DEVICES_MAX = 10_000  # devices with an estimate of the clock's error

# --- retention -------------------------------------------------------------------------------
RETENTION_DAYS_MIN = 3  # caps need the contacts of two days
RETENTION_DAYS_MAX = 800  # a little over two years, so that two summers can be compared; personal data is not kept longer
PURGE_ROWS_MAX = 500  # per table and commit: under 50 ms on an SD card
PURGE_EVERY_MS = 3_600_000
FILTERS_KEPT_MAX = 256  # topic filters of earlier configs
CLOCK_SETTLE_MS = 300_000  # after a start or a step of the clock nothing is deleted by it
PURGE_AGAIN_MS = 1_000  # while outdated rows are left
PURGE_FIRST_MS = 600_000  # after a start, so that the network has set the clock
TIMERS_SPARE_MAX = 10_000  # outdated entries that the heap of timers may hold

# --- deciding ----------------------------------------------------------------------------------
RULE_CHARS_MAX = 500  # of a rule of an offer
OFFERS_MAX = 10_000  # of a campaign: 25 MB with everything precomputed
SCORE_ROWS_MAX = 512  # rows of one call of the model: its memory stays under 10 MB
CANDIDATES_KEPT_MAX = 64  # of one decision in the log: the best ones; the rest is counted by reason
PLAYED_ROWS_MAX = 64  # of one report of a screen
SLATE_ITEMS_MAX = 6  # offers in one answer: more are not looked at
PRIORS_MAX = 64  # offers with priors in a bundle
VISITOR_DEVICES_MAX = 20_000  # devices of no consenting person in memory, in one day
CONTROL_MS = 31_536_000_000  # between two answers of a person to the question of perceived control
BLOCKED_HOURS_MAX = 8  # spans of a day without offers, of one person
INCIDENT_S_MAX = 86_400  # a zone is silent, without another message
FIRING_SUBJECTS_MAX = 32  # people decided for at one step of time after an occasion of a zone: under 10 ms
TRIGGER_EXPIRY_MS_MAX = 3_600_000
WEIGHED_OFFERS_MAX = 64  # of the open ones, in one decision that learns
OPEN_DECISIONS_MAX = 20_000  # proposals with an open outcome: 17 MB
OUTCOME_GRACE_MS = 30_000  # after a window's end or a restart, for answers that the broker still delivers
OUTCOME_ROWS_MAX = 500  # windows closed in one commit
COUPON_CHARS_MAX = 600  # of a code with ids of maximum length and its grouping
REDEMPTIONS_PER_MESSAGE_MAX = 100  # under 40 kB
REDEMPTIONS_REPEATED_MAX = 5_000  # at a connect, and every hour
REDEMPTIONS_REPEAT_MS = 3_600_000  # a gateway that was absent knows all redemptions after this time
MODEL_CHECK_S_MAX = 30  # processor time of the check of a new model on a Pi, where importing the runtime takes 3 s; in proportion on others
MODEL_CHECK_ELAPSED_S_MAX = 240  # the machine may be busy; below the service's 300 s to start
MODEL_CHECK_BYTES_MAX = 1_073_741_824  # address space, most of it reserved by the runtime
MODEL_VALUES_MAX = 1_048_576  # of all tensors of a model: as many as its file may have bytes
MODEL_MEMORY_BYTES_MAX = 67_108_864  # that a model adds to the process, with SCORE_ROWS_MAX rows: four times that of the demonstration's
MODEL_CALL_MS_MAX = 10  # processor time of one call with CALL_ROWS rows: decisions are made on the one thread that also writes
INPUT_CHARS_MAX = 64  # name of an input or output of a model

# --- leaving -----------------------------------------------------------------------------------
RECORDS_PER_BATCH_MAX = 1_500
BATCH_BYTES_MAX = 1_000_000
BATCH_BODY_BYTES_MAX = 250_000  # of the stored records of one batch: less than four times as long as JSON
RELEASED_MARKS_MAX = 20_000  # in the ledger: over two years of hours
WINDOW_S_MIN = 600  # of a window of counts, except in a demonstration
WINDOW_S_MAX = 86_400
EPSILON_DAY_MIN, EPSILON_DAY_MAX = 0.01, 10.0
OUTBOX_RECORDS_MAX = 1_000_000  # a year without the cloud at 100 an hour; after that a window stays open until there is room
OUTBOX_RETRY_MS = 1_000  # between two checks of a full outbox
SYNC_BACKOFF_MS_MIN = 1_000
SYNC_BACKOFF_MS_MAX = 300_000

assert BATCH_MESSAGES_MAX <= UNACKED_MESSAGES_MAX <= MAILBOX_MESSAGES_MAX
assert 4 * BATCH_BODY_BYTES_MAX <= BATCH_BYTES_MAX
assert SYNC_BACKOFF_MS_MIN < SYNC_BACKOFF_MS_MAX
CODEC_MEMORY_BYTES_MAX = 8_388_608  # of one JavaScript codec; the engine itself takes 300 kB of it
CODEC_STACK_BYTES_MAX = 262_144
CODEC_CALL_S_MAX = 0.05  # processor time; the codecs of makers take under a millisecond
CODEC_FAULT_MESSAGES_MAX = 3  # calls in a row that reached a bound: then the codec is refused at once
DESCRIBED_VALUES_MAX = 2_000  # values that devices describe by Home Assistant's discovery
ALIAS_VALUES_MAX = 20_000  # names of metrics that Sparkplug devices stated at their birth
CODEC_FILES_MAX = 64  # JavaScript codecs of LoRaWAN devices; each keeps some 300 kB while its devices send
