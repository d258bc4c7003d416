#!/bin/sh
# Runs nginx in a container: renders its configuration, and keeps the addresses of the other containers in it up to date.
#
# nginx resolves names once, when it starts, and refuses to start when a name is unknown. A container that is replaced may
# get a new address, and the name of a stopped container is unknown. So this script resolves the names every second and
# reloads nginx when a container has an address that nginx does not have. It does not reload when a container is missing:
# nginx asks the next instance meanwhile, and the container mostly comes back with the same address. Each reload closes
# idle connections, and a client may just be sending its next request on one of them.
#
# From the environment (make render writes both):
#   BOLTLINK_POOLS   a line for each pool: name, idle connections to keep, and its members as CONTAINER:PORT
#   BOLTLINK_OTHERS  containers of ours that are in no pool: an address that one of these has got is no longer a pool's
set -eu

work=/tmp/nginx
pools=
while read -r pool keepalive members; do
    pools="$pools $pool"
    eval "keepalive_$pool=\$keepalive members_$pool=\$members"
done <<LIST
$(echo "$BOLTLINK_POOLS" | grep .)
LIST

# The members of a pool, as CONTAINER:PORT.
members() {
    eval "echo \"\$members_$1\""
}

# The present address of every container, as NAME=ADDRESS; containers that are not running are left out.
look_up() {
    for name in $BOLTLINK_OTHERS $(for pool in $pools; do members "$pool"; done); do
        found=$(timeout 1 getent hosts "${name%%:*}") || continue
        echo "$name=${found%% *}"
    done
}

is_member() {
    case " $(members "$1") " in *" $2 "*) return 0 ;; *) return 1 ;; esac
}

# Writes the servers of a pool that are running now. A pool without any gets a server that never answers, so that nginx
# can start.
#
# After a failure nginx ignores a server for a second, although it may be available again. When nginx would ignore all of
# them, it asks the backups, which are the same servers: no request is refused while one instance is available.
write_servers() {
    found=
    backups=
    for place in $places; do
        member=${place%%=*}
        if is_member "$1" "$member"; then
            found="$found
server ${place#*=}:${member##*:} max_fails=2 fail_timeout=1s;"
            backups="$backups
server ${place#*=}:${member##*:} max_fails=0 backup;"
        fi
    done
    echo "${found:-server 127.0.0.1:9;}$backups" > "$work/$1.servers"
}

# Succeeds when a member of a pool has an address that nginx does not have, or when another container has got one.
is_outdated() {
    for place in $places; do
        written=no
        if grep -qF "server ${place#*=}:" "$work/$1.servers"; then written=yes; fi
        expected=no
        if is_member "$1" "${place%%=*}"; then expected=yes; fi
        [ "$written" = "$expected" ] || return 0
    done
    return 1
}

follow() {
    while sleep 1; do
        places=$(look_up)
        changed=no
        for pool in $pools; do
            if is_outdated "$pool"; then
                write_servers "$pool"
                changed=yes
            fi
        done
        if [ $changed = yes ]; then
            nginx -e stderr -c "$work/nginx.conf" -s reload || echo "nginx could not be reloaded" >&2
        fi
    done
}

real_ip() {
    [ -n "$BOLTLINK_TRUSTED_PROXIES" ] || return 0
    for proxy in $(echo "$BOLTLINK_TRUSTED_PROXIES" | tr , ' '); do
        echo "set_real_ip_from $proxy;"
    done
    echo "real_ip_header X-Forwarded-For; real_ip_recursive on;"
}

# Fills in a template from the variables whose names begin with BOLTLINK_.
fill() {
    envsubst "$(env | awk -F= '/^BOLTLINK_/ {printf "${%s} ", $1}')" < "/etc/boltlink/$1"
}

upstreams() {
    for pool in $pools; do
        BOLTLINK_POOL=$pool
        BOLTLINK_POOL_KEEPALIVE=$(eval "echo \"\$keepalive_$pool\"")
        BOLTLINK_POOL_SERVERS="include $work/$pool.servers;"
        export BOLTLINK_POOL BOLTLINK_POOL_KEEPALIVE BOLTLINK_POOL_SERVERS
        fill upstream.conf.template
    done
}

mkdir -p "$work"
places=$(look_up)
for pool in $pools; do
    write_servers "$pool"
done
export BOLTLINK_NGINX_USER="" BOLTLINK_NGINX_STATE="$work" BOLTLINK_NGINX_LOG=/dev/stdout BOLTLINK_NGINX_LOG_BUFFER=""
export BOLTLINK_NGINX_STATUS_LISTEN=8081 BOLTLINK_NGINX_FOLDER=/etc/boltlink
BOLTLINK_REAL_IP=$(real_ip)
BOLTLINK_NGINX_UPSTREAMS=$(upstreams)
export BOLTLINK_REAL_IP BOLTLINK_NGINX_UPSTREAMS
fill nginx.conf.template > "$work/nginx.conf"
follow &
exec nginx -e stderr -c "$work/nginx.conf"
