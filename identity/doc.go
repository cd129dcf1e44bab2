// Package identity holds who may call and what they may see: accounts, divisions, users, API tokens and
// grants, kept in control.db, and the one place that turns a caller into a restriction on a query.
//
// Terms. An account is a customer, a division a part of one. A user is a person (standard) or a program
// (service), belongs to one or more accounts and holds grants: a role in an account, perhaps limited to
// some of its divisions, or on the whole server. A token signs its user in; it may be bound to accounts and
// sources and then reaches no further than both its user's grants and its own bounds. A Caller is a user
// signed in by a token: what every other method judges by.
//
// Promises. Caller.Restrict alone decides which entries a caller may see; a server-wide grant of an unbound
// token adds nothing to a query, anything less always does. A caller limited to divisions does not see
// entries without one. Nobody gives more than they have, nobody removes an administrator but another
// administrator, and nobody removes themselves, so the last server-wide administrator stays. A change is
// judged by what its caller may do when it is made, not when they signed in, and is in force for every call
// that starts after it is answered.
//
// Durability. A change is answered after its transaction has reached the disk (SQLite in WAL mode with
// synchronous=FULL; the default rollback journal would need EXTRA, since a deletion of the journal that is
// lost brings the old state back). Reads never touch the disk: they use an immutable snapshot, read back
// from the database inside the transaction that changed it and swapped in after the commit. One goroutine
// owns the database. Only the last use of a token is kept loosely: in memory, written once a minute and at
// Close. A purged user's values are overwritten in the file and its log, not only unlinked.
//
// Trust. Token texts are never stored, logged or put into an error; control.db holds their SHA-256, which
// is enough because they are 256 random bits. Every refused sign-in looks the same to the caller, the
// reason is only in the error's Cause. Whoever can write control.db is an administrator: a file that is
// damaged, from a newer version or not ours is refused at Open, but a well-formed edit is believed. The file
// also holds the duplicate-detection key, so it is created readable by its owner only and locked against
// other processes while open.
//
// It knows no HTTP and no vendor: where a credential lies in a request and what a refusal looks like are
// the dialects' business.
package identity
