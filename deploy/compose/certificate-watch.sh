#!/bin/sh
# Writes the end of nginx's certificate as a metric, for the node exporter's textfile collector.
set -eu
while true; do
    end=$(openssl x509 -enddate -noout -in /run/certificates/fullchain.pem | cut -d= -f2)
    {
        echo '# HELP boltlink_certificate_end_seconds When the certificate of nginx ends, in Unix time.'
        echo '# TYPE boltlink_certificate_end_seconds gauge'
        echo "boltlink_certificate_end_seconds $(date -u -d "$end" +%s)"
    } > /textfile/certificate.new
    mv /textfile/certificate.new /textfile/certificate.prom
    chmod 644 /textfile/certificate.prom
    sleep 3600
done
