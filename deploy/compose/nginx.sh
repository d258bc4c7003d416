#!/bin/sh
# nginx in a container: renders its configuration, keeps it up to date with the containers' addresses, and runs.
#
# nginx looks names up once, when it starts, and refuses to start when one is unknown. A container that is replaced may get
# a new address, and one that is stopped has no name. So the addresses are looked up here, every second, and nginx reloads
# when a container is where nginx does not look for it. It does not reload because one is away: nginx asks the next one
# meanwhile, and it mostly comes back to the same address. For each reload closes idle connections, and a client may just
# be sending its next request.
set -eu

work=/tmp/nginx
pools="writer stats resolver"
# Who else answers at the same port: an address that one of these has got is no longer a pool's.
others="boltlink-relay boltlink-consumer boltlink-consumer2"

members() {
    case $1 in
        resolver) echo boltlink-resolver1 boltlink-resolver2 boltlink-resolver3 ;;
        *) echo "boltlink-$1" ;;
    esac
}

# Where everybody is now, as name=address; who is away is left out.
look_up() {
    for name in $others $(for pool in $pools; do members "$pool"; done); do
        found=$(timeout 1 getent hosts "$name") || continue
        echo "$name=${found%% *}"
    done
}

is_member() {
    case " $(members "$1") " in *" $2 "*) return 0 ;; *) return 1 ;; esac
}

# The servers of a pool, those that are there now; one that never answers where none is, so that nginx can start.
#
# nginx leaves one that failed alone for a second or two, so it may leave one alone that is back already. When it would
# leave all alone, it asks them as its backups, whatever they did before: nobody is refused while one of them lives.
write_servers() {
    found=
    backups=
    for place in $places; do
        if is_member "$1" "${place%%=*}"; then
            found="$found
server ${place#*=}:8000 max_fails=2 fail_timeout=1s;"
            backups="$backups
server ${place#*=}:8000 max_fails=0 backup;"
        fi
    done
    echo "${found:-server 127.0.0.1:9;}$backups" > "$work/$1.servers"
}

# Whether a member of a pool is not where nginx looks for it, or somebody else is there.
is_outdated() {
    for place in $places; do
        written=no
        if grep -qF "server ${place#*=}:8000 " "$work/$1.servers"; then written=yes; fi
        wanted=no
        if is_member "$1" "${place%%=*}"; then wanted=yes; fi
        [ "$written" = "$wanted" ] || return 0
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

mkdir -p "$work"
places=$(look_up)
for pool in $pools; do
    write_servers "$pool"
done
export BOLTLINK_NGINX_USER="" BOLTLINK_NGINX_STATE="$work" BOLTLINK_NGINX_LOG=/dev/stdout BOLTLINK_NGINX_LOG_BUFFER=""
export BOLTLINK_NGINX_STATUS_LISTEN=8081 BOLTLINK_NGINX_FOLDER=/etc/boltlink
export BOLTLINK_WRITERS="include $work/writer.servers;" BOLTLINK_STATS="include $work/stats.servers;"
export BOLTLINK_RESOLVERS="include $work/resolver.servers;"
BOLTLINK_REAL_IP=$(real_ip)
export BOLTLINK_REAL_IP
envsubst "$(env | awk -F= '/^BOLTLINK_/ {printf "${%s} ", $1}')" < /etc/boltlink/nginx.conf.template > "$work/nginx.conf"
follow &
exec nginx -e stderr -c "$work/nginx.conf"
