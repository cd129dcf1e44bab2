package server

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"countersign/dialect/native"
	"countersign/store"
)

// Buckets of the histograms, in seconds, entries and bytes. The disk and the store answer in milliseconds, a
// request may be an export.
var (
	quickSeconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	slowSeconds  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	entryCounts  = prometheus.ExponentialBuckets(1, 4, 9)     // to 65,536
	byteCounts   = prometheus.ExponentialBuckets(1024, 4, 10) // to 256 MiB
)

// metrics is what is measured, in a registry of its own. docs/api.md lists it. Labels have few values: none
// comes from a request's text, and none names a caller.
type metrics struct {
	registry *prometheus.Registry

	ingestRequests, ingestEvents, ingestBytes *prometheus.CounterVec

	appendSeconds, syncSeconds, batchEntries, batchBytes prometheus.Histogram
	writeFailures                                        prometheus.Counter

	publishFailures *prometheus.CounterVec
	checks          *prometheus.CounterVec
	backups         *prometheus.CounterVec
	publishedAt     atomic.Int64 // when this process last published a checkpoint, in Unix nanoseconds; 0 for never

	querySeconds *prometheus.HistogramVec

	workSeconds  *prometheus.HistogramVec
	workEntries  *prometheus.CounterVec
	workFailures prometheus.Counter

	requests, refused, aborted *prometheus.CounterVec
	requestSeconds             *prometheus.HistogramVec
}

// namespace begins every name.
const namespace = "countersign"

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.ingestRequests = m.counters("ingest_requests_total", "Requests that sent events, by what became of them.", "outcome")
	m.ingestEvents = m.counters("ingest_events_total", "Events that were sent, by what became of them.", "outcome")
	m.ingestBytes = m.counters("ingest_bytes_total", "Bytes of the bodies that sent events, decompressed.", "outcome")
	m.appendSeconds = m.histogram("append_duration_seconds", "From events that are checked to events that are durable.", quickSeconds)
	m.syncSeconds = m.histogram("sync_duration_seconds", "Syncs of the log.", quickSeconds)
	m.batchEntries = m.histogram("batch_entries", "Entries of one durable write.", entryCounts)
	m.batchBytes = m.histogram("batch_bytes", "Bytes of one durable write.", byteCounts)
	m.writeFailures = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "log_write_failures_total", Help: "Writes of the log that failed."})
	m.publishFailures = m.counters("publish_failures_total", "Checkpoints that could not be published, or not be written to the checkpoint file.", "what")
	for _, what := range [...]string{publishCheckpoint, publishFile} {
		m.publishFailures.WithLabelValues(what) // a counter that is there can be watched
	}
	m.checks = m.counters("checks_total", "Checks of the directory against its own checkpoints, by what they found.", "outcome")
	for _, outcome := range [...]string{checkClean, checkFindings, checkFailed} {
		m.checks.WithLabelValues(outcome)
	}
	m.backups = m.counters("backups_total", "Backups that were sent, by what became of them.", "outcome")
	for _, outcome := range [...]string{native.BackupComplete, native.BackupBrokenOff} {
		m.backups.WithLabelValues(outcome)
	}
	m.querySeconds = m.histograms("query_duration_seconds", "Queries, without what the dialects do; for each with the reader's time.", quickSeconds, "kind")
	m.workSeconds = m.histograms("background_duration_seconds", "Pieces of background work: index, seal, merge_indexes, merge_ids.", slowSeconds, "work")
	m.workEntries = m.counters("background_entries_total", "Entries that background work has gone over.", "work")
	m.workFailures = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "background_failures_total", Help: "Background work that failed and is tried again."})
	m.requests = m.counters("http_requests_total", "Answers.", "dialect", "method", "route", "status")
	m.requestSeconds = m.histograms("http_request_duration_seconds", "From a request's header to the end of its answer.", slowSeconds, "dialect", "route")
	m.refused = m.counters("http_refused_total", "Answers that refuse a request.", "dialect", "kind")
	m.aborted = m.counters("http_aborted_total", "Answers that broke off.", "dialect")
	m.registry.MustRegister(m.writeFailures, m.workFailures, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

// gauge is read when somebody asks. A reading that is not there leaves the gauge out: a zero would look like
// one.
func (m *metrics) gauge(name, help string, read func() (float64, bool)) {
	m.registry.MustRegister(&reading{prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil), read})
}

