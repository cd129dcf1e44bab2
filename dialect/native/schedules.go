package native

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"time"

	"countersign/identity"
	"countersign/report"
)

// Scheduled tells what became of scheduled reports; *report.Scheduler is one.
type Scheduled interface {
	Runs(schedule string) []report.ScheduledRun
}

// scheduleView is a schedule with when it is due next.
type scheduleView struct {
	identity.Schedule
	NextRun *time.Time `json:"next_run,omitempty"`
}

func viewSchedule(s identity.Schedule) scheduleView {
	v := scheduleView{Schedule: s}
	if next, ok := report.NextDue(s, time.Now()); ok {
		v.NextRun = &next
	}
	return v
}

const schedulesPath = "/api/v1/report-schedules"

func (h *Handler) schedules(runs Scheduled) {
	d := h.identity
	h.handle("POST "+schedulesPath, createUpTo(maxReportBytes, func(ctx context.Context, c identity.Caller, n identity.NewSchedule) (scheduleView, error) {
		s, err := d.CreateSchedule(ctx, c, n, report.CheckSchedule)
		return viewSchedule(s), err
	}, func(v scheduleView) string { return schedulesPath + "/" + url.PathEscape(v.ID) }))
	h.handle("GET "+schedulesPath, index(func(ctx context.Context, c identity.Caller, _ params, p identity.Page) ([]scheduleView, int, error) {
		all, total, err := d.Schedules(ctx, c, p)
		views := make([]scheduleView, len(all))
		for i, s := range all {
			views[i] = viewSchedule(s)
		}
		return views, total, err
	}))
	h.handle("GET "+schedulesPath+"/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (scheduleView, error) {
		s, err := d.Schedule(ctx, c, id)
		return viewSchedule(s), err
	}))
	h.handle("PATCH "+schedulesPath+"/{id}", updateUpTo(maxReportBytes, func(ctx context.Context, c identity.Caller, id string, _ params, n identity.ScheduleUpdate) (scheduleView, error) {
		s, err := d.UpdateSchedule(ctx, c, id, n, report.CheckSchedule)
		return viewSchedule(s), err
	}))
	h.handle("DELETE "+schedulesPath+"/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteSchedule(ctx, c, id)
	}))
	h.handle("GET "+schedulesPath+"/{id}/runs", func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		ps, err := parseParams(r.URL.RawQuery, "offset", "limit")
		if err != nil {
			return err
		}
		offset, err := ps.number("offset", 0, math.MaxInt)
		if err != nil {
			return err
		}
		limit, err := ps.number("limit", defaultLimit, maxLimit)
		if err != nil {
			return err
		}
		s, err := d.Schedule(r.Context(), c, r.PathValue("id"))
		if err != nil {
			return err
		}
		all := runs.Runs(s.ID)
		part := all[min(int(offset), len(all)):]
		writeJSON(w, "application/json", http.StatusOK, collection[report.ScheduledRun]{len(all), int(offset), int(limit), part[:min(int(limit), len(part))]})
		return nil
	})
}
