package report

import (
	"errors"

	"countersign/problem"
)

// Reason is what may be told of why there is no report. What is not a problem of the caller's is for the log.
func Reason(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Internal {
		return p.Detail
	}
	return "the server could not make it; its log says why"
}
