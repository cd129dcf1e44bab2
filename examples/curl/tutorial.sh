#!/bin/sh
# A compliance report from the DigiCert ONE Account Manager audit log in five steps. Needs curl and jq.
#
#   COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... FROM=2026-01-01 TO=2026-03-31 ./tutorial.sh > report.tsv
set -eu
: "${COUNTERSIGN_URL:?set it to the base URL, such as https://audit.example.com:8443}"
: "${COUNTERSIGN_TOKEN:?set it to an API token}"
TO=${TO:-$(date -u +%F)}
FROM=${FROM:-$(date -u -d '90 days ago' +%F)}
RESOURCE_TYPES=USER,APIKEY

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# get PATH [NAME=VALUE...] prints the answer's body. The token goes in by a pipe: command lines can be seen by others.
get() {
  path=$1
  shift
  for parameter; do
    set -- "$@" --data-urlencode "$parameter"
    shift
  done
  printf 'x-api-key: %s\n' "$COUNTERSIGN_TOKEN" |
    curl --silent --show-error --fail-with-body --get --header @- "$@" "$COUNTERSIGN_URL$path"
}

# page is get into the file page, or the end.
page() {
  get "$@" > "$work/page" || { cat "$work/page" >&2; exit 1; }
}

# 1. What is there: the newest entries.
page /account/api/v1/audit-log sort=timestamp:desc
jq -r '"step 1: \(.total) entries, the newest is \(.items[0].action) \(.items[0].resource_type) at \(.items[0].timestamp)"' "$work/page" >&2

# 2. What is wanted: a period, and two types of resource.
page /account/api/v1/audit-log "from=$FROM" "to=$TO" "resource_types=$RESOURCE_TYPES" sort=timestamp:desc
echo "step 2: $(jq .total "$work/page") of them from $FROM to $TO" >&2

# 3. All of it, in pages of 1000.
offset=0
: > "$work/items"
while :; do
  page /account/api/v1/audit-log "from=$FROM" "to=$TO" "resource_types=$RESOURCE_TYPES" sort=timestamp:desc "offset=$offset" limit=1000
  jq -c '.items[]' "$work/page" >> "$work/items"
  offset=$((offset + 1000))
  [ "$offset" -lt "$(jq .total "$work/page")" ] || break
done
echo "step 3: $(wc -l < "$work/items" | tr -d ' ') entries read" >&2

# look_up KIND prints {"id":{...},...} of every id on standard input. Who is not known any more is left out.
look_up() {
  : > "$work/found"
  while read -r id; do
    if get "/account/api/v1/$1/$id" > "$work/one" 2> "$work/error"; then
      jq -c '{(.id): .}' "$work/one" >> "$work/found"
    elif ! grep -q '"not_found"' "$work/one"; then
      cat "$work/one" "$work/error" >&2
      exit 1
    fi
  done
  jq -s 'add // {}' "$work/found"
}

# 4. Who that was.
jq -r '.user.id // empty' "$work/items" | sort -u > "$work/user-ids"
look_up user < "$work/user-ids" > "$work/users"
echo "step 4: $(jq length "$work/users") of $(wc -l < "$work/user-ids" | tr -d ' ') users are known" >&2

# 5. And in which account.
jq -r '.account.id' "$work/items" | sort -u > "$work/account-ids"
look_up account < "$work/account-ids" > "$work/accounts"
echo "step 5: $(jq length "$work/accounts") of $(wc -l < "$work/account-ids" | tr -d ' ') accounts are known" >&2

jq -rn --slurpfile users "$work/users" --slurpfile accounts "$work/accounts" '
  (["timestamp", "action", "status", "resource_type", "resource_name", "user", "user_email", "user_type", "user_status", "account", "account_number"] | @tsv),
  (inputs
    | (if .user then $users[0][.user.id] // {status: "unknown"} else {} end) as $user
    | ($accounts[0][.account.id] // {}) as $account
    | [.timestamp, .action, .status, .resource_type, .resource_name, .user.name // "", $user.email // "", $user.user_type // "",
       $user.status // "", .account.name // "", $account.friendly_identifier // ""]
    | @tsv)' "$work/items"
