# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Completion for bash, made from the command line's own description, so that it cannot fall behind it."""

from __future__ import annotations

import argparse

_SCRIPT = """# bash completion of skyctl: skyctl completion bash > /etc/bash_completion.d/skyctl
_skyctl() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb= index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case ${{COMP_WORDS[index]}} in
            --config) ((index++)) ;;
            -*) ;;
            *) verb=${{COMP_WORDS[index]}}; break ;;
        esac
    done
    if [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == --config || ( $verb == check-config && $word != -* ) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    local words
    case $verb in
{cases}
        *) words="{top}" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _skyctl skyctl
"""


def script(parser: argparse.ArgumentParser) -> str:
    """The script for bash."""
    top = _options(parser)
    cases = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            top += list(action.choices)
            for name, verb in action.choices.items():
                words = _options(verb) + [str(choice) for one in verb._actions for choice in (one.choices or ())]
                cases.append(f'        {name}) words="{" ".join(words)}" ;;')
    return _SCRIPT.format(cases="\n".join(cases), top=" ".join(top))


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
