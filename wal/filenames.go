package wal

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// suffix ends the name of every log file. Before it stand the 20 digits of the file's first seq, so that names sort
// as the files follow each other.
const suffix = ".log"

// tornSuffix ends the name of a file of bytes set aside.
const tornSuffix = ".torn"

const seqDigits = 20

func fileName(firstSeq uint64) string {
	return fmt.Sprintf("%0*d%s", seqDigits, firstSeq, suffix)
}

// parseFileName returns the first seq that a log file's name stands for.
func parseFileName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != seqDigits {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil && seq < math.MaxUint64 && digits[0] != '+'
}

// tornName names torn bytes by where they were and what they are: doing it again after a crash writes the same
// file again, and another torn tail at the same place never takes the place of the first.
func tornName(file string, offset int64, sum []byte) string {
	return fmt.Sprintf("%s-%d-%x%s", strings.TrimSuffix(file, suffix), offset, sum[:8], tornSuffix)
}
