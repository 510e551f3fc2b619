# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the daemon touches on its host: each module is one port of ports.py, or a part of one.

clock      time, and which boot this is
store      the record that survives the daemon
history    every event, kept (S7)        journal    the same for the journal of systemd
postgres   start, stop, promote, slots, notes in the database
vip        the VIP on the interface, and its announcement
child      what the processes beside the loop have in common
tasks      those processes               rewind     pg_rewind, in one of them
watchdog   the timer that resets the host unless it is fed
pause      waiting, and what wakes the loop
production all of them together
"""

from __future__ import annotations
