# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at one thing, with a deadline. No look raises for what it sees.

tcp        a TCP handshake: open, refused, timeout, unreachable
meaning    what PostgreSQL's and the network's errors mean
session    one connection to a PostgreSQL, driven without ever blocking
race       several connections to one server, so that a lost packet is not taken for a dead host
queries    the SQL, and its rows as the product's words
register   the register on the vote host: which node may write
certificate  which certificate a server shows, and whether it would be believed
datadir    what the data directory and /proc tell while PostgreSQL does not answer
netlink    the addresses of this host
arp, ndp   does another host answer for the VIP; announcing it
eyes       all of them behind the port Eyes
picture    the cluster as one node sees it, for people and playbooks
"""

from __future__ import annotations
