#!/usr/bin/env bash
# Brings crossings and covered time of cameras into the fleet's database, with curl and psql: no broker is needed.
#
#   pull.sh [ID...]      of these cameras; of every camera of the list, if none is named
#
# The list has a line for each camera: ID URL [TOKEN]. It is /etc/tallycam-fleet/cameras, or $FLEET_CAMERAS. libpq's
# variables name the database (PGHOST, PGDATABASE, PGUSER, PGPASSFILE). The database is the cursor, so this script may
# be stopped at any point.
set -euo pipefail

list=${FLEET_CAMERAS:-/etc/tallycam-fleet/cameras}
if [ $# -ne 1 ]; then
    if [ $# -eq 0 ]; then mapfile -t ids < <(awk '!/^#/ && NF { print $1 }' "$list"); else ids=("$@"); fi
    # A camera that does not answer holds up no other.
    printf '%s\0' "${ids[@]}" | xargs -0 -r -P "${FLEET_PARALLEL:-8}" -n 1 "$0"
    exit
fi

id=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$id: $*" >&2
    exit 1
}
read -r url token <<<"$(awk -v id="$id" '!/^#/ && $1 == id { print $2, $3; exit }' "$list")"
[ -n "$url" ] || fail "it is not in $list"
[[ $id =~ ^[A-Za-z0-9_-]+$ ]] || fail "an id has letters, digits, - and _"

# get ADDRESS: the answer, in $work/answer. The token is no argument, because others may see those.
get() {
    if [ -n "$token" ]; then printf 'header = "Authorization: Bearer %s"\n' "$token"; fi |
        curl -sSf --compressed --connect-timeout 10 --max-time 60 -K - -o "$work/answer" "${url%/}/api/v1/$1" \
            2>"$work/said" || fail "$(cat "$work/said")"
}
# at SECONDS: this time since 1970 as the API takes it.
at() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
# db: runs the SQL of its input, with the answer as :answer, and prints fields separated by blanks.
db() {
    { printf "\\\\set answer \`cat '%s'\`\n" "$work/answer"; cat; } | psql -XqAt -F ' ' -v ON_ERROR_STOP=1 | sed '/^$/d'
}

echo '{}' >"$work/answer"
# The answers name their counts.db: another one after a factory reset or a restore. A page is one transaction.
ledger=$(db <<<"select ledger from cameras where id = '$id'")
pages=0
while :; do
    since=$(db <<<"select coalesce((select whole from ledgers where ledger = '$ledger'), 0)")
    get "crossings?since=$since&limit=5000&scene=all"
    asked=$ledger
    ledger=$(db <<<"select :'answer'::jsonb ->> 'ledger'")
    [[ $ledger =~ ^[A-Za-z0-9_-]+$ ]] || fail "this tallycam names no ledger: update it"
    pages=$((pages + 1))
    if [ "$ledger" != "$asked" ] && [ "$since" != 0 ]; then
        [ $pages -lt 1000 ] || fail "its ledger changes all the time"
        continue
    fi
    said=$(db <<SQL
begin;
create temp table items on commit drop as
    select i as item, coalesce(i ->> 'seq', i ->> 'id')::bigint as seq
    from jsonb_array_elements(:'answer'::jsonb -> 'items') i;
create temp table taken on commit drop as
    select take('pull/$id/crossing', (jsonb_build_object('ledger', '$ledger') || item)::text) as how
    from (select * from items order by seq) o;
select from take('pull/$id/ledger', jsonb_build_object('ledger', '$ledger', 'last', $since)::text);
select from pulled('$id', '$ledger', (select coalesce(max(seq), $since) from items));
select (select count(*) from items), (select count(*) from taken where how = 'refused');
commit;
SQL
    )
    read -r items refused <<<"$said"
    [ "$refused" = 0 ] || fail "$refused crossings are refused: select * from refused order by number desc"
    if [ "$items" -lt 5000 ]; then break; fi
done

# Covered time, line by line, every ten minutes: from where it was known last, in steps that the camera answers at once.
step=$((60 * 86400))
known=$(db <<<"select count(*) from coverage where ledger = '$ledger' and start > now() - interval '10 minutes'")
if [ "$known" != 0 ]; then exit; fi
get lines
for line in $(db <<<"select (i ->> 'id')::bigint from jsonb_array_elements(:'answer'::jsonb -> 'items') i"); do
    read -r from now <<<"$(db <<SQL
select extract(epoch from coalesce(max(start) - interval '15 minutes', now() - interval '7 days'))::bigint,
    extract(epoch from now())::bigint
from coverage where ledger = '$ledger' and line_id = $line;
SQL
    )"
    from=$((from - from % 300))
    while [ "$from" -lt "$now" ]; do
        to=$((from + step))
        until=
        if [ "$to" -lt "$now" ]; then until="&to=$(at "$to")"; fi
        get "counts?line=$line&from=$(at "$from")$until&bucket=5min&by="
        db <<<"select from take_coverage('$id', $line, :'answer'::jsonb);"
        from=$to
    done
done
