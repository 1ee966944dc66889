#!/bin/bash
# The cluster of docs/operations.md, and its drills, on one machine.
#
#     docs/cluster/try.sh [--stay] FOLDER [POOLKEEPER]
#
# With --stay there are no drills: the cluster stays up until Control-C.
#
# FOLDER is made, and must not exist yet; it stays behind, with all data and logs. POOLKEEPER is the binary, by default
# target/release/poolkeeper. The machines of the page are addresses of the loopback network: 10.0.0.N of the files in
# this folder becomes 127.0.71.N, port 443 becomes 8443, and /etc, /run and /var/lib become folders of their own for each
# machine. Needs Debian's packages etcd-server, etcd-client, patroni, python3-etcd, python3-psycopg2, postgresql,
# pgbouncer, haproxy, socat, openssl and curl. Root's servers run as Debian's user postgres, anybody else's as the
# caller. All that was started is stopped by its process id at the end, whatever the end is.
set -euo pipefail
umask 022

stay=
if [ "${1:-}" = --stay ]; then
    stay=yes
    shift
fi
[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
program=$(readlink -f "${2:-$here/../../target/release/poolkeeper}")
[ -x "$program" ] || { echo "there is no program at $program: cargo build --release -p poolkeeper" >&2; exit 2; }
mkdir -p "$(dirname "$1")"
mkdir "$1"
folder=$(cd "$1" && pwd)
[ ${#folder} -le 60 ] || { echo "$folder is too long for a path of sockets: take a shorter one" >&2; exit 2; }
version=$(ls /usr/lib/postgresql | sort -n | tail -1)
postgresql=/usr/lib/postgresql/$version/bin
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
network=127.0.71
endpoint=https://auth.example.com:8443

declare -A process
began=$(date +%s)
say() { printf '\n[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# Runs a command as the user of all servers.
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres:postgres "$folder"
else
    as=()
fi
as() { (cd "$folder" && exec env -i "PATH=$PATH" "LC_ALL=$LC_ALL" "HOME=$folder" "${as[@]}" "$@"); }

# start NAME COMMAND…: in the background, with its output in FOLDER/NAME.log.
start() {
    local name=$1
    shift
    (cd "$folder" && exec setsid env -i "PATH=$PATH" "LC_ALL=$LC_ALL" "HOME=$folder" "${as[@]}" "$@") \
        >> "$folder/$name.log" 2>&1 < /dev/null &
    process[$name]=$!
}

# stop NAME SIGNAL: returns when the process has ended.
stop() {
    local id=${process[$1]}
    unset "process[$1]"
    kill "-$2" "$id" 2> /dev/null || true
    { wait "$id" || true; } 2> /dev/null
}

# The id of a member's PostgreSQL, which Patroni does not stop when it is killed.
postmaster() {
    local data=$folder/$1/var/lib/postgresql/$version/poolkeeper id
    id=$(head -1 "$data/postmaster.pid" 2> /dev/null) || return 0
    if grep -qs -- "$data" "/proc/$id/cmdline"; then echo "$id"; fi
}

# Kills a member of the database as if its machine died.
kill_member() {
    local id
    id=$(postmaster "$1")
    stop "patroni-$1" KILL
    if [ -n "$id" ]; then kill -KILL "$id"; fi
}

end() {
    set +e
    for name in "${!process[@]}"; do
        case $name in etcd-*) ;; *) kill -TERM "${process[$name]}" 2> /dev/null ;; esac
    done
    for _ in $(seq 100); do
        left=
        for name in "${!process[@]}"; do
            case $name in etcd-*) ;; *) kill -0 "${process[$name]}" 2> /dev/null && left="$left $name" ;; esac
        done
        [ -z "$left" ] && break
        sleep 0.2
    done
    for name in "${!process[@]}"; do stop "$name" KILL; done
    for member in db1 db2; do
        id=$(postmaster $member)
        if [ -n "$id" ]; then kill -QUIT "$id"; fi
    done
}
trap end EXIT
trap 'exit 130' INT TERM

