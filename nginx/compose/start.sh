#!/bin/sh
# nginx in a container: renders its configuration, keeps it up to date with the containers' addresses, and runs.
#
# nginx looks names up once, when it starts, and refuses to start when one is unknown. A container that is replaced has a
# new address, and one that is stopped has no name. So the addresses are looked up here, every second, and nginx reloads
# (which costs no request) when they have changed.
set -eu

work=/tmp/nginx
pools="writer stats resolver"

members() {
    case $1 in
        resolver) echo boltlink-resolver1 boltlink-resolver2 boltlink-resolver3 ;;
        *) echo "boltlink-$1" ;;
    esac
}

# The servers of a pool, those that have an address now; one that never answers where none has, so that nginx can start.
servers() {
    found=
    for name in $(members "$1"); do
        address=$(getent hosts "$name" | awk '{print $1; exit}')
        [ -z "$address" ] || found="$found
server $address:8000 max_fails=2 fail_timeout=1s;"
    done
    echo "${found:-server 127.0.0.1:9;}"
}

write_servers() {
    for pool in $pools; do
        servers "$pool" > "$work/$pool.servers"
    done
}

follow() {
    while sleep 1; do
        before=$(cat "$work"/*.servers)
        write_servers
        [ "$before" = "$(cat "$work"/*.servers)" ] || nginx -e stderr -c "$work/nginx.conf" -s reload
    done
}

real_ip() {
    [ -n "$BOLTLINK_TRUSTED_PROXIES" ] || return 0
    for proxy in $(echo "$BOLTLINK_TRUSTED_PROXIES" | tr , ' '); do
        echo "set_real_ip_from $proxy;"
    done
    echo "real_ip_header X-Forwarded-For; real_ip_recursive on;"
}

mkdir -p "$work"
write_servers
export BOLTLINK_NGINX_USER="" BOLTLINK_NGINX_STATE="$work" BOLTLINK_NGINX_LOG=/dev/stdout BOLTLINK_NGINX_LOG_BUFFER=""
export BOLTLINK_NGINX_STATUS_LISTEN=8081 BOLTLINK_NGINX_FOLDER=/etc/boltlink
export BOLTLINK_WRITERS="include $work/writer.servers;" BOLTLINK_STATS="include $work/stats.servers;"
export BOLTLINK_RESOLVERS="include $work/resolver.servers;"
BOLTLINK_REAL_IP=$(real_ip)
export BOLTLINK_REAL_IP
envsubst "$(env | awk -F= '/^BOLTLINK_/ {printf "${%s} ", $1}')" < /etc/boltlink/nginx.conf.template > "$work/nginx.conf"
follow &
exec nginx -e stderr -c "$work/nginx.conf"
