# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What drives and watches the lab's cluster in tests, in the demo and in the bench."""