# wait_for SECONDS WHAT COMMAND…
wait_for() {
    local seconds=$1 what=$2
    shift 2
    local until=$(($(date +%s) + seconds))
    until "$@" > /dev/null 2>&1; do
        [ "$(date +%s)" -lt $until ] || fail "$what did not come about within $seconds s; see $folder/*.log"
        sleep 0.2
    done
}

# place FILE MACHINE TARGET: puts a file of this folder where the page puts it, but for the addresses.
place() {
    local target=$folder/$2$3
    mkdir -p "$(dirname "$target")"
    sed -e 's#10\.0\.0\.0/24#127.0.0.0/8#; s#10\.0\.0\.3/32#127.0.0.1/32#' -e "s#10\.0\.0\.#$network.#g" \
        -e 's#:443 #:8443 #; s#https://auth.example.com#&:8443#; s#log /dev/log#log stdout format raw#' \
        -e "s#\([ =:\"']\)/\(etc\|run\|var\)/#\1$folder/$2/\2/#g; s#/postgresql/15/#/postgresql/$version/#" \
        "$here/$1" > "$target"
}

#----------------------------------------------------------------------------------------------------------------------
say "etcd on db1, db2 and lb1"
for port in 2379 2380 5432 6432 8008 8443 9229 9230; do
    for host in 1 2 3 11 12 13; do
        if (exec 3<> "/dev/tcp/$network.$host/$port") 2> /dev/null; then fail "$network.$host:$port is taken"; fi
    done
done
number=0
for machine in db1 db2 lb1; do
    number=$((number + 1))
    place etcd.env $machine /etc/default/etcd
    environment=$folder/$machine/etc/default/etcd
    sed -i -e "s/^ETCD_NAME=.*/ETCD_NAME=$machine/" -e "/_URLS=/s/$network\.1:/$network.$number:/" "$environment"
    mkdir -p "$folder/$machine/var/lib/etcd" "$folder/$machine/run/postgresql" \
        "$folder/$machine/run/pgbouncer" "$folder/$machine/run/haproxy"
done
if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$folder"; fi
for machine in db1 db2 lb1; do
    mapfile -t settings < <(grep '^ETCD_' "$folder/$machine/etc/default/etcd")
    start etcd-$machine env "${settings[@]}" etcd
done
wait_for 60 "etcd's majority" etcdctl --endpoints "http://$network.1:2379" endpoint health

