#Requires -Version 7
<#
.SYNOPSIS
Sends two events, and sends them again: an event with the same id is recorded once.
.EXAMPLE
$env:COUNTERSIGN_URL = 'http://127.0.0.1:8080'; $env:COUNTERSIGN_TOKEN = '...'
./send.ps1 -Name order-4711
#>
param([string] $Name = "order-$([DateTimeOffset]::UtcNow.ToUnixTimeSeconds())")
$ErrorActionPreference = 'Stop'
foreach ($variable in 'COUNTERSIGN_URL', 'COUNTERSIGN_TOKEN') {
    if (-not [Environment]::GetEnvironmentVariable($variable)) { throw "set $variable" }
}

$now = [DateTime]::UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'")
$certificate = @{ type = 'CERTIFICATE'; id = '4711'; name = 'www.example.com' }
$events = @(
    @{ id = "$Name-requested"; occurred_at = $now; actor = @{ id = 'u-17'; name = 'jane@example.com' }; action = 'REQUEST'
        resource = $certificate; outcome = 'success'; source = 'example/powershell'
    },
    @{ id = "$Name-approved"; occurred_at = $now; actor = @{ id = 'u-18'; name = 'raj@example.com' }; action = 'APPROVE'
        resource = $certificate; outcome = 'success'; source = 'example/powershell'; attributes = @{ ticket = 'CHG-1042' }
    }
)

# Send-Events sends until there is an answer that will not change. The ids make that safe.
function Send-Events($Events) {
    # One event a line.
    $body = ($Events | ForEach-Object { ConvertTo-Json $_ -Compress -Depth 5 }) -join "`n"
    foreach ($attempt in 0..7) {
        $wait = [Math]::Min(0.2 * [Math]::Pow(2, $attempt), 30) * (Get-Random -Minimum 0.5 -Maximum 1.0)
        try {
            $response = Invoke-WebRequest -Method Post -Uri "$($env:COUNTERSIGN_URL)/api/v1/events" -SkipHttpErrorCheck -TimeoutSec 60 `
                -Headers @{ Authorization = "Bearer $($env:COUNTERSIGN_TOKEN)" } -ContentType 'application/x-ndjson' `
                -Body ([Text.Encoding]::UTF8.GetBytes($body))
        }
        catch {
            [Console]::Error.WriteLine("waiting $wait s: $_")
            Start-Sleep -Seconds $wait
            continue
        }
        $text = if ($response.Content -is [byte[]]) { [Text.Encoding]::UTF8.GetString($response.Content) } else { $response.Content }
        if ($response.StatusCode -eq 201) { return $text | ConvertFrom-Json }
        if ($response.StatusCode -ne 429 -and $response.StatusCode -lt 500) {
            # 409 and 400 name the event and the field: nothing of the request is recorded.
            throw "refused: $($response.StatusCode) $text"
        }
        if ($response.Headers['Retry-After']) { $wait = [Math]::Max($wait, [double] $response.Headers['Retry-After'][0]) }
        [Console]::Error.WriteLine("waiting $wait s: $($response.StatusCode) $text")
        Start-Sleep -Seconds $wait
    }
    throw 'given up: the events may be recorded; send them again with the same ids'
}

foreach ($time in 1..2) {
    $answer = Send-Events $events
    "accepted $($answer.accepted), duplicates $($answer.duplicates)"
}
