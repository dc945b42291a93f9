"""Every limit of the dashboard, with its unit last in the name; assertions below check the relations between them.

A gateway is authenticated and still not trusted: with a stolen token, a sender must not be able to
fill the memory, keep a connection open for ever, or make a page that no browser can show.
"""

from __future__ import annotations

# --- one batch ---------------------------------------------------------------------------------
BODY_BYTES_MAX = 1_000_000  # compressed
TEXT_BYTES_MAX = 4_000_000  # decompressed; 2,000 records with the longest ids have less than 1.2 MB
RECORDS_PER_BATCH_MAX = 2_000
BODY_S_MAX = 30.0  # for one megabyte
WINDOW_START_MS_MAX = 4_102_444_800_000  # 2100-01-01; later times come from a wrong clock
TAKE_TRIES_MAX = 3  # two writers of a shared database may insert the same id

# --- one page ----------------------------------------------------------------------------------
BARS_MAX = 30  # a column of a chart is then at least 9 px wide on a phone
ROWS_MAX = 50  # zones or offers in one table
WINDOWS_MAX = 24  # health windows on a gateway's page

# --- live --------------------------------------------------------------------------------------
READERS_MAX = 64  # streams open at once
REFRESH_S = 5.0  # ages change without new records
GAP_S = 0.5  # least time between two updates of one stream
SHUTDOWN_S_MAX = 3  # streams close at once; this is for requests in progress
CONNECTIONS_MAX = 256

# --- contact with gateways ---------------------------------------------------------------------
LATE_WINDOWS = 2
SILENT_WINDOWS = 6
SLACK_MS = 15_000  # for the transfer
WINDOW_MS_ASSUMED = 3_600_000  # until the first health record of a gateway

# --- tokens ------------------------------------------------------------------------------------
TOKEN_CHARS_MIN = 16
TOKEN_CHARS_MAX = 512

assert BODY_BYTES_MAX < TEXT_BYTES_MAX
assert RECORDS_PER_BATCH_MAX * 600 < TEXT_BYTES_MAX  # a record's JSON is under 600 bytes
assert LATE_WINDOWS < SILENT_WINDOWS
assert GAP_S < REFRESH_S
assert READERS_MAX < CONNECTIONS_MAX  # open pages leave connections for gateways
