# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The decision: pure functions (configuration, memory, what was seen, monotonic time) -> (memory, actions, events)."""
