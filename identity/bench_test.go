package identity_test

import (
	"testing"

	"countersign/identity"
)

func BenchmarkAuthenticate(b *testing.B) {
	f := setUp(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(b.Context(), identity.Credential{Token: f.secret}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange makes one change with 10,000 users there: what each pays for reading back the whole.
func BenchmarkChange(b *testing.B) {
	f := setUp(b)
	if err := f.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 10000)
		INSERT INTO users (id, user_type, status, user_name, first_name, last_name, email, phone, friendly_name, description, locale,
		access_scope, primary_account_id, applications, created_at, created_by)
		SELECT 'u'||i, 'standard', 'ACTIVE', 'user'||i, 'First', 'Last', 'u@example.com', '', '', '', 'en_US', 'account', 'countersign', '[]', 0, '' FROM n;
		INSERT INTO memberships (user_id, account_id) SELECT id, 'countersign' FROM users WHERE id LIKE 'u%' ON CONFLICT DO NOTHING;
		INSERT INTO grants (user_id, role, account_id, created_at, created_by) SELECT id, 'AM_VIEW_ONLY', 'countersign', 0, '' FROM users WHERE id LIKE 'u%';
		INSERT INTO tokens (id, user_id, name, hash, enabled, end_date, created_at, created_by) SELECT 't'||id, id, 't', randomblob(32), 1, '', 0, '' FROM users`); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.CreateAccount(b.Context(), f.admin, identity.NewAccount{Name: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
