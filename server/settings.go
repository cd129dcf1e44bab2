package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// settingPrefix begins the attributes of START that tell how the server was set.
const settingPrefix = "setting."

// settings are the ones that an auditor may ask about, by name. None of them is a secret.
func (c *Config) settings() map[string]string {
	all := map[string]string{
		"data": c.Data, "listen": c.Listen, "tls-cert": c.TLSCert, "tls-key": c.TLSKey,
		"keyfactor-path":  c.KeyfactorPath,
		"tls-self-signed": strconv.FormatBool(c.TLSSelfSigned), "insecure-http": strconv.FormatBool(c.InsecureHTTP),
		"origin": c.Origin, "checkpoint-file": c.CheckpointFile, "open-entries": strconv.FormatBool(c.OpenEntries),
		"check-every":    c.CheckEvery.String(),
		"no-preallocate": strconv.FormatBool(c.NoPreallocate),
		"rate-limit":     c.RateLimit.String(), "sign-in-limit": c.SignInLimit.String(),
		"version": c.Version,
	}
	for name, v := range all {
		all[name] = strings.ToValidUTF8(v, "\uFFFD") // file names need not be text
	}
	return all
}

// recordStart records that the server starts, with its settings, and what of these is not as it was at the
// last start. The trail itself remembers that: nothing else has to be kept, or could be changed unseen.
func (s *Server) recordStart(ctx context.Context) error {
	last, clean, err := s.lastStart(ctx)
	if err != nil {
		return err
	}
	start := serverEvent(actionStart, event.OutcomeSuccess, "The server starts")
	if !clean {
		start.Outcome = event.OutcomeWarning
		start.Description = event.TextOf("The server starts; its last stop is not recorded, so it was killed or lost its disk")
	}
	start.Attributes = []event.Attribute{{Name: "entries", Value: strconv.FormatUint(s.Trail.Size(), 10)}}
	changed := serverEvent(actionConfig, event.OutcomeSuccess, "The server's settings are not those of its last start")
	for name, now := range s.cfg.settings() {
		start.Attributes = append(start.Attributes, event.Attribute{Name: settingPrefix + name, Value: now})
		was := last.Attribute(settingPrefix + name)
		if was == event.TextOf(now) {
			continue
		}
		if was.Present {
			changed.Attributes = append(changed.Attributes, event.Attribute{Name: "before." + name, Value: was.Value})
		}
		changed.Attributes = append(changed.Attributes, event.Attribute{Name: "after." + name, Value: now})
	}
	events := []event.Event{start}
	if last.Source != "" && len(changed.Attributes) > 0 {
		events = append(events, changed)
	}
	s.audit.record(events...)
	s.audit.endWith(serverEvent(actionStop, event.OutcomeSuccess, "The server stops"))
	return nil
}

// lastStart returns the START of the last run, or the zero Event before the first, and whether its STOP is
// recorded too.
func (s *Server) lastStart(ctx context.Context) (start event.Event, clean bool, err error) {
	page, err := s.Trail.Search(ctx, query.Query{
		Filter: query.And{
			query.Is(query.AccountID, identity.OwnAccount), query.Is(query.Source, ownSource),
			query.Is(query.ResourceType, typeServer), query.Is(query.Action, actionStart, actionStop),
		},
		Sort: query.Sort{Field: query.Seq, Desc: true}, Limit: 2,
	})
	if err != nil {
		return event.Event{}, false, fmt.Errorf("look for the last start: %w", err)
	}
	i := slices.IndexFunc(page.Entries, func(e *event.Entry) bool { return e.Action == actionStart })
	if i < 0 {
		return event.Event{}, true, nil
	}
	return page.Entries[i].Event, i > 0, nil
}
