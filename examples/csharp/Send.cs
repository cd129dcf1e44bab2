// Sends two events, and sends them again: an event with the same id is recorded once. .NET 10, no packages.
//
//   COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... dotnet run Send.cs [NAME]

using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

string Setting(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : throw new InvalidOperationException($"set {name}");

var url = Setting("COUNTERSIGN_URL") + "/api/v1/events";
using var client = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
client.DefaultRequestHeaders.Authorization = new("Bearer", Setting("COUNTERSIGN_TOKEN"));

var name = args.Length > 0 ? args[0] : $"order-{DateTimeOffset.UtcNow.ToUnixTimeSeconds()}";
var now = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'"); // finer times are refused
JsonObject Event(string step, string action, string id, string person) => new()
{
    ["id"] = $"{name}-{step}",
    ["occurred_at"] = now,
    ["actor"] = new JsonObject { ["id"] = id, ["name"] = person },
    ["action"] = action,
    ["resource"] = new JsonObject { ["type"] = "CERTIFICATE", ["id"] = "4711", ["name"] = "www.example.com" },
    ["outcome"] = "success",
    ["source"] = "example/csharp",
};
var requested = Event("requested", "REQUEST", "u-17", "jane@example.com");
var approved = Event("approved", "APPROVE", "u-18", "raj@example.com");
approved["attributes"] = new JsonObject { ["ticket"] = "CHG-1042" };

// One event a line.
var lines = string.Join("\n", new[] { requested, approved }.Select(e => e.ToJsonString()));
for (var i = 0; i < 2; i++)
{
    var answer = JsonNode.Parse(await Send(lines))!;
    Console.WriteLine($"accepted {answer["accepted"]}, duplicates {answer["duplicates"]}");
}

// Send sends until there is an answer that will not change. The ids make that safe.
async Task<string> Send(string events)
{
    for (var attempt = 0; attempt < 8; attempt++)
    {
        var wait = TimeSpan.FromSeconds(Math.Min(0.2 * Math.Pow(2, attempt), 30) * (0.5 + Random.Shared.NextDouble() / 2));
        string detail;
        try
        {
            using var body = new StringContent(events, Encoding.UTF8, "application/x-ndjson");
            using var response = await client.PostAsync(url, body);
            detail = await response.Content.ReadAsStringAsync();
            var status = (int)response.StatusCode;
            if (status == 201)
            {
                return detail;
            }
            if (status != 429 && status < 500)
            {
                // 409 and 400 name the event and the field: nothing of the request is recorded.
                throw new InvalidOperationException($"refused: {status} {detail}");
            }
            if (response.Headers.RetryAfter is RetryConditionHeaderValue { Delta: { } delta } && delta > wait)
            {
                wait = delta;
            }
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            detail = e.Message;
        }
        Console.Error.WriteLine($"waiting {wait.TotalSeconds:F1} s: {detail}");
        await Task.Delay(wait);
    }
    throw new InvalidOperationException("given up: the events may be recorded; send them again with the same ids");
}
