#!/usr/bin/env bash
# The collection as others meet it:
#   tests/collection.sh sanity [TEST...]   ansible-test sanity (or only the TESTs), and ansible-test units of the modules
#   tests/collection.sh docs               antsibull-docs on modules, roles and links
#   tests/collection.sh build DIRECTORY    the tarball, made in DIRECTORY; prints its path
# All three work on a copy of the tree: ansible-test wants it at .../ansible_collections/sky/pg_cluster, and a build must not
# pick up what lies around in a clone. The copy holds the files that git tracks or would track, as they are now.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$PWD/.cache/collection
copy=$cache/ansible_collections/sky/pg_cluster

copy_tree() {
    rm -rf "$copy"
    mkdir -p "$copy"
    # (The link of collections/ points at the tree itself; a file that is deleted but not yet committed is left out.)
    git ls-files -z --cached --others --exclude-standard ':!collections' |
        while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
        tar cf - --null -T - | tar xf - -C "$copy"
}

ansible_test() {
    (cd "$copy" && LC_ALL=C.UTF-8 ansible-test "$@" --python "$python" --color no --truncate 0)
}

case ${1:-} in
sanity)
    shift
    copy_tree
    # ansible-test asks git for the files; a repository further up ignores .cache.
    git -C "$copy" init -q
    python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    # Its virtual environments, made once, are kept with the other caches. It would download pip: Python brings its own.
    if [ -e "$HOME/.config/pip/pip.conf" ]; then export PIP_CONFIG_FILE=${PIP_CONFIG_FILE:-$HOME/.config/pip/pip.conf}; fi
    export HOME=$cache/home
    mkdir -p "$HOME/.ansible/test/cache"
    pip=$(python3 -c 'import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version=sys.argv[1]))["pip"].replace(".", "_"))' "$python")
    printf 'import ensurepip\n\nensurepip.bootstrap()\n' >"$HOME/.ansible/test/cache/get_pip_$pip.py"
    # (pylint would take minutes; ruff and mypy look at the same things.)
    if [ $# -gt 0 ]; then ansible_test sanity "${@/#/--test=}"; else ansible_test sanity --skip-test pylint; fi
    [ $# -gt 0 ] || ansible_test units tests/unit/modules/
    ;;
docs)
    copy_tree
    antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self --disallow-unknown-collection-refs "$copy"
    ;;
build)
    copy_tree
    ansible-galaxy collection build "$copy" --output-path "${2:?where to?}" --force >&2
    ls "$2"/sky-pg_cluster-*.tar.gz
    ;;
*)
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
    ;;
esac
