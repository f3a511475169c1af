#!/usr/bin/env bash
# Asks cameras over MQTT for crossings that the fleet's database lacks: a broker that died took them along.
# It needs psql and mosquitto_pub, and runs on a timer. The variables of libpq name the database. The options of
# mosquitto_pub are in $MQTT_OPTIONS: -h, -p, -u, -P, --cafile. Topics begin with $MQTT_PREFIX, by default "tallycam".
set -euo pipefail

read -ra options <<<"${MQTT_OPTIONS:--h localhost}"
db() { psql -XqAt -F ' ' -v ON_ERROR_STOP=1; }
ask() {
    mosquitto_pub "${options[@]}" -q 1 -t "${MQTT_PREFIX:-tallycam}/$1/replay/set" \
        -m "{\"since\": $2, \"until\": $3}" </dev/null
}

# A camera answers one request at a time, 50 crossings a second and 500 in all.
before=
for _ in $(seq "${REPLAY_ROUNDS:-20}"); do
    gaps=$(db <<<"select camera, since, until from missing()")
    if [ -z "$gaps" ] || [ "$gaps" = "$before" ]; then break; fi
    before=$gaps
    while read -r camera since until; do ask "$camera" "$since" "$until"; done <<<"$gaps"
    sleep 12
done
if [ -n "${gaps:-}" ]; then echo "still missing (camera, since, until):" && echo "$gaps"; fi
