# Become a host: the first process of fresh mount, process, network, name and IPC namespaces runs this.
# Environment: FOLDER (the host's own), LOWER (read-only root), DISK (dir, tmpfs:SIZE or loop:SIZE), NAME, ADDRESS,
# GATEWAY, ENGINE (yes or no). Control groups are mounted before.
set -eu

disk=$FOLDER/disk root=$FOLDER/root
case $DISK in
tmpfs:*) mount -t tmpfs -o "mode=755,nr_inodes=60k,size=${DISK#*:}" disk "$disk" ;;
loop:*)
    if [ ! -e "$FOLDER/disk.img" ]; then
        truncate -s "${DISK#*:}" "$FOLDER/disk.img.part"
        mkfs.ext4 -q -F -m 0 "$FOLDER/disk.img.part"
        mv "$FOLDER/disk.img.part" "$FOLDER/disk.img"
    fi
    mount -o loop "$FOLDER/disk.img" "$disk"
    ;;
esac
mkdir -p "$disk/upper" "$disk/work" "$disk/docker" "$disk/containerd"
mount -t overlay "$NAME" -o "lowerdir=$LOWER,upperdir=$disk/upper,workdir=$disk/work" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp

# devices of its own: the machine's disks are not among them
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"; done
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "/proc/self/${link#*:}" "dev/${link%:*}"; done

# an engine's data cannot lie on the overlay
mkdir -p var/lib/docker var/lib/containerd run/testbed run/sshd
mount --bind "$disk/docker" var/lib/docker
mount --bind "$disk/containerd" var/lib/containerd
mount --bind "$FOLDER/run" run/testbed

hostname "$NAME"
echo "$NAME" >etc/hostname
printf '127.0.0.1 localhost\n%s %s\n%s machine\n' "$ADDRESS" "$NAME" "$GATEWAY" >etc/hosts
echo "nameserver $GATEWAY" >etc/resolv.conf # refuses at once: no look-up hangs
cp -a "$FOLDER/files/." .

mkdir run/old
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
exec </dev/null
until [ -e /sys/class/net/eth0 ]; do sleep 0.02; done # the machine's side plugs it in
ip link set lo up
ip addr add "$ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default via "$GATEWAY"
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec /usr/bin/tini-static -- sh -c '
/usr/local/libexec/start-sshd
[ "$ENGINE" = no ] || /usr/local/libexec/start-engine
exec sleep infinity'
