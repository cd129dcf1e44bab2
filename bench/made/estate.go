package made

import (
	"fmt"
	"math/rand/v2"

	"countersign/event"
)

const divisionsPerAccount = 3

// person is who does it, and from where.
type person struct {
	actor  event.Actor
	client event.Client
}

// estate is who there is. It is the same for every seed: questions name its accounts and names.
var estate = func() (all struct {
	accounts  []event.Account
	divisions [][divisionsPerAccount]event.Division
	actors    []person
}) {
	d := drawer{r: rand.New(rand.NewPCG(1, 1))}
	for n := range Accounts {
		account := event.Account{ID: string(d.appendUUID(nil))}
		if n%2 == 0 {
			account.Name = event.TextOf(fmt.Sprintf("Example %03d Ltd", n))
		}
		all.accounts = append(all.accounts, account)
		var of [divisionsPerAccount]event.Division
		for i, name := range [...]string{"EMEA", "Americas", fmt.Sprintf("Plant %d", n%7)} {
			of[i] = event.Division{ID: event.TextOf(fmt.Sprint(600_000 + 10*n + i)), Name: event.TextOf(name)}
		}
		all.divisions = append(all.divisions, of)
		for i := range ActorsPerAccount {
			all.actors = append(all.actors, d.person(n*ActorsPerAccount+i))
		}
	}
	return all
}()

// person makes up the actor of a number, from 0 to 19,999. Names are written as the sources of a real estate
// do, which is not in one way.
func (d *drawer) person(n int) person {
	first, last := firstNames[n%len(firstNames)], lastNames[n/len(firstNames)%len(lastNames)]
	p := person{
		actor: event.Actor{ID: event.TextOf(fmt.Sprint(7_000_000 + 13*n)), Type: event.ActorStandard},
		client: event.Client{
			IP:      event.TextOf(fmt.Sprintf("198.51.%d.%d", n/250, n%250)),
			Country: event.TextOf(countries[d.r.IntN(len(countries))]),
		},
	}
	var name string
	switch n % 10 {
	case 6:
		name = fmt.Sprintf(`EXAMPLE\%c%s%04d`, first[0], last, n)
	case 7:
		name = fmt.Sprintf("%s, %s (%d)", last, first, n)
	case 8:
		name = fmt.Sprintf("Zoë %s-Müller %d", last, n)
	case 9:
		name = fmt.Sprintf("svc-deploy-%d", n)
		p.actor.Type = event.ActorService
	default:
		name = fmt.Sprintf("%s.%s.%d@example.com", first, last, n)
	}
	p.actor.Name = event.TextOf(name)
	return p
}

// accountWeights makes the n-th largest account so large that its share falls as 1/(n+10).
var accountWeights = func() []int {
	weights := make([]int, Accounts)
	for n := range weights {
		weights[n] = 1_000_000 / (n + 10)
	}
	return sums(weights)
}()

func sums(weights []int) []int {
	out := make([]int, len(weights))
	total := 0
	for i, w := range weights {
		total += w
		out[i] = total
	}
	return out
}

var (
	firstNames = []string{
		"jane", "john", "maria", "Ahmed", "li", "Olga", "peter", "susan", "Tomas", "ingrid", "raj", "emma", "Noah", "lucas", "mia", "Chen", "fatima", "hugo", "ana", "ivan",
		"Priya", "george", "helen", "kofi", "laura", "marco", "nina", "Omar", "paul", "quinn",
	}
	lastNames = []string{
		"smith", "Jones", "garcia", "Khan", "wang", "ivanova", "novak", "brown", "silva", "Kim", "olsen", "patel", "Meyer", "rossi", "dubois", "tanaka", "lopez", "Berg", "costa",
		"fischer", "grant", "haas", "ito", "jansen", "kowalski", "lund", "Moreau", "nagy", "okafor", "Popov", "quist", "reyes", "sato", "turner", "Ueda", "vargas", "weber", "xu",
		"young", "Zimmer", "adams", "baker", "clark", "davis", "evans", "Ford", "green", "hill",
	}
	countries = []string{"US", "US", "US", "DE", "DE", "GB", "FR", "NL", "IN", "JP", "BR", "CA", "AU", "SE", "ES", "IT", "PL", "MX"}
	reasons   = []string{": wrong password", ": account locked", ": second factor missing", ": not permitted by policy", ": the certificate authority is unreachable"}
	details   = []string{
		"Approved by two people as the four-eyes rule demands.",
		"Requested through the self-service portal, on behalf of the operations team.",
		"Automatic renewal, 30 days before the end of validity.",
		"Rolled back: the new settings were rejected by the wrong password policy of the directory.",
	}
)
