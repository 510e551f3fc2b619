# Gives this host the new VIP, and takes the old one away. Arguments: new address, prefix and interface, then the old ones.
# Can be run again. Ends with 1 and a sentence where the new one cannot be had, with the old one still in place.
vip=$1 prefix=$2 device=$3 old=$4 old_prefix=$5 old_device=$6
has() { ip -o address show dev "$3" to "$1" 2>/dev/null | grep -q "/$2 "; }

if ! has "$vip" "$prefix" "$device"; then
    case $vip in
    "$old" | *:*) ;; # it is here already; IPv6 looks for itself
    *)
        arping -q -D -c 2 -w 3 -I "$device" "$vip" || {
            echo "another host answers for $vip (duplicate address detection on $device)" >&2
            exit 1
        }
        ;;
    esac
    ip address add "$vip/$prefix" dev "$device" || exit 1
    arping -q -U -c 2 -w 3 -I "$device" "$vip" 2>/dev/null
fi
if [ "$old/$old_prefix $old_device" != "$vip/$prefix $device" ] && has "$old" "$old_prefix" "$old_device"; then
    ip address del "$old/$old_prefix" dev "$old_device" || exit 1
fi