// reading is a gauge that may be missing.
type reading struct {
	desc *prometheus.Desc
	read func() (float64, bool)
}

// Describe implements prometheus.Collector.
func (r *reading) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect implements prometheus.Collector.
func (r *reading) Collect(ch chan<- prometheus.Metric) {
	if v, ok := r.read(); ok {
		ch <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, v)
	}
}

// handler answers scrapes. One that cannot be gathered in part is answered with the rest.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// watch adds what is read from an open server.
func (m *metrics) watch(s *Server, api *native.Handler) {
	m.gauge("tree_entries", "Entries of the trail.", func() (float64, bool) { return float64(s.Trail.Size()), true })
	m.gauge("published_entries", "Entries under the newest published checkpoint.", func() (float64, bool) {
		c, ok := s.Trail.Published()
		return float64(c.Size), ok
	})
	m.gauge("checkpoint_age_seconds", "Since this process last published a checkpoint.", func() (float64, bool) {
		at := m.publishedAt.Load()
		return time.Since(time.Unix(0, at)).Seconds(), at != 0
	})
	m.gauge("read_only", "1 when the directory is not the trail that it says it is, and nothing is recorded.", func() (float64, bool) {
		if s.Trail.ReadOnly() != nil {
			return 1, true
		}
		return 0, true
	})
	m.gauge("queue_requests", "Requests that wait to be written.", func() (float64, bool) {
		now, _ := s.Trail.Queued()
		return float64(now), true
	})
	m.gauge("queue_limit_requests", "Requests that may wait; the next ones wait outside and are then refused.", func() (float64, bool) {
		_, most := s.Trail.Queued()
		return float64(most), true
	})
	m.gauge("unsealed_entries", "Entries that lie in memory and in the log, not yet in sealed files.", func() (float64, bool) {
		now, _ := s.Trail.Unsealed()
		return float64(now), true
	})
	m.gauge("unsealed_limit_entries", "Unsealed entries beyond which writers wait.", func() (float64, bool) {
		_, most := s.Trail.Unsealed()
		return float64(most), true
	})
	m.gauge("streams_open", "Open streams of the native API.", func() (float64, bool) { return float64(api.Streams()), true })
	m.gauge("log_bytes", "Size of the log with the room that is set aside in it.", func() (float64, bool) {
		n, err := s.Trail.LogBytes()
		return float64(n), err == nil
	})
	m.gauge("backup_age_seconds", "Since this process last began a backup that became whole.", func() (float64, bool) {
		last, ok := s.backups.last()
		return time.Since(last.StartedAt).Seconds(), ok
	})
	m.gauge("backup_bytes", "Size of the files of that backup.", func() (float64, bool) {
		last, ok := s.backups.last()
		return float64(last.Bytes), ok
	})
	m.gauge("disk_free_bytes", "What the server may still write to the disk of the data directory.", func() (float64, bool) {
		free, _, ok := disk(s.cfg.Data)
		return free, ok
	})
	m.gauge("disk_size_bytes", "Size of that disk.", func() (float64, bool) {
		_, size, ok := disk(s.cfg.Data)
		return size, ok
	})
}

// What became of events.
const (
	outcomeRecorded  = "recorded"
	outcomeDuplicate = "duplicate"
	outcomeRefused   = "refused"
)

