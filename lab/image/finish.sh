#!/bin/sh
# Runs once inside the new image (mmdebstrap's chroot, or a build): what a container needs to be a lab host.
set -e
lab=/var/tmp/lab-setup

# No terminals, module loading or device events in here; timers must not take apt's lock at a random moment.
for unit in systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service getty@tty1.service \
    console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer systemd-firstboot.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-resolved.service \
    dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
# In a container systemd leaves the root private: a disk mounted later would never be seen by a service with hardening.
cat > /etc/systemd/system/lab-shared.service <<'EOF'
[Unit]
Description=Mounts reach the services' namespaces, as on a host of its own
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/mount --make-rshared /
RemainAfterExit=yes
EOF
mkdir -p /etc/systemd/system/sysinit.target.wants
ln -sf ../lab-shared.service /etc/systemd/system/sysinit.target.wants/
# The journal survives a power cut, as on an installed Debian.
mkdir -p /var/log/journal
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id

# A host that can be made again in seconds needs no fsync per unpacked file.
echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/lab
cp $lab/apt.conf /etc/apt/apt.conf.d/90machine
if ls $lab/ca/*.crt >/dev/null 2>&1; then
    mkdir -p /usr/local/share/ca-certificates
    cp $lab/ca/*.crt /usr/local/share/ca-certificates/
    update-ca-certificates >/dev/null
fi

# The lab's hosts share what they have downloaded: /var/cache/lab-apt is one folder of the machine. Each host keeps
# apt's own folder and lock, with links to the shared files; so installs run in parallel.
cat > /usr/local/sbin/lab-apt-share <<'EOF'
#!/bin/sh
# publish: give this host's new downloads to the others; link: see theirs.
own=/var/cache/apt/archives shared=/var/cache/lab-apt
[ -d $shared ] || exit 0
case $1 in
publish)
    for deb in $own/*.deb; do
        [ -f "$deb" ] && [ ! -L "$deb" ] && [ ! -e "$shared/${deb##*/}" ] || continue
        cp "$deb" "$shared/.${deb##*/}.$(hostname)" && mv "$shared/.${deb##*/}.$(hostname)" "$shared/${deb##*/}"
    done ;;
link)
    for deb in $shared/*.deb; do
        [ -f "$deb" ] && [ ! -e "$own/${deb##*/}" ] && ln -sf "$deb" $own/
    done ;;
esac
exit 0
EOF
chmod 755 /usr/local/sbin/lab-apt-share
cat > /etc/apt/apt.conf.d/91lab <<'EOF'
Binary::apt::APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
APT::Update::Post-Invoke { "/usr/local/sbin/lab-apt-share link"; };
DPkg::Pre-Invoke { "/usr/local/sbin/lab-apt-share publish"; };
EOF
rm -rf $lab
