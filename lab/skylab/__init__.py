# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab: systemd hosts in podman, a bridge network, and one real RMCP+ BMC per node."""
