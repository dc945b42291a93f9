"""Every limit of the dashboard, with its unit last in the name; assertions below check the relations.

A gateway is authenticated and still not trusted: with a stolen token, a sender must not be able to
fill the memory, keep a connection open for ever, or make a page that no browser can show.
"""

from __future__ import annotations

# --- one batch ---------------------------------------------------------------------------------
BODY_BYTES_MAX = 1_000_000  # compressed
TEXT_BYTES_MAX = 4_000_000  # decompressed; 2,000 records with the longest ids have less than 1.2 MB
RECORDS_PER_BATCH_MAX = 2_000
BODY_S_MAX = 30.0  # for one megabyte
WINDOW_START_MS_MAX = 4_102_444_800_000  # 2100-01-01; later times come from a wrong clock, and larger ones fit no column
GROUP_BATCHES_MAX = 64  # stored in one transaction
GROUP_RECORDS_MAX = 4_000
GROUP_S = 0.005  # that a transaction waits for more batches, if there were several in the last one

# --- plausible records; others are quarantined --------------------------------------------------
AHEAD_MS_MAX = 3_600_000  # a window may end this long after now, because clocks differ
BEHIND_MS_MAX = 90 * 86_400_000  # a gateway that was offline for a season
PEOPLE_MAX = 5_000  # with consent, in one zone and window of a gateway; `--people-max` sets it
NOISE_SIGMAS = 10.0  # a noised count is within these of the true one, but for one in 10^6
VARIANCE_ERROR_MAX = 0.02  # relative, of the stated variance against the stated noise
CATALOGUE_ROWS_MAX = 4_000  # zones and offers of one gateway
QUARANTINE_ROWS_MAX = 200  # shown on one page

# --- one page ----------------------------------------------------------------------------------
BARS_MAX = 30  # a column of a chart is then at least 9 px wide on a phone
ROWS_MAX = 50  # zones or offers in one table
WINDOWS_MAX = 24  # health windows on a gateway's page
OVERVIEW_ROWS_MAX = 20  # gateways on the overview
FLEET_ROWS_MAX = 100  # gateways on one page of the fleet

PLAN_ZONES_MAX = 400  # on one map
MAP_STEPS = 24  # moments of the slider on a map

# --- live --------------------------------------------------------------------------------------
READERS_MAX = 256  # streams open at once
HELD_MAX = 512  # requests of gateways that wait for a newer desired state
HELD_S = 25.0
REPORT_BYTES_MAX = 262_144
READERS_PER_ACCOUNT_MAX = 12
READER_S_MAX = 900.0  # then the page connects again, and its session is checked again
REFRESH_S = 5.0  # ages change without new records
GAP_S = 0.5  # least time between two updates of one stream
ANNOUNCE_S = 0.25  # least time between two news of a kind for other desks
SHUTDOWN_S_MAX = 3  # streams close at once; this is for requests in progress
CONNECTIONS_MAX = 1_024

# --- requests ----------------------------------------------------------------------------------
HEADER_S_MAX = 10.0  # from the connection, or the last response, to the end of the request's header
HALF_OPEN_MAX = 128  # connections without a complete header; a further one ends the oldest

# --- dry runs -----------------------------------------------------------------------------------
DRY_RUN_S_MAX = 120.0
DRY_RUNS_ROWS_MAX = 100  # kept

# --- retention ---------------------------------------------------------------------------------
KEEP_DAYS_MIN = 130  # over BEHIND_MS_MAX and a month: no plausible record is of a deleted month
RETENTION_S = 3_600.0

# --- contact with gateways ---------------------------------------------------------------------
LATE_WINDOWS = 2
SILENT_WINDOWS = 6
SLACK_MS = 15_000  # for the transfer
WINDOW_MS_ASSUMED = 3_600_000  # until the first health record of a gateway

# --- alarms ------------------------------------------------------------------------------------
ALARM_S = 30.0  # between two looks at the fleet
ALARMS_ROWS_MAX = 50  # on one page, and in one message to the webhook
BACKLOG_RECORDS_MAX = 1_000
CERTIFICATE_DAYS_MIN = 30
BUFFER_DAYS_MIN = 2  # a weekend
WEAR_PERCENT_MAX = 100
HOOK_S_MAX = 10.0

# --- database ----------------------------------------------------------------------------------
POOL_CONNECTIONS = 8  # to PostgreSQL, kept open; as many again under load
CONNECT_S_MAX = 5
RECONNECT_S = 1.0

# --- tokens ------------------------------------------------------------------------------------
TOKEN_CHARS_MIN = 16
TOKEN_CHARS_MAX = 512

assert BODY_BYTES_MAX < TEXT_BYTES_MAX
assert RECORDS_PER_BATCH_MAX * 600 < TEXT_BYTES_MAX  # a record's JSON is under 600 bytes
assert RECORDS_PER_BATCH_MAX < GROUP_RECORDS_MAX
assert KEEP_DAYS_MIN * 86_400_000 > BEHIND_MS_MAX + 31 * 86_400_000
assert LATE_WINDOWS < SILENT_WINDOWS
assert GAP_S < REFRESH_S
assert READERS_MAX + HELD_MAX + HALF_OPEN_MAX < CONNECTIONS_MAX  # open pages leave connections for gateways

# --- people ------------------------------------------------------------------------------------
PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 256
SESSION_MS_MAX = 12 * 3_600_000  # from the login
SESSION_IDLE_MS_MAX = 2 * 3_600_000
PROGRAM_MS_MAX = 365 * 86_400_000  # a token for programs
LINK_MS_MAX = 24 * 3_600_000
LOGINS_BY_ADDRESS_MAX = 20  # failures within LOGIN_S
LOGINS_BY_ACCOUNT_MAX = 10
LOGIN_S = 600
TOKENS_BY_ADDRESS_MAX = 60  # wrong bearer tokens within TOKEN_S
TOKEN_S = 60
OIDC_LOGIN_MS = 600_000  # from the login at the desk to the return from the provider
OIDC_CLOCK_S = 60  # by which the clocks of desk and provider may differ
OIDC_KEYS_S = 600.0  # that the provider's keys are kept
OIDC_BYTES_MAX = 1_000_000  # of an answer of the provider
HASHERS_MAX = 2  # passwords hashed at once: each takes 64 MiB
THROTTLED_KEYS_MAX = 10_000
FORM_BYTES_MAX = 600_000  # a campaign of 400 kB, encoded
FORM_FIELDS_MAX = 4_000
FORM_S_MAX = 20.0
