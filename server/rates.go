package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of requests in a while, written 1000/3m.
type Rate struct {
	Requests int
	Per      time.Duration
}

func (r Rate) String() string {
	per := r.Per.String()
	// "3m0s" is how time writes "3m".
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return strconv.Itoa(r.Requests) + "/" + per
}

// Rates are limits that all hold at once, none when empty. It is a flag's value: 1000/3m,100/5s or off.
type Rates []Rate

const ratesOff = "off"

// The bounds of a rate, so that no arithmetic on it can overflow.
const (
	maxRateRequests = 1_000_000_000
	maxRatePer      = 24 * time.Hour
	maxRates        = 4
)

func (rs Rates) String() string {
	if len(rs) == 0 {
		return ratesOff
	}
	texts := make([]string, len(rs))
	for i, r := range rs {
		texts[i] = r.String()
	}
	return strings.Join(texts, ",")
}

// Set reads rates from text in place of those there are.
func (rs *Rates) Set(text string) error {
	if text == "" || text == ratesOff {
		*rs = nil
		return nil
	}
	var all Rates
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseRate(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	if len(all) > maxRates {
		return fmt.Errorf("%d rates are more than %d", len(all), maxRates)
	}
	*rs = all
	return nil
}

// Type names the value in the help of a command.
func (*Rates) Type() string { return "rates" }

func parseRate(text string) (Rate, error) {
	bad := func(what string) (Rate, error) {
		return Rate{}, fmt.Errorf("%q is no rate such as 1000/3m: %s", text, what)
	}
	requests, per, ok := strings.Cut(text, "/")
	if !ok {
		return bad("there is no /")
	}
	n, err := strconv.Atoi(requests)
	if err != nil || n < 1 || n > maxRateRequests {
		return bad(fmt.Sprintf("the requests must be a whole number from 1 to %d", maxRateRequests))
	}
	d, err := time.ParseDuration(per)
	if err != nil || d < time.Millisecond || d > maxRatePer {
		return bad("the time must be from 1ms to 24h, with its unit")
	}
	return Rate{n, d}, nil
}
