// Package identity holds who may call and what they may see: accounts, divisions, users, API tokens, client
// certificates and grants, kept in control.db, and the one place that turns a caller into a restriction on a
// query.
//
// Terms. An account is a customer, a division a part of one. A user is a person (standard) or a program
// (service), belongs to one or more accounts and holds grants: a role in an account, perhaps limited to
// some of its divisions, or on the whole server. A token or a client certificate signs its user in; it may be
// bound to accounts and sources and then reaches no further than both its user's grants and its own bounds. A
// Caller is a user signed in by one of them: what every other method judges by. The outbox is where a change
// waits for the trail.
//
// Promises. Caller.Restrict alone decides which entries a caller may see; a server-wide grant of an unbound
// token adds nothing to a query, anything less always does. A caller limited to divisions does not see
// entries without one. Nobody gives more than they have, nobody removes an administrator but another
// administrator, and nobody removes, locks or switches off themselves, so the last server-wide administrator
// stays. A change is judged by what its caller may do when it is made, not when they signed in, and is in
// force for every call that starts after it is answered. Every change reaches the trail once: what it tells
// is the difference of two snapshots, so no method can leave it out, and never a secret.
//
// Durability. A change is answered after its transaction has reached the disk (SQLite in WAL mode with
// synchronous=FULL; the default rollback journal would need EXTRA, since a deletion of the journal that is
// lost brings the old state back) and the trail has what it tells. The transaction writes that into the
// outbox, with its ids; then it is delivered, then taken out. A crash before the transaction leaves neither,
// one after it both, since the next start delivers what it finds, and what the trail has already is a
// duplicate there. While the trail takes nothing, changes are refused before they are made; the one that
// found out is in force, is answered as not recorded yet, and is delivered by itself. Reads never touch the
// disk: they use an immutable snapshot, read back from the database inside the transaction that changed it
// and swapped in after the commit. One goroutine owns the database. Only the last use of a token or
// certificate is kept loosely: in memory, written once a minute and at Close. A purged user's values are
// overwritten in the file and its log, not only unlinked; what the trail was told of the user before it keeps,
// with the names of the time, until they are erased there, and of the purge it is told by id only.
//
// Trust. Token texts are never stored, logged or put into an error; control.db holds their SHA-256, which
// is enough because they are 256 random bits. A certificate is known by the SHA-256 of its DER, whoever issued
// it; that the caller has its key is for the TLS layer to prove. Every refused sign-in looks the same to the
// caller, the reason is only in the error's Cause. Whoever can write control.db is an administrator: a file
// that is damaged, from a newer version or not ours is refused at Open, but a well-formed edit is believed. The
// file also holds the duplicate-detection key, so it is created readable by its owner only and locked against
// other processes while open.
//
// It knows no vendor, and of HTTP only the header fields that a token may lie in: what a refusal looks like is
// the dialects' business.
package identity
