#Requires -Version 7
<#
.SYNOPSIS
A compliance report from the DigiCert ONE Account Manager audit log in five steps.
.EXAMPLE
$env:COUNTERSIGN_URL = 'http://127.0.0.1:8080'; $env:COUNTERSIGN_TOKEN = '...'
./tutorial.ps1 -From 2026-01-01 -To 2026-03-31 > report.tsv
#>
param(
    [string] $From = $(if ($env:FROM) { $env:FROM } else { [DateTime]::UtcNow.AddDays(-90).ToString('yyyy-MM-dd') }),
    [string] $To = $(if ($env:TO) { $env:TO } else { [DateTime]::UtcNow.ToString('yyyy-MM-dd') })
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
foreach ($name in 'COUNTERSIGN_URL', 'COUNTERSIGN_TOKEN') {
    if (-not [Environment]::GetEnvironmentVariable($name)) { throw "set $name" }
}

# Get-Answer returns the decoded answer, $null for one that is not found.
function Get-Answer([string] $Path, [hashtable] $Parameters = @{}) {
    $query = ($Parameters.GetEnumerator() | ForEach-Object { "$($_.Key)=$([Uri]::EscapeDataString($_.Value))" }) -join '&'
    $response = Invoke-WebRequest -Uri "$($env:COUNTERSIGN_URL)${Path}?$query" -Headers @{ 'x-api-key' = $env:COUNTERSIGN_TOKEN } `
        -TimeoutSec 60 -SkipHttpErrorCheck
    if ($response.StatusCode -eq 404) { return $null }
    if ($response.StatusCode -ne 200) { throw "GET ${Path}: $($response.StatusCode) $($response.Content)" }
    return $response.Content | ConvertFrom-Json -AsHashtable
}

# Find-All returns what is known of each id. Who is not known any more is left out.
function Find-All([string] $Kind, [string[]] $Ids) {
    $known = @{}
    foreach ($id in $Ids) {
        $found = Get-Answer "/account/api/v1/$Kind/$([Uri]::EscapeDataString($id))"
        if ($null -ne $found) { $known[$id] = $found }
    }
    return $known
}

function Write-Log([string] $Text) { [Console]::Error.WriteLine($Text) }

# Format-Cell returns a field of a tab-separated line. ConvertFrom-Json makes dates of texts that look like one.
function Format-Cell($Value) {
    if ($Value -is [DateTime]) { $Value = $Value.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF") + 'Z' }
    return "$Value".Replace('\', '\\').Replace("`t", '\t').Replace("`n", '\n').Replace("`r", '\r')
}

# 1. What is there: the newest entries.
$newest = Get-Answer '/account/api/v1/audit-log' @{ sort = 'timestamp:desc' }
$first = $newest.items[0]
Write-Log "step 1: $($newest.total) entries, the newest is $($first.action) $($first.resource_type) at $(Format-Cell $first.timestamp)"

# 2. What is wanted: a period, and two types of resource.
$wanted = @{ from = $From; to = $To; resource_types = 'USER,APIKEY'; sort = 'timestamp:desc' }
Write-Log "step 2: $((Get-Answer '/account/api/v1/audit-log' $wanted).total) of them from $From to $To"

# 3. All of it, in pages of 1000.
$items = [System.Collections.Generic.List[object]]::new()
$offset = 0
do {
    $page = Get-Answer '/account/api/v1/audit-log' ($wanted + @{ offset = "$offset"; limit = '1000' })
    foreach ($item in $page.items) { $items.Add($item) }
    $offset += 1000
} while ($offset -lt $page.total)
Write-Log "step 3: $($items.Count) entries read"

# 4. Who that was.
[string[]] $userIds = $items | Where-Object { $_.user } | ForEach-Object { $_.user.id } | Sort-Object -Unique -CaseSensitive
$users = Find-All 'user' $userIds
Write-Log "step 4: $($users.Count) of $(@($userIds).Count) users are known"

# 5. And in which account.
[string[]] $accountIds = $items | ForEach-Object { $_.account.id } | Sort-Object -Unique -CaseSensitive
$accounts = Find-All 'account' $accountIds
Write-Log "step 5: $($accounts.Count) of $(@($accountIds).Count) accounts are known"

'timestamp', 'action', 'status', 'resource_type', 'resource_name', 'user', 'user_email', 'user_type', 'user_status', 'account', 'account_number' -join "`t"
foreach ($item in $items) {
    $actor = $item.user ?? @{}
    $user = if (-not $item.user) { @{} } elseif ($users.ContainsKey($actor.id)) { $users[$actor.id] } else { @{ status = 'unknown' } }
    $account = $accounts[$item.account.id] ?? @{}
    (@($item.timestamp, $item.action, $item.status, $item.resource_type, $item.resource_name, $actor['name'], $user['email'],
            $user['user_type'], $user['status'], $item.account.name, $account['friendly_identifier']) | ForEach-Object { Format-Cell $_ }) -join "`t"
}
