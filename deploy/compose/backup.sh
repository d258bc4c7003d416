#!/bin/sh
# Dumps the database now and every BACKUP_INTERVAL seconds; removes dumps that are older than BACKUP_KEEP_DAYS days.
set -eu
umask 077
folder=/var/lib/postgresql/data  # a volume; the data of the server is in another container
PGPASSWORD=$(cat /run/secrets/postgres)
export PGPASSWORD
while true; do
    name=$folder/boltlink-$(date -u +%Y%m%d-%H%M%S).dump
    if pg_dump --format=custom --no-owner --file="$name.part" && mv "$name.part" "$name"; then
        echo "wrote $name, $(wc -c < "$name") bytes"
        find "$folder" -name '*.dump' -mtime +"$BACKUP_KEEP_DAYS" -delete
    else
        rm -f "$name.part"
        echo "the backup failed; the next attempt is in 60 s" >&2
        sleep 60 && continue
    fi
    sleep "$BACKUP_INTERVAL"
done
