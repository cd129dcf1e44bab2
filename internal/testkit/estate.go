package testkit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Estate is who and what there is: the answers to the vendors' look-ups of accounts and users, and the
// actors of Events. It knows what happened to them up to Now.
type Estate struct {
	Now          time.Time // the midnight (UTC) before the now it was made for
	Accounts     []Account
	Divisions    []Division
	Applications []Application // with all their permissions
	People       []User
	ServiceUsers []User
	Tokens       []Token

	Deleted *User // one of People: deleted, still to be looked up
	Purged  *User // one of People: deleted and then purged, gone for every look-up
	Ageing  *Token

	byAccount []members
}

// Account is a customer. Its service ends with the last day.
type Account struct {
	ID                 string
	Name               string
	FriendlyIdentifier string
	ServiceFrom        time.Time
	ServiceTo          time.Time
	Active             bool
	Locale             string
	Domain             string
}

// Division is a part of an account.
type Division struct {
	ID        string // a number, as in CertCentral
	AccountID string
	Name      string
}

// Application is a product of the vendor, with permissions in it.
type Application struct {
	ID          string
	Name        string
	Permissions []string
}

// User is a person or a service user. Service users have no UserName, FirstName and LastName.
type User struct {
	ID             string
	Service        bool
	UserName       string
	FirstName      string
	LastName       string
	FriendlyName   string
	Email          string
	Phone          string
	Description    string
	Locale         string
	Status         string // ACTIVE, PENDING, LOCKED or DELETED
	PrimaryAccount string
	Accounts       []string // the primary one first
	Division       string   // "" for none
	Role           string   // AM_ACCOUNT_ADMIN, AM_USER_MANAGER, AM_VIEW_ONLY or ""
	Applications   []Application
	CreatedAt      time.Time
	CreatedBy      string
	DeletedAt      time.Time // zero unless Status is DELETED
	Purged         bool

	clientIP string
	country  string
}

// Name is what the user's acts are recorded under.
func (u *User) Name() string {
	if u.Service {
		return u.FriendlyName
	}
	return u.UserName
}

// Token is an API token, without its secret.
type Token struct {
	ID        string
	UserID    string
	Name      string
	CreatedAt time.Time
	EndDate   time.Time // its last day; zero for none
}

// The roles that users have.
const (
	RoleAdmin       = "AM_ACCOUNT_ADMIN"
	RoleUserManager = "AM_USER_MANAGER"
	RoleViewOnly    = "AM_VIEW_ONLY"
)

const (
	day = 24 * time.Hour

	peopleCount  = 60
	deletedIndex = 17 // places in People, in the largest account
	purgedIndex  = 25

	deletedAgo = 20 * day
	purgedAgo  = 35 * day
	usersSince = 200 * day // all users are older than this, so that no window of a quarter has unknown ones
)

// members are the users of an account by their places in the estate.
type members struct {
	people   []int
	services []int
	managers []int // of people: they may manage users
	tokens   []int
}

// NewEstate makes up an estate in which it is now.
func NewEstate(seed uint64, now time.Time) *Estate {
	r := rand.New(rand.NewPCG(seed, 1))
	e := &Estate{Now: now.UTC().Truncate(day)}
	e.makeAccounts(r)
	for _, a := range applications {
		e.Applications = append(e.Applications, Application{ID: uuid(r), Name: a.Name, Permissions: slices.Clone(a.Permissions)})
	}
	e.byAccount = make([]members, len(e.Accounts))
	for i := range peopleCount {
		e.addPerson(r, i)
	}
	for _, s := range services {
		e.addService(r, s)
	}
	e.Ageing = &e.Tokens[slices.IndexFunc(e.Tokens, func(t Token) bool { return t.Name == ageingToken })]
	e.Deleted, e.Purged = &e.People[deletedIndex], &e.People[purgedIndex]
	e.Deleted.Status, e.Deleted.DeletedAt = "DELETED", e.Now.Add(-deletedAgo+14*time.Hour)
	e.Purged.Status, e.Purged.DeletedAt, e.Purged.Purged = "DELETED", e.Now.Add(-purgedAgo+9*time.Hour), true
	return e
}

func (e *Estate) makeAccounts(r *rand.Rand) {
	for i, a := range accountNames {
		from := e.Now.AddDate(-2-i%3, 0, -r.IntN(300))
		account := Account{
			ID:                 uuid(r),
			Name:               a.name,
			FriendlyIdentifier: fmt.Sprint(1_000_000 + r.IntN(9_000_000)),
			ServiceFrom:        from,
			ServiceTo:          e.Now.AddDate(1+i%2, 0, r.IntN(300)),
			Active:             true,
			Locale:             a.locale,
			Domain:             a.domain,
		}
		if i == len(accountNames)-1 { // one customer has left
			account.Active, account.ServiceTo = false, e.Now.Add(-30*day)
		}
		e.Accounts = append(e.Accounts, account)
		for _, name := range divisionNames[:2+(len(accountNames)-i)/3] {
			e.Divisions = append(e.Divisions, Division{ID: fmt.Sprint(100_000 + 1000*len(e.Divisions) + r.IntN(1000)), AccountID: account.ID, Name: name})
		}
	}
}

// homeOf spreads users over accounts: the first accounts have the most.
func (e *Estate) homeOf(i int) int {
	spread := [...]int{0, 1, 0, 2, 1, 3, 0, 4, 2, 5, 1, 6, 0, 3, 7}
	return spread[i%len(spread)]
}

