package server

// What this package keeps in the data directory, beside the files of package store.
const (
	tlsDirName  = "tls"
	tlsCertName = "cert.pem"
	tlsKeyName  = "key.pem"

	reportsDirName = "reports"
)
