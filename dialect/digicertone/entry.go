package digicertone

import (
	"context"
	"net/http"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/query"
)

// entry answers GET /audit-log/{id}.
func (h *Handler) entry(w http.ResponseWriter, c call) error {
	includeSelf, err := decodeIncludeSelf(c.params)
	if err != nil {
		return err
	}
	// The vendor's own ids are kept as they are, so they are found by a filter. Any other id is computed
	// from three fields and tells nothing of them: only reading on finds it.
	own := query.And{
		query.Is(query.ID, c.id),
		query.Text{Field: query.Source, Op: query.StartsWith, Values: []string{"digicert-one/"}, Exact: true},
	}
	found, size, err := h.find(c, own, includeSelf)
	if err == nil && found == nil && isComputedID(c.id) {
		found, size, err = h.scan(c, includeSelf)
	}
	if err != nil {
		return err
	}
	if found == nil {
		return errNoEntry
	}
	answer.SetAsOf(w.Header(), size)
	answer.Whole(w, http.StatusOK, contentType, appendItem(nil, found))
	return nil
}

// scan finds an entry by its computed id among all that the caller may see. It is the one request here
// whose cost grows with the trail, so it never takes more than one core, whoever asks.
func (h *Handler) scan(c call, includeSelf bool) (*event.Entry, uint64, error) {
	select {
	case h.scanning <- struct{}{}:
		defer func() { <-h.scanning }()
	case <-c.Context().Done():
		return nil, 0, context.Cause(c.Context())
	}
	return h.find(c, nil, includeSelf)
}

// find returns the first entry in recording order that f finds, that the caller may see and whose shown id
// is the wanted one, nil when there is none.
func (h *Handler) find(c call, f query.Filter, includeSelf bool) (found *event.Entry, size uint64, err error) {
	f, err = searchable(c.caller, f, includeSelf)
	if err != nil {
		return nil, 0, err
	}
	return h.trail.Find(c.Context(), query.Query{Filter: f}, func(e *event.Entry) bool {
		return event.DigiCertOneID(&e.Event) == c.id
	})
}

// isComputedID reports whether s is a UUID of version 5 in lower case, which every computed id is.
func isComputedID(s string) bool {
	const shape = "xxxxxxxx-xxxx-5xxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(shape) {
		return false
	}
	for i := range len(shape) {
		switch c := s[i]; {
		case shape[i] != 'x' && c != shape[i]:
			return false
		case shape[i] == 'x' && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