// ingested counts a request that sent events.
func (m *metrics) ingested(in native.Ingest) {
	if in.Problem != "" {
		m.ingestRequests.WithLabelValues(in.Problem).Inc()
		m.ingestEvents.WithLabelValues(outcomeRefused).Add(float64(in.Events))
		m.ingestBytes.WithLabelValues(outcomeRefused).Add(float64(in.Bytes))
		return
	}
	m.ingestRequests.WithLabelValues(outcomeRecorded).Inc()
	m.ingestEvents.WithLabelValues(outcomeRecorded).Add(float64(in.Accepted))
	m.ingestEvents.WithLabelValues(outcomeDuplicate).Add(float64(in.Duplicates))
	m.ingestBytes.WithLabelValues(outcomeRecorded).Add(float64(in.Bytes))
}

// Appended implements store.Observer.
func (m *metrics) Appended(took time.Duration, _ error) { m.appendSeconds.Observe(took.Seconds()) }

// Written implements store.Observer.
func (m *metrics) Written(b store.BatchWritten) {
	if b.Err != nil {
		m.writeFailures.Inc()
		return
	}
	if b.Entries > 0 { // else it only asked whether the disk can be written
		m.syncSeconds.Observe(b.Sync.Seconds())
		m.batchEntries.Observe(float64(b.Entries))
		m.batchBytes.Observe(float64(b.Bytes))
	}
}

// What of publishing can fail.
const (
	publishCheckpoint = "checkpoint"
	publishFile       = "file"
)

// What a check of the directory ends with.
const (
	checkClean    = "clean"
	checkFindings = "findings"
	checkFailed   = "failed"
)

// Published implements store.Observer.
func (m *metrics) Published(p store.Publication) {
	if p.Err != nil {
		m.publishFailures.WithLabelValues(publishCheckpoint).Inc()
		return
	}
	m.publishedAt.Store(time.Now().UnixNano())
	if p.FileErr != nil {
		m.publishFailures.WithLabelValues(publishFile).Inc()
	}
}

// Kept implements store.Observer.
func (m *metrics) Kept(k store.Kept) {
	if k.Err != nil {
		m.workFailures.Inc()
		return
	}
	m.workSeconds.WithLabelValues(k.Work.String()).Observe(k.Took.Seconds())
	m.workEntries.WithLabelValues(k.Work.String()).Add(float64(k.Entries))
}

// Answered implements store.Observer.
func (m *metrics) Answered(k store.QueryKind, took time.Duration) {
	m.querySeconds.WithLabelValues(k.String()).Observe(took.Seconds())
}

// refusedKinds are the kinds of refusal in the words of the native API's problems.
var refusedKinds = map[int]string{
	http.StatusUnauthorized: "unauthenticated", http.StatusForbidden: "denied", http.StatusNotFound: "not-found",
	http.StatusMethodNotAllowed: "method-not-allowed", http.StatusRequestTimeout: "body-timeout", http.StatusConflict: "conflict",
	http.StatusRequestEntityTooLarge: "too-large", http.StatusUnsupportedMediaType: "unsupported-media-type",
	http.StatusTooManyRequests: "throttled", http.StatusServiceUnavailable: "unavailable",
}

// refusedKind tells by the status, which every vendor's shape has.
func refusedKind(status int) string {
	switch kind, known := refusedKinds[status]; {
	case known:
		return kind
	case status >= http.StatusInternalServerError:
		return "internal"
	}
	return "invalid"
}

// unrouted is the label of what no route answered.
const unrouted = "none"

// answered counts a request of any dialect.
func (m *metrics) answered(dialect string, r *http.Request, status int, took time.Duration, aborted bool) {
	method, path, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		method, path = unrouted, unrouted
	}
	m.requests.WithLabelValues(dialect, method, path, strconv.Itoa(status)).Inc()
	m.requestSeconds.WithLabelValues(dialect, path).Observe(took.Seconds())
	if status >= http.StatusBadRequest {
		m.refused.WithLabelValues(dialect, refusedKind(status)).Inc()
	}
	if aborted {
		m.aborted.WithLabelValues(dialect).Inc()
	}
}
