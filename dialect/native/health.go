package native

import (
	"net/http"

	"countersign/identity"
)

// health is the answer of /healthz and of /readyz when all is well.
type health struct {
	Status string `json:"status"`
}

// healthz answers that the process lives.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, "application/json", http.StatusOK, health{"ok"})
}

// readyz answers whether events can be recorded: recovery is over when a request arrives here at all.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request) {
	if err := h.trail.Ready(); err != nil {
		h.Refuse(w, r, err)
		return
	}
	writeJSON(w, "application/json", http.StatusOK, health{"ready"})
}

// metrics lets operators see what answer tells. It names no events and no callers, but how busy a server is and
// what it refuses is nobody else's business.
func metrics(answer http.Handler) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		if err := mayOperate(c); err != nil {
			return err
		}
		answer.ServeHTTP(w, r)
		return nil
	}
}
