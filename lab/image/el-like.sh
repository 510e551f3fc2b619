#!/bin/sh
# Runs once inside a new image, before finish.sh: a Debian that answers as a host of the RHEL family would. Programs are Debian's; what a role
# installs comes by dnf from a repository of RPMs that are made here, by RHEL's names, with the files of Debian's packages.
set -e
repository=/srv/lab-rpm work=/var/tmp/lab-rpm
mkdir -p $repository $work

# tree NAME PACKAGE...: the files of these Debian packages, where the RPM NAME is to have them.
tree() {
    root=$work/$1
    shift
    mkdir -p "$root"
    dpkg -L "$@" | sort -u | grep -v '^/usr/share/\(doc\|man\|locale\|lintian\)/' | while read -r file; do
        { [ -f "$file" ] || [ -L "$file" ]; } && [ ! -d "$file" ] || continue
        to=$root$(echo "$file" | sed 's,^/\(lib\|bin\|sbin\)/,/usr/\1/,')
        mkdir -p "${to%/*}"
        cp -a "$file" "$to"
    done
}

# pack REPOSITORY NAME [COMMAND]: the RPM, of its tree or of nothing; COMMAND is run before its files are installed.
pack() {
    mkdir -p "$work/$2" "$1"
    cat >$work/spec <<SPEC
%define debug_package %{nil}
%define __os_install_post %{nil}
%define _binaries_in_noarch_packages_terminate_build 0
Name: $2
Version: 10
Release: 1
Summary: Made by the lab
License: see Debian's package
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh
%description
Made by the lab.
%install
cp -a $work/$2/. %{buildroot}/
${3:+%pre
$3}
%files
$(cd "$work/$2" && find . ! -type d | sed 's,^\.\(.*\),"\1",')
SPEC
    rpmbuild -bb --quiet --define "_topdir $work/build" --define "_rpmdir $1" $work/spec
}

major=15
server=/usr/lib/postgresql/$major/bin
tree postgresql$major-server postgresql-$major postgresql-client-$major
user='getent passwd postgres >/dev/null || useradd -r -m -d /var/lib/pgsql -s /bin/bash postgres'
mkdir -p $work/postgresql$major-server/usr/bin $work/postgresql$major-server/usr/lib/systemd/system
for program in $server/*; do ln -s "$program" "$work/postgresql$major-server/usr/bin/${program##*/}"; done
cat >$work/postgresql$major-server/usr/lib/systemd/system/postgresql.service <<'UNIT'
[Unit]
Description=The package's own server, which nobody starts
[Service]
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
UNIT
pack $repository postgresql$major-server "$user"
# RHEL's default version has this name too; the register on a vote host asks for it.
mv $work/postgresql$major-server $work/postgresql-server
pack $repository postgresql-server "$user"
tree haproxy haproxy
pack $repository haproxy 'getent passwd haproxy >/dev/null || useradd -r -d /var/lib/haproxy -s /sbin/nologin haproxy; mkdir -p /var/lib/haproxy'
# What the image has anyway.
for name in postgresql$major postgresql$major-contrib sudo iproute acl procps-ng iputils nftables python3 python3-psycopg2 python3-pip \
    python3-packaging python3-cryptography python3-dateutil; do
    pack $repository $name
done
# EPEL is a repository of its own, which its package adds.
tree nrpe nagios-nrpe-server
mv $work/nrpe/usr/lib/systemd/system/nagios-nrpe-server.service $work/nrpe/usr/lib/systemd/system/nrpe.service
mkdir -p $work/nrpe/etc/nrpe.d $work/epel-release/etc/yum.repos.d
: >$work/nrpe/etc/nrpe.d/none.cfg
pack $repository-epel nrpe 'mkdir -p /usr/lib64/nagios/plugins'
printf '[epel]\nname=EPEL of the lab\nbaseurl=file://%s-epel\ngpgcheck=0\n' $repository >$work/epel-release/etc/yum.repos.d/epel.repo
pack $repository epel-release
createrepo_c -q $repository
createrepo_c -q $repository-epel
mkdir -p /etc/yum.repos.d
printf '[lab]\nname=Packages of the lab\nbaseurl=file://%s\ngpgcheck=0\n' $repository >/etc/yum.repos.d/lab.repo

# What the roles are to bring is not here before, nor is what Debian's packages have made.
dpkg --purge --force-depends postgresql-$major postgresql-client-$major haproxy nagios-nrpe-server >/dev/null 2>&1 || true
dpkg --purge --force-depends postgresql-common postgresql-client-common >/dev/null 2>&1 || true
rm -rf $work /var/lib/postgresql /etc/postgresql* /var/log/postgresql /usr/lib/postgresql /usr/share/postgresql /etc/haproxy /etc/nagios
for user in postgres nagios haproxy; do userdel $user 2>/dev/null || true; done

# It says what it is, and has none of Debian's tools. The lab's own traffic is not NetworkManager's.
printf 'Red Hat Enterprise Linux release 10.0 (el-like, made by the lab)\n' >/etc/redhat-release
rm -f /etc/os-release /usr/lib/os-release /etc/debian_version /etc/lsb-release
printf 'NAME="Red Hat Enterprise Linux"\nVERSION="10.0 (el-like)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="10.0"\nPRETTY_NAME="el-like, made by the lab"\n' \
    >/usr/lib/os-release
ln -s ../usr/lib/os-release /etc/os-release
rm -rf /var/lib/apt/lists/* /var/cache/apt/*
mkdir -p /usr/lib/lab-debian
for tool in /usr/bin/apt* /usr/bin/dpkg*; do mv "$tool" /usr/lib/lab-debian/; done
systemctl enable firewalld.service NetworkManager.service >/dev/null 2>&1
