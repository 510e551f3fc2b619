# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at this node's backups, for the report that skyha reads (backup_report.py). Nothing here runs in the daemon.

repository  what pgBackRest says         archiver   what PostgreSQL says
disks       the disk of the WAL, pgBackRest's spool, the last trial by a restore
collect     all of them at once, each with its deadline; `skyctl backup-report`
"""
