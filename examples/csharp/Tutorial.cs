// A compliance report from the DigiCert ONE Account Manager audit log in five steps. .NET 10, no packages.
//
//   COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... FROM=2026-01-01 TO=2026-03-31 dotnet run Tutorial.cs > report.tsv

using System.Net;
using System.Text;
using System.Text.Json.Nodes;

string Setting(string name, string? otherwise = null) =>
    Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : otherwise ?? throw new InvalidOperationException($"set {name}");

var baseUrl = Setting("COUNTERSIGN_URL");
var from = Setting("FROM", DateTime.UtcNow.AddDays(-90).ToString("yyyy-MM-dd"));
var to = Setting("TO", DateTime.UtcNow.ToString("yyyy-MM-dd"));
using var client = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
client.DefaultRequestHeaders.Add("x-api-key", Setting("COUNTERSIGN_TOKEN"));

// 1. What is there: the newest entries.
var newest = await Get("/account/api/v1/audit-log", new() { ["sort"] = "timestamp:desc" });
var first = newest!["items"]![0]!;
Log($"step 1: {newest["total"]} entries, the newest is {first["action"]} {first["resource_type"]} at {first["timestamp"]}");

// 2. What is wanted: a period, and two types of resource.
var wanted = new Dictionary<string, string> { ["from"] = from, ["to"] = to, ["resource_types"] = "USER,APIKEY", ["sort"] = "timestamp:desc" };
Log($"step 2: {(await Get("/account/api/v1/audit-log", wanted))!["total"]} of them from {from} to {to}");

// 3. All of it, in pages of 1000.
var items = new List<JsonNode>();
wanted["limit"] = "1000";
for (long offset = 0, total = 1; offset < total; offset += 1000)
{
    wanted["offset"] = offset.ToString();
    var page = await Get("/account/api/v1/audit-log", wanted);
    items.AddRange(page!["items"]!.AsArray().Select(item => item!));
    total = (long)page["total"]!;
}
Log($"step 3: {items.Count} entries read");

// 4. Who that was.
var userIds = items.Where(item => item["user"] is not null).Select(item => (string)item["user"]!["id"]!).ToHashSet();
var users = await LookUp("user", userIds);
Log($"step 4: {users.Count} of {userIds.Count} users are known");

// 5. And in which account.
var accountIds = items.Select(item => (string)item["account"]!["id"]!).ToHashSet();
var accounts = await LookUp("account", accountIds);
Log($"step 5: {accounts.Count} of {accountIds.Count} accounts are known");

using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n" };
Row("timestamp", "action", "status", "resource_type", "resource_name", "user", "user_email", "user_type", "user_status", "account", "account_number");
foreach (var item in items)
{
    var actor = item["user"];
    var user = actor is null ? null : users.GetValueOrDefault((string)actor["id"]!, new JsonObject { ["status"] = "unknown" });
    var account = accounts.GetValueOrDefault((string)item["account"]!["id"]!);
    Row((string?)item["timestamp"], (string?)item["action"], (string?)item["status"], (string?)item["resource_type"], (string?)item["resource_name"],
        (string?)actor?["name"], (string?)user?["email"], (string?)user?["user_type"], (string?)user?["status"],
        (string?)item["account"]!["name"], (string?)account?["friendly_identifier"]);
}

// Get returns the decoded answer, null for one that is not found.
async Task<JsonNode?> Get(string path, Dictionary<string, string>? parameters = null)
{
    var query = string.Join("&", (parameters ?? []).Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value)}"));
    using var response = await client.GetAsync($"{baseUrl}{path}?{query}");
    var body = await response.Content.ReadAsStringAsync();
    return response.StatusCode switch
    {
        HttpStatusCode.OK => JsonNode.Parse(body),
        HttpStatusCode.NotFound => null,
        _ => throw new HttpRequestException($"GET {path}: {(int)response.StatusCode} {body}"),
    };
}

// LookUp returns what is known of each id. Who is not known any more is left out.
async Task<Dictionary<string, JsonNode>> LookUp(string kind, IEnumerable<string> ids)
{
    var known = new Dictionary<string, JsonNode>();
    foreach (var id in ids.Order(StringComparer.Ordinal))
    {
        if (await Get($"/account/api/v1/{kind}/{Uri.EscapeDataString(id)}") is { } found)
        {
            known[id] = found;
        }
    }
    return known;
}

void Row(params string?[] cells) =>
    output.WriteLine(string.Join('\t', cells.Select(c => (c ?? "").Replace(@"\", @"\\").Replace("\t", @"\t").Replace("\n", @"\n").Replace("\r", @"\r"))));

void Log(string text) => Console.Error.WriteLine(text);
