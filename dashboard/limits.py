"""Every bound of the dashboard, unit last in the name, the relations between them asserted below.

A gateway is authenticated, not trusted: one with a stolen token must not be able to fill the memory,
hold a connection for ever or make a page that no browser can show.
"""

from __future__ import annotations

# --- one batch ---------------------------------------------------------------------------------
BODY_BYTES_MAX = 1_000_000  # compressed, as contracts.md says
TEXT_BYTES_MAX = 4_000_000  # decompressed: 2,000 records of the longest ids are under 1.2 MB
RECORDS_PER_BATCH_MAX = 2_000
BODY_S_MAX = 30.0  # a sender that needs longer for one megabyte is not sending
WINDOW_START_MS_MAX = 4_102_444_800_000  # 2100-01-01: later than that, a clock is broken
TAKE_TRIES_MAX = 3  # two writers of a shared database may meet on the same id

# --- one page ----------------------------------------------------------------------------------
BARS_MAX = 30  # one column of a chart is at least 9 px wide on a phone
ROWS_MAX = 50  # zones or offers in one table
WINDOWS_MAX = 24  # health windows on a gateway's page

# --- live --------------------------------------------------------------------------------------
READERS_MAX = 64  # streams open at once
REFRESH_S = 5.0  # ages grow even when nothing arrives
GAP_S = 0.5  # between two updates of one stream, however much arrives
SHUTDOWN_S_MAX = 3  # streams end at once; this is for a body half sent
CONNECTIONS_MAX = 256

# --- signs of life -----------------------------------------------------------------------------
LATE_WINDOWS = 2
SILENT_WINDOWS = 6
SLACK_MS = 15_000  # for the way from the street to here
WINDOW_MS_ASSUMED = 3_600_000  # before a gateway has told its own

# --- tokens ------------------------------------------------------------------------------------
TOKEN_CHARS_MIN = 16
TOKEN_CHARS_MAX = 512

assert BODY_BYTES_MAX < TEXT_BYTES_MAX
assert RECORDS_PER_BATCH_MAX * 600 < TEXT_BYTES_MAX  # a record's JSON is under 600 bytes
assert LATE_WINDOWS < SILENT_WINDOWS
assert GAP_S < REFRESH_S
assert READERS_MAX < CONNECTIONS_MAX  # open pages leave room for gateways
