"""`wayside privacy`: look for personal data in texts, state the numbers that leave, and check the noise and the ledger."""

from __future__ import annotations

from gateway.commands.options import command_app
from gateway.commands.privacy.audit import audit
from gateway.commands.privacy.scan import scan
from gateway.commands.privacy.sheet import sheet

command = command_app("Look for personal data in texts, state the numbers that leave, and check the noise and the ledger.")
command.command("scan")(scan)
command.command("sheet")(sheet)
command.command("audit")(audit)
