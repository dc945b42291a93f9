"""A week in a minute: the whole gateway in one thread, on a real database, under a simulated street and a simulated clock.

`python -m tests.week --seed 3` plays seven days of two hundred people through the gateway's own App, Road, Inbox, Store and
uplink, and asks after every step whether any promise was broken (`invariants.py`). `--fault all` plays the same week with
twelve things going wrong (`faults.py`), and `guards.py` switches the gateway's guards off one by one to show that each promise
is really watched. A failure prints the seed and the commit, which is all that is needed to see it again.

What is told to phones, thanked for and stored is held against `book.py`, which knows only the bytes on the wire and shares no
code with the gateway. Nothing sleeps and nothing waits: where the gateway would wait, the rig moves the clock.
"""
