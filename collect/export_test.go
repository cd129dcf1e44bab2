package collect

// For the tests of the native reader.
var (
	ReadNative  = readNative
	EndOfExport = endOfExport
)
