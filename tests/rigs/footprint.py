"""What a gateway takes of its machine: memory and processor at rest, and the time from its start to its first decision with a full outbox.

Under the launcher, as the service runs it. The size of an installation is that of the package in `dist`, if it was built.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec

from gateway.commands.running import AbsentError, fetch
from gateway.core.records import HourRecord
from tests.house.tree import ROOT
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.testbed import open_store
from tests.kit.waiting import until
from tests.rigs.report import Progress, Report, quiet

ROWS = 26_500
CLOUD = '\n[cloud]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"\n'
TICKS = os.sysconf("SC_CLK_TCK")
