// Package merkle placeholder.
package merkle

import "golang.org/x/mod/sumdb/tlog"

// Hash is a hash of the tree.
type Hash = tlog.Hash
