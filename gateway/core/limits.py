"""Every bound in the house, unit last in the name, the relations between them asserted below.

A queue without a bound is a crash with a date; a bound without a name is a surprise.
"""

from __future__ import annotations

# --- one message -------------------------------------------------------------------------------
TOPIC_BYTES_MAX = 1_024
PAYLOAD_BYTES_MAX = 65_536  # MQTT maximum packet size we announce (trust.md: <= 64 kB)
JSON_DEPTH_MAX = 32  # deepest real format (NGSI-LD) needs 9
TEXT_CHARS_MAX = 512  # any single id or text that we keep
OBSERVATIONS_PER_MESSAGE_MAX = 512  # a Minew gateway reports up to 300 tags at once
INTEGER_MAX = 2**53 - 1  # beyond it JSON readers disagree

# --- arriving ----------------------------------------------------------------------------------
BATCH_MESSAGES_MAX = 256
UNACKED_MESSAGES_MAX = 1_024  # MQTT 5 receive maximum; the back-pressure
MAILBOX_MESSAGES_MAX = 4_096  # taken from the broker, not yet in a batch
DEAD_LETTERS_MAX = 1_000

# --- people ------------------------------------------------------------------------------------
IDENTITIES_MAX = 100_000  # devices and tags of consenting people: about 25 MB of memory
CONTEXTS_CACHED_MAX = 2_000  # of people whose context is read again and again
TAGS_PER_SUBJECT_MAX = 8
EXPIRED_SUBJECTS_MAX = 100  # people forgotten in one go when their yes has run out
KEYS_PER_SUBJECT_MAX = 2  # a phone and a watch
KEYS_MAX = 2_000  # identity resolving keys: a stranger's address answers to one of so many once in 8,400
ADDRESSES_CACHED_MAX = 65_536  # private addresses whose owner (mostly nobody) was looked up: about 16 MB
ADDRESSES_TRIED_MAX = 4_096  # new ones in one batch: half a second with all keys
ADDRESS_LIFE_MS_MAX = 1_200_000  # they change every 15 minutes, most of them (Bluetooth Core Vol 3 Part C App. A: T_GAP)
CONTACTS_KEPT_MAX = 64  # per subject: what caps look back on
VISITS_MONTH_MAX = 120.0

# --- clocks ------------------------------------------------------------------------------------
CLOCK_FLOOR_MS = 1_767_225_600_000  # 2026-01-01: earlier means that nobody set the clock
CLOCK_CEILING_MS = 4_102_444_800_000  # 2100-01-01
CLOCK_BACK_MS_MAX = 86_400_000  # a window opened further ahead than this was opened by a wrong clock
SIGHTING_AGE_MS_MAX = 30_000  # an older sighting says where somebody was, not where they are
CLOCK_DEVICES_MAX = 10_000  # whose clock's error is estimated

# --- remembering -------------------------------------------------------------------------------
RETENTION_DAYS_MIN = 3  # caps look back on two days
RETENTION_DAYS_MAX = 800  # two years and a little, so that two summers can be compared; nothing personal is kept longer
PURGE_ROWS_MAX = 500  # of a table, in one commit: under 50 ms on an SD card
PURGE_EVERY_MS = 3_600_000
PURGE_AGAIN_MS = 1_000  # while there is more to delete
PURGE_FIRST_MS = 600_000  # after a start: by then the network has set a clock that was wrong
TIMERS_SPARE_MAX = 10_000  # outdated timers that may wait to be passed over

# --- deciding ----------------------------------------------------------------------------------
OFFERS_MAX = 64  # candidates for one decision: one ONNX batch
TRIGGER_EXPIRY_MS_MAX = 3_600_000
MODEL_CHECK_S_MAX = 30  # processor time, and waiting, for the first load of a new model: importing the runtime takes a Pi three of them
MODEL_CHECK_BYTES_MAX = 1_073_741_824  # address space, not memory: the runtime itself reserves most of it

# --- leaving -----------------------------------------------------------------------------------
RECORDS_PER_BATCH_MAX = 1_500
BATCH_BYTES_MAX = 1_000_000
OUTBOX_RECORDS_MAX = 1_000_000  # a year without the cloud at a hundred an hour; then a window stays open until there is room
OUTBOX_RETRY_MS = 1_000  # between two looks whether a full outbox has room again
SYNC_BACKOFF_MS_MIN = 1_000
SYNC_BACKOFF_MS_MAX = 300_000

assert BATCH_MESSAGES_MAX <= UNACKED_MESSAGES_MAX <= MAILBOX_MESSAGES_MAX
assert BATCH_BYTES_MAX // RECORDS_PER_BATCH_MAX >= 600  # a record whose ids are all as long as they may be is under 600 bytes of JSON
assert SYNC_BACKOFF_MS_MIN < SYNC_BACKOFF_MS_MAX
