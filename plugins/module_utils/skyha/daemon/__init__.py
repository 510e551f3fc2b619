# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loop that looks, decides and acts, and what it tells the world about itself."""
