#!/bin/sh
# apply_sysctl.sh check|apply FILE: sets those kernel settings of FILE that differ from the running kernel's.
# Prints 'set KEY: OLD -> NEW' per change (check: per change it would make), 'missing KEY: ...' for a setting that this
# kernel lacks, 'refused KEY: ...' for one that root may not change here, and FILE's own '# left out' lines.
# Always exits 0.
mode=$1
file=$2
[ -r "$file" ] || exit 0

# The kernel separates several numbers by tabs.
running() { tr -s '\t ' '  ' <"$1" 2>/dev/null | sed 's/ $//'; }

while IFS= read -r line; do
    case $line in
    '# left out '*) echo "${line#\# }"; continue ;;
    '#'* | '') continue ;;
    esac
    key=${line%% = *}
    wanted=${line#* = }
    path=/proc/sys/$(printf %s "$key" | tr . /)
    if [ ! -e "$path" ]; then
        echo "missing $key: this kernel, or this container's network, has no such setting"
        continue
    fi
    old=$(running "$path")
    [ "$old" = "$wanted" ] && continue
    if [ "$mode" = check ]; then
        if [ -w "$path" ]; then echo "set $key: $old -> $wanted"; else echo "refused $key: stays $old"; fi
        continue
    fi
    (printf '%s\n' "$wanted" >"$path") 2>/dev/null
    new=$(running "$path")
    if [ "$new" = "$old" ]; then echo "refused $key: stays $old"; else echo "set $key: $old -> $new"; fi
done <"$file"
exit 0