func (e *Estate) addPerson(r *rand.Rand, i int) {
	home := e.homeOf(i)
	if i == deletedIndex || i == purgedIndex {
		home = 0
	}
	first, last := firstNames[i%len(firstNames)], lastNames[(i*7+i/len(lastNames))%len(lastNames)]
	account := &e.Accounts[home]
	local := first.ascii + "." + last.ascii
	u := User{
		ID: uuid(r), UserName: local + "@" + account.Domain, FirstName: first.text, LastName: last.text,
		Email: local + "@" + account.Domain, Phone: fmt.Sprintf("+1 202-555-01%02d", i), Locale: account.Locale,
		Status: "ACTIVE", PrimaryAccount: account.ID, Accounts: []string{account.ID}, country: pick(r, countries),
		clientIP: fmt.Sprintf("198.51.100.%d", 10+i), CreatedAt: e.Now.Add(-usersSince - time.Duration(r.IntN(400*24*3600))*time.Second),
	}
	switch {
	case i%20 == 7:
		u.UserName = first.text + " " + last.text // as a directory hands them over, accents and all
	case i%20 == 13:
		u.UserName = last.ascii + ", " + first.ascii + ` "` + first.ascii[:1] + `"`
	case i%10 == 9:
		u.clientIP = fmt.Sprintf("2001:db8:%x::%x", 16+i, 1+r.IntN(0xffff))
	case i == 40, i == 41, i == 42:
		u.Status = "PENDING"
	case i == 43, i == 44:
		u.Status = "LOCKED"
	}
	m := &e.byAccount[home]
	switch len(m.people) {
	case 0:
		u.Role = RoleAdmin
	case 1:
		u.Role = RoleUserManager
	case 2, 3:
		u.Role = RoleViewOnly
	}
	if len(m.people) == 0 && home != 0 && home%3 == 0 { // some administrators have a second account
		u.Accounts = append(u.Accounts, e.Accounts[0].ID)
	}
	if i%2 != 0 {
		u.Division = e.divisionOf(r, account.ID)
	}
	u.Applications = e.applicationsOf(r, 1+r.IntN(3), u.Role)
	if len(m.people) > 0 {
		u.CreatedBy = e.People[m.people[0]].ID
	}
	if u.Role == RoleAdmin || u.Role == RoleUserManager {
		m.managers = append(m.managers, len(e.People))
	}
	m.people = append(m.people, len(e.People))
	e.People = append(e.People, u)
	if i%4 == 1 {
		e.addToken(r, home, u.ID, fmt.Sprintf("%s-script-%d", first.ascii, i), 30+r.IntN(300))
	}
}

func (e *Estate) divisionOf(r *rand.Rand, account string) string {
	var of []string
	for _, d := range e.Divisions {
		if d.AccountID == account {
			of = append(of, d.ID)
		}
	}
	return pick(r, of)
}

// division returns the division with the id.
func (e *Estate) division(id string) *Division {
	i := slices.IndexFunc(e.Divisions, func(d Division) bool { return d.ID == id })
	return &e.Divisions[i]
}

// applicationsOf returns Account Manager, whose permissions follow the role, and more other applications.
func (e *Estate) applicationsOf(r *rand.Rand, more int, role string) []Application {
	manager := e.Applications[0]
	out := []Application{{ID: manager.ID, Name: manager.Name, Permissions: manager.Permissions[:1]}}
	switch role {
	case RoleAdmin:
		out[0].Permissions = manager.Permissions
	case RoleUserManager:
		out[0].Permissions = manager.Permissions[:3]
	case RoleViewOnly:
		out[0].Permissions = manager.Permissions[:2]
	}
	for _, i := range r.Perm(len(e.Applications) - 1)[:more] {
		a := e.Applications[1+i]
		out = append(out, Application{ID: a.ID, Name: a.Name, Permissions: a.Permissions[:1+r.IntN(len(a.Permissions))]})
	}
	return out
}

func (e *Estate) addService(r *rand.Rand, s service) {
	account := &e.Accounts[s.account]
	m := &e.byAccount[s.account]
	u := User{
		ID: uuid(r), Service: true, FriendlyName: s.name, Email: "pki-team@" + account.Domain, Description: s.description,
		Locale: account.Locale, Status: "ACTIVE", PrimaryAccount: account.ID, Accounts: []string{account.ID},
		Division: e.divisionOf(r, account.ID), Applications: e.applicationsOf(r, 2, ""),
		CreatedAt: e.Now.Add(-usersSince - time.Duration(r.IntN(200*24*3600))*time.Second),
		CreatedBy: e.People[m.people[0]].ID, clientIP: fmt.Sprintf("192.0.2.%d", 20+len(e.ServiceUsers)), country: "US",
	}
	m.services = append(m.services, len(e.ServiceUsers))
	e.ServiceUsers = append(e.ServiceUsers, u)
	if len(e.ServiceUsers) == 1 {
		e.addToken(r, s.account, u.ID, ageingToken, 2)
		return
	}
	e.addToken(r, s.account, u.ID, s.name+" token", 60+r.IntN(300))
}

func (e *Estate) addToken(r *rand.Rand, account int, user, name string, daysLeft int) {
	m := &e.byAccount[account]
	m.tokens = append(m.tokens, len(e.Tokens))
	e.Tokens = append(e.Tokens, Token{
		ID: uuid(r), UserID: user, Name: name, CreatedAt: e.Now.Add(-150*day - time.Duration(r.IntN(24*3600))*time.Second),
		EndDate: e.Now.Add(time.Duration(daysLeft) * day),
	})
}
