package testkit

// ageingToken is the token of the story: it runs out, is reminded of, and not renewed.
const ageingToken = "ci-signing release"

var accountNames = [...]struct{ name, domain, locale string }{
	{"Example Bank", "bank.example.com", "en_US"},
	{"Example Health", "health.example.com", "en_US"},
	{"Example Energy", "energy.example.com", "de_DE"},
	{"Example Retail", "retail.example.com", "en_US"},
	{"Example Télécom", "telecom.example.com", "fr_FR"},
	{"Example Logistics", "logistics.example.com", "nl_NL"},
	{"Example Devices", "devices.example.com", "ja_JP"},
	{"Example Archive", "archive.example.com", "en_US"},
}

var divisionNames = []string{"EMEA", "Americas", "APAC", "Engineering", "Operations"}

// name is a name as it is written, and for addresses.
type name struct{ text, ascii string }

var firstNames = []name{
	{"Alice", "alice"}, {"Bob", "bob"}, {"Carol", "carol"}, {"David", "david"}, {"Erin", "erin"}, {"Frank", "frank"}, {"Grace", "grace"}, {"Zoë", "zoe"},
	{"Heidi", "heidi"}, {"Ivan", "ivan"}, {"Judy", "judy"}, {"José", "jose"}, {"Kenji", "kenji"}, {"Laura", "laura"}, {"Mallory", "mallory"}, {"Niaj", "niaj"},
	{"Olivia", "olivia"}, {"Peggy", "peggy"}, {"Quentin", "quentin"}, {"Rupert", "rupert"}, {"Sybil", "sybil"}, {"Trent", "trent"}, {"Uma", "uma"}, {"Victor", "victor"},
	{"Wendy", "wendy"}, {"Xavier", "xavier"}, {"Yuki", "yuki"}, {"Łukasz", "lukasz"}, {"Anna", "anna"}, {"Bjørn", "bjorn"},
}

var lastNames = []name{
	{"Smith", "smith"}, {"Jones", "jones"}, {"Müller", "mueller"}, {"Garcia", "garcia"}, {"O'Neil", "oneil"}, {"Tanaka", "tanaka"}, {"Rossi", "rossi"}, {"Dubois", "dubois"},
	{"Jansen", "jansen"}, {"Kowalski", "kowalski"}, {"Åström", "astroem"}, {"Silva", "silva"}, {"Nguyen", "nguyen"}, {"Patel", "patel"}, {"Kim", "kim"}, {"Novák", "novak"},
	{"Brown", "brown"}, {"Weber", "weber"}, {"Lopez", "lopez"},
}

var countries = []string{"US", "US", "US", "DE", "GB", "NL", "FR", "JP", "SE"}

// service is a service user to be, with the place of its account.
type service struct {
	account           int
	name, description string
}

var services = []service{
	{0, "ci-signing", "Signs the nightly builds"}, {0, "siem-poller", "Reads the audit log every five minutes"}, {0, "cert-renewal-bot", "Renews certificates 30 days before they expire"},
	{0, "terraform", "Profiles and roles as code"}, {1, "siem-poller health", "Reads the audit log"}, {1, "device-enrolment", "Enrols bedside monitors"},
	{1, "backup-runner", "Exports the inventory"}, {2, "ansible", "Rolls out server certificates"}, {2, "scada-gateway", "Mutual TLS of substations"},
	{3, "store-terminals", "Enrols tills"}, {3, "ci-signing retail", "Signs the till software"}, {4, "netbox-sync", "Keeps the inventory"},
	{5, "tracker-enrolment", "Enrols vehicle trackers"}, {6, "factory-line-1", "Issues birth certificates of devices"}, {7, "archive-reader", "Reads what is left"},
}

// applications are the vendor's products. The first is the one that holds accounts and users; its
// permissions stand in the order in which roles add them.
var applications = []Application{
	{Name: "Account Manager", Permissions: []string{"VIEW_AM_PROFILE", "VIEW_AM_AUDIT_LOG", "MANAGE_AM_USER", "MANAGE_AM_ROLE", "MANAGE_AM_ACCOUNT"}},
	{Name: "Trust Lifecycle", Permissions: []string{"VIEW_EM_SEAT", "VIEW_EM_AUDIT_LOG", "VIEW_EM_CERTIFICATE", "VIEW_EM_PROFILE"}},
	{Name: "IoT Trust", Permissions: []string{"VIEW_IOT_CERTIFICATE", "VIEW_IOT_ENROLLMENT_PROFILE"}},
	{Name: "Document Trust", Permissions: []string{"MANAGE_DSM_VIEW_CERTIFICATE_PROFILES", "MANAGE_DSM_ADD_VALIDATIONS"}},
	{Name: "CA Manager", Permissions: []string{"VIEW_CM_LICENSE"}},
	{Name: "Software Trust", Permissions: []string{"VIEW_SM_CERTIFICATE", "SIGN_SM_HASH", "MANAGE_SM_CERTIFICATE_PROFILE"}},
}