#----------------------------------------------------------------------------------------------------------------------
say "certificates and passwords"
mkdir "$folder/secrets"
cd "$folder/secrets"
chmod 700 .
"$here/certificates.sh" $network.1 $network.2 auth.example.com
for name in superuser replication rest database; do openssl rand -hex 24 > $name.password; done
"$program" keys generate-master > master.key
chmod 600 ./*.password master.key
cd "$folder"

say "PostgreSQL under Patroni on db1 and db2"
number=0
for machine in db1 db2; do
    number=$((number + 1))
    place patroni-$machine.yml $machine /etc/patroni/config.yml
    patroni=$folder/$machine/etc/patroni
    for name in superuser replication rest; do
        sed -i "s/${name^^}_PASSWORD/$(cat secrets/$name.password)/" "$patroni/config.yml"
    done
    cp secrets/authority.pem "$patroni/authority.pem"
    cp "secrets/$network.$number.pem" "$patroni/server.pem"
    cp "secrets/$network.$number.key" "$patroni/server.key"
    mkdir -p "$folder/$machine/var/lib/postgresql/$version"
    chmod 600 "$patroni/config.yml" "$patroni/server.key"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$folder/$machine"; else
        # Who may come in without a password over the socket: the caller, who is postgres here.
        sed -i "s/local all postgres peer/local all postgres trust/" "$patroni/config.yml"
    fi
done
leader() {
    for number in 1 2; do
        if curl -sf -o /dev/null "http://$network.$number:8008/primary"; then echo db$number; return; fi
    done
    return 1
}
has_standby() { curl -sf -o /dev/null "http://$network.1:8008/sync" || curl -sf -o /dev/null "http://$network.2:8008/sync"; }
other() { if [ "$1" = db1 ]; then echo db2; else echo db1; fi; }
start patroni-db1 patroni "$folder/db1/etc/patroni/config.yml"
start patroni-db2 patroni "$folder/db2/etc/patroni/config.yml"
wait_for 120 "a leader with a synchronous standby" has_standby
wait_for 60 "a leader" leader
patronictl() { as /usr/bin/patronictl -c "$folder/db1/etc/patroni/config.yml" "$@"; }
patronictl list

# psql on the leader, by its socket, as the superuser.
sql() {
    local database=$1
    shift
    as "$postgresql/psql" -X -A -t -q -v ON_ERROR_STOP=1 -h "$folder/$(leader)/run/postgresql" -U postgres "$database" "$@"
}

say "role and database"
sql postgres <<SQL
SET synchronous_commit = remote_apply;
CREATE ROLE poolkeeper LOGIN PASSWORD '$(cat secrets/database.password)';
ALTER ROLE poolkeeper SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE poolkeeper SET lock_timeout = '5s';
CREATE DATABASE poolkeeper OWNER poolkeeper;
SQL

#----------------------------------------------------------------------------------------------------------------------
# configure NODE DATABASE_URL_HOSTS: the node's folder, but for mail, which nobody delivers here.
configure() {
    local etc=$folder/$1/etc/poolkeeper
    place poolkeeper.toml "$1" /etc/poolkeeper/poolkeeper.toml
    sed -i -e "s/$network\.11:/$network.1${1#node}:/" -e '/^\[email/,$d' "$etc/poolkeeper.toml"
    cp secrets/authority.pem secrets/master.key secrets/database.password "$etc/"
    chmod 600 "$etc/master.key" "$etc/database.password"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$folder/$1"; fi
}
ready() { curl -sf -o /dev/null "http://$network.1${1#node}:9230/_poolkeeper/ready"; }
serve() { start "$1" "$folder/poolkeeper" serve --config "$folder/$1/etc/poolkeeper/poolkeeper.toml"; }
# poolkeeper … as on node1.
poolkeeper() { as "$folder/poolkeeper" "$@"; }

say "three nodes, all at once, on an empty database"
cp "$program" "$folder/poolkeeper"
chmod 755 "$folder/poolkeeper"
for node in node1 node2 node3; do configure $node; done
config=$folder/node1/etc/poolkeeper/poolkeeper.toml
poolkeeper config check --config "$config"
for node in node1 node2 node3; do serve $node; done
for node in node1 node2 node3; do wait_for 60 "$node" ready $node; done
grep -h 'migrating the schema' "$folder"/node?.log || fail "no node migrated the schema"

say "the load balancer on lb1"
place haproxy.cfg lb1 /etc/haproxy/haproxy.cfg
# It does not begin as root here.
sed -i '/^    user \|^    group \|^    chroot /d' "$folder/lb1/etc/haproxy/haproxy.cfg"
cat secrets/auth.example.com.pem secrets/auth.example.com.key > "$folder/lb1/etc/haproxy/auth.example.com.pem"
chmod 600 "$folder/lb1/etc/haproxy/auth.example.com.pem"
if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$folder/lb1"; fi
as haproxy -c -q -f "$folder/lb1/etc/haproxy/haproxy.cfg"
start haproxy haproxy -db -f "$folder/lb1/etc/haproxy/haproxy.cfg"
through() { curl -sS --cacert "$folder/secrets/authority.pem" --resolve "auth.example.com:8443:$network.3" "$@"; }
wait_for 20 "an answer through lb1" through -f "$endpoint/_poolkeeper/health"

say "an access key, while the nodes work"
# credentials FILE: an access key, as curl wants it.
credentials() {
    poolkeeper keys create --config "$config" --label try > "$1.json"
    printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:us-east-1:cognito-idp"\n' "$(field AccessKeyId < "$1.json")" \
        "$(field SecretAccessKey < "$1.json")" > "$1"
    chmod 600 "$1" "$1.json"
}
# The first text of this name in JSON; nothing where there is none.
field() { { grep -o "\"$1\": *\"[^\"]*\"" || true; } | head -1 | sed 's/.*: *"//; s/"$//'; }
credentials "$folder/secrets/curl"
# signed CREDENTIALS OPERATION JSON: as administrators do it.
signed() {
    through --fail-with-body -K "$1" -H 'Content-Type: application/x-amz-json-1.1' \
        -H "X-Amz-Target: AWSCognitoIdentityProviderService.$2" --data "$3" "$endpoint/"
}
api() { signed "$folder/secrets/curl" "$1" "$2" || { echo; fail "$1"; }; }
pool=$(api CreateUserPool '{"PoolName": "try"}' | field Id)
client=$(api CreateUserPoolClient "{\"UserPoolId\": \"$pool\", \"ClientName\": \"try\", \"ExplicitAuthFlows\": \
    [\"ALLOW_USER_PASSWORD_AUTH\", \"ALLOW_REFRESH_TOKEN_AUTH\"]}" | field ClientId)
api AdminCreateUser "{\"UserPoolId\": \"$pool\", \"Username\": \"somebody\", \"MessageAction\": \"SUPPRESS\"}" > /dev/null
api AdminSetUserPassword "{\"UserPoolId\": \"$pool\", \"Username\": \"somebody\", \"Password\": \"Load-Passw0rd\", \
    \"Permanent\": true}" > /dev/null
echo "pool $pool, client $client"
credentials "$folder/secrets/other"
for _ in 1 2 3; do signed "$folder/secrets/other" ListUserPools '{"MaxResults": 1}' > /dev/null; done
poolkeeper keys delete --config "$config" "$(field AccessKeyId < "$folder/secrets/other.json")"
for _ in 1 2 3; do
    if signed "$folder/secrets/other" ListUserPools '{"MaxResults": 1}' > /dev/null 2>&1; then fail "a deleted key was taken"; fi
done

say "doctor"
poolkeeper doctor --config "$config" || fail "doctor found a problem"

if [ -n "$stay" ]; then
    say "the cluster is up until Control-C"
    echo "$endpoint is $network.3; its authority is $folder/secrets/authority.pem"
    echo "the access key is in $folder/secrets/curl.json"
    while sleep 1; do :; done
fi

#----------------------------------------------------------------------------------------------------------------------
load_begins() {
    (cd "$folder" && exec setsid python3 "$here/load.py" "$network.3:8443" auth.example.com \
        "$folder/secrets/authority.pem" "$client" "$1" "$folder/acknowledged") >> "$folder/load.log" 2>&1 < /dev/null &
    process[load]=$!
    sleep 3
}
load_ends() {
    for node in node1 node2 node3; do wait_for 60 "$node" ready $node; done
    sleep 5
    stop load TERM
    tail -3 "$folder/load.log"
    # Everybody whose sign-up was acknowledged is there.
    local token='' page
    : > "$folder/found"
    while :; do
        page=$(api ListUsers "{\"UserPoolId\": \"$pool\", \"Limit\": 60, \"AttributesToGet\": [] $token}")
        grep -o '"Username": *"[^"]*"' <<< "$page" | sed 's/.*: *"//; s/"$//' >> "$folder/found" || true
        token=$(field PaginationToken <<< "$page")
        [ -n "$token" ] || break
        token=", \"PaginationToken\": \"$token\""
    done
    local lost
    lost=$(comm -23 <(sort "$folder/acknowledged") <(sort "$folder/found") | wc -l)
    echo "  $(wc -l < "$folder/acknowledged") sign-ups acknowledged so far, $lost lost"
    [ "$lost" = 0 ] || fail "acknowledged users are gone"
}

balancer() { as socat stdio "$folder/lb1/run/haproxy/admin.sock" <<< "$1"; }
# Restarts a node without anybody noticing: no new requests, an orderly end, and back.
renew() {
    balancer "set server ready/$1 state drain" > /dev/null
    sleep 1
    stop "$1" TERM
    serve "$1"
    wait_for 60 "$1" ready "$1"
    balancer "set server ready/$1 state ready" > /dev/null
    sleep 3
}

say "drill: nothing happens"
load_begins nothing
sleep 5
load_ends

say "drill: node2 is killed, and comes back"
load_begins node-killed
stop node2 KILL
sleep 5
serve node2
wait_for 60 node2 ready node2
load_ends

say "drill: the nodes are restarted one by one, as for an upgrade"
load_begins upgrade
for node in node1 node2 node3; do
    renew $node
done
load_ends

say "drill: the lead is handed over"
load_begins switchover
patronictl switchover --master "$(leader)" --candidate "$(other "$(leader)")" --force poolkeeper | tail -5
load_ends
wait_for 120 "a standby" has_standby

say "drill: the leader's machine dies"
load_begins leader-killed
old=$(leader)
kill_member "$old"
wait_for 120 "another leader" leader
load_ends
start "patroni-$old" patroni "$folder/$old/etc/patroni/config.yml"
wait_for 120 "a standby" has_standby

say "drill: the leader's PostgreSQL crashes, its Patroni lives"
load_begins postgres-crashed
old=$(leader)
id=$(postmaster "$old")
kill -KILL "$id"
restarted() { [ -n "$(postmaster db1)" ] && [ -n "$(postmaster db2)" ] && [ "$(postmaster "$old")" != "$id" ]; }
wait_for 120 "another start of PostgreSQL" restarted
wait_for 120 "a leader" leader
wait_for 120 "a standby" has_standby
load_ends

say "drill: the standby's machine dies"
load_begins standby-killed
old=$(other "$(leader)")
kill_member "$old"
sleep 20
load_ends
start "patroni-$old" patroni "$folder/$old/etc/patroni/config.yml"
wait_for 120 "a standby" has_standby

say "drill: lb1's etcd dies"
load_begins etcd-killed
stop etcd-lb1 KILL
sleep 10
mapfile -t settings < <(grep '^ETCD_' "$folder/lb1/etc/default/etcd")
start etcd-lb1 env "${settings[@]}" etcd
load_ends

say "drill: the database's password is changed"
load_begins password
openssl rand -hex 24 > secrets/database.password
sql postgres <<< "ALTER ROLE poolkeeper PASSWORD '$(cat secrets/database.password)'"
for node in node1 node2 node3; do
    configure $node
    renew $node
done
load_ends

#----------------------------------------------------------------------------------------------------------------------
say "drill: the leader's machine dies, and requests may wait for longer than it takes to replace it"
for node in node1 node2 node3; do
    sed -i '/^\[store.postgres\]/a patience_seconds = 25' "$folder/$node/etc/poolkeeper/poolkeeper.toml"
    renew $node
done
load_begins leader-killed-patience-25
old=$(leader)
kill_member "$old"
wait_for 120 "another leader" leader
load_ends
start "patroni-$old" patroni "$folder/$old/etc/patroni/config.yml"
wait_for 120 "a standby" has_standby

# The digest in what backup, restore and copy say.
digest() { grep -o 'sha256:[0-9a-f]*' | sort -u; }
one() { [ "$(wc -l <<< "$1")" = 1 ] && [ -n "$1" ] || fail "the digests differ: $1"; }
refused() {
    local what=$1
    shift
    if said=$("$@" 2>&1); then fail "$what was not refused"; fi
    tail -1 <<< "$said"
}
url() { echo "postgres://poolkeeper@$network.1,$network.2/$1?sslrootcert=$folder/node1/etc/poolkeeper/authority.pem"; }

say "drill: a backup while the nodes work"
load_begins backup
poolkeeper backup --config "$config" --output "$folder/monday.poolkeeper" 2> "$folder/backup.log" | tee "$folder/backup.out"
load_ends

say "drill: restored into an empty database"
sql postgres -c 'SET synchronous_commit = remote_apply' -c 'CREATE DATABASE restored OWNER poolkeeper'
poolkeeper restore --config "$config" --store "$(url restored)" --input "$folder/monday.poolkeeper" 2> /dev/null \
    | tee "$folder/restore.out"
one "$(cat "$folder/backup.out" "$folder/restore.out" | digest)"
echo "the digests of backup and restored database are equal"
refused "restoring over data" poolkeeper restore --config "$config" --store "$(url restored)" --input "$folder/monday.poolkeeper"
poolkeeper restore --config "$config" --store "$(url restored)" --input "$folder/monday.poolkeeper" --replace 2> /dev/null \
    | digest
refused "restoring under working nodes" poolkeeper restore --config "$config" --input "$folder/monday.poolkeeper" --replace

say "drill: PostgreSQL to SQLite and back"
poolkeeper copy --config "$config" --from "$(url restored)" --to "sqlite:$folder/copy.db" 2> /dev/null | tee "$folder/copy.out"
poolkeeper copy --config "$config" --from "sqlite:$folder/copy.db" --to "$(url restored)" --replace 2> /dev/null \
    | tee -a "$folder/copy.out"
one "$(cat "$folder/backup.out" "$folder/copy.out" | digest)"
echo "all digests are equal"

say "drill: another master key, and none"
"$program" keys generate-master > secrets/other.key
refused "another master key" env "POOLKEEPER_MASTER_KEY=$(cat secrets/other.key)" "$program" keys list --config "$config"

say "drill: a schema that is newer than the program"
sql restored -c "INSERT INTO migrations VALUES (1000, 'of tomorrow', 'x')"
refused "a newer schema" poolkeeper migrate --config "$config" --store "$(url restored)"

say "drill: PgBouncer between the nodes and the database"
place pgbouncer.ini lb1 /etc/pgbouncer/pgbouncer.ini
pgbouncer=$folder/lb1/etc/pgbouncer
(cd secrets && "$here/certificates.sh" $network.3)
cp secrets/authority.pem "$pgbouncer/authority.pem"
cp secrets/$network.3.pem "$pgbouncer/server.pem"
cp secrets/$network.3.key "$pgbouncer/server.key"
printf '"poolkeeper" "%s"\n' "$(cat secrets/database.password)" > "$pgbouncer/userlist.txt"
chmod 600 "$pgbouncer/userlist.txt" "$pgbouncer/server.key"
if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$pgbouncer"; fi
start pgbouncer pgbouncer "$pgbouncer/pgbouncer.ini"
for node in node1 node2 node3; do
    configure $node
    sed -i -e "s#$network\.1,$network\.2#$network.3:6432#" -e '/^\[store.postgres\]/a prepared_statements = false' \
        "$folder/$node/etc/poolkeeper/poolkeeper.toml"
    renew $node
done
poolkeeper doctor --config "$config" || fail "doctor found a problem"
load_begins pgbouncer
patronictl switchover --master "$(leader)" --candidate "$(other "$(leader)")" --force poolkeeper | tail -5
load_ends
wait_for 120 "a standby" has_standby
load_begins pgbouncer-leader-killed
old=$(leader)
kill_member "$old"
wait_for 120 "another leader" leader
load_ends
echo "connections of Poolkeeper to PostgreSQL:"
sql postgres -c "SELECT count(*) FROM pg_stat_activity WHERE usename = 'poolkeeper'"

say "all drills passed"
cat "$folder/load.log"
