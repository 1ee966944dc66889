#!/bin/sh
# An authority of your own and a certificate for each name or address that is given, in the current folder:
#
#     certificates.sh 10.0.0.1 10.0.0.2      authority.pem, authority.key, 10.0.0.1.pem, 10.0.0.1.key, …
#
# An authority that is there already is used again. authority.key signs what all nodes trust: keep it off the machines.
set -eu
umask 077

configuration=$(mktemp)
trap 'rm -f "$configuration"' EXIT
# Without it the machine's own configuration would make an authority of every certificate.
printf '[req]\ndistinguished_name = name\nprompt = no\n[name]\n' > "$configuration"

# make NAME SUBJECT OPTIONS…
make() {
    name=$1 subject=$2
    shift 2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -config "$configuration" \
        -subj "$subject" -keyout "$name.key" -out "$name.pem" "$@" 2> "$configuration.error" \
        || { cat "$configuration.error" >&2; rm -f "$configuration.error"; exit 1; }
    rm -f "$configuration.error"
}

if [ ! -e authority.key ]; then
    make authority "/CN=Poolkeeper's database authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
fi
for name in "$@"; do
    case $name in
        *[!0-9.]*) alternative=DNS:$name ;;
        *) alternative=IP:$name ;;
    esac
    make "$name" "/CN=$name" -CA authority.pem -CAkey authority.key -addext basicConstraints=critical,CA:FALSE \
        -addext extendedKeyUsage=serverAuth -addext "subjectAltName=$alternative"
done
chmod 644 ./*.pem
