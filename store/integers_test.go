package store_test

import (
	"testing"

	"countersign/event"
	"countersign/store"
)

func TestIntegerIDsStayAndCanBeTurnedBack(t *testing.T) {
	at := func(id, account, user, division string) event.Event {
		return event.Event{
			ID: id, Account: event.Account{ID: account}, Division: event.Division{ID: event.TextOrAbsent(division)},
			Actor: event.Actor{ID: event.TextOrAbsent(user), Type: event.ActorStandard}, Action: "LOGIN",
			Resource: event.Resource{Type: "BASIC_AUTH"}, Outcome: event.OutcomeSuccess, Source: "example/portal",
		}
	}
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Append(t.Context(), []event.Event{
		at("0", "acc", "jane", "677793"), at("1", "acc", "jane", "north"), at("2", "5153184", "0017", ""), at("3", "acc", "2147483648", "acc"),
	}, "w"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		kind store.IDKind
		id   string
		want int64 // 0: none
	}{
		{store.AccountID, "acc", 1_000_000_000_000},
		{store.AccountID, "5153184", 5153184},
		{store.AccountID, "9", 9}, // its own integer, named or not
		{store.AccountID, "jane", 0},
		{store.UserID, "jane", 1_000_000_000_000},
		{store.UserID, "0017", 1_000_000_000_002},
		{store.UserID, "2147483648", 1_000_000_000_003},
		{store.DivisionID, "677793", 677793},
		{store.DivisionID, "north", 1_000_000_000_001},
		{store.DivisionID, "acc", 1_000_000_000_003},
		{store.DivisionID, "", 0},
	}
	for _, when := range []string{"at once", "after reopening"} {
		for _, tt := range tests {
			n, ok := s.IntegerID(tt.kind, tt.id)
			if ok != (tt.want != 0) || ok && n != tt.want {
				t.Errorf("%s: integer of %d %q is %d %v, want %d", when, tt.kind, tt.id, n, ok, tt.want)
			}
			if !ok {
				continue
			}
			if id, ok := s.IDOfInteger(tt.kind, n); !ok || id != tt.id {
				t.Errorf("%s: id of %d %d is %q %v, want %q", when, tt.kind, n, id, ok, tt.id)
			}
		}
		for _, n := range []int64{-1, 0, 1 << 31, 999_999_999_999, 1_000_000_000_002, 1_000_000_000_099} {
			if id, ok := s.IDOfInteger(store.DivisionID, n); ok {
				t.Errorf("%s: %d is said to be division %q", when, n, id)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
