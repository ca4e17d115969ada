package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/access"
	"tidemark/flags/policy"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/ingest/decode"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// CodeNotAuthorized is the code of events that the key may not send.
const CodeNotAuthorized = "not_authorized"

// ingestAnswer is what POST /v1/events says.
type ingestAnswer struct {
	Accepted   int                 `json:"accepted"`
	Duplicates int                 `json:"duplicates"`
	Rejected   []metrics.Rejection `json:"rejected"`
	// Quarantined events are durable, and counted nowhere yet; Quarantine says why.
	Quarantined int               `json:"quarantined"`
	Quarantine  *quarantineAnswer `json:"quarantine,omitempty"`
}

// quarantineAnswer says why events are kept apart, and what ends it.
type quarantineAnswer struct {
	Labels  []string `json:"labels"` // that no document declares; at most maxLabelsTold
	Message string   `json:"message"`
}

// heldAnswer is nil when nothing is kept apart.
func heldAnswer(r *ingest.Receipt) *quarantineAnswer {
	if len(r.Unknown) == 0 {
		return nil
	}
	var names, ways []string
	for i, l := range r.Unknown {
		if i == maxLabelsNamed {
			names = append(names, strconv.Itoa(len(r.Unknown)-i)+" more")
			break
		}
		names = append(names, strconv.Quote(l))
		ways = append(ways, "PUT /api/v1/labels/"+url.PathEscape(l))
	}
	return &quarantineAnswer{Labels: r.Unknown[:min(len(r.Unknown), maxLabelsTold)], Message: fmt.Sprintf(
		"Events are kept in quarantine and counted nowhere, because nobody declared label %s. Declare it by %s with {\"definition\": {\"services\": [...]}, \"reason\": \"...\"}, naming the services that may carry it, or on the page /labels#new; the events then go on by themselves.",
		strings.Join(names, ", "), strings.Join(ways, ", "))}
}

// How many labels a sentence names, and how many an answer lists.
const (
	maxLabelsNamed = 5
	maxLabelsTold  = 1000
)

// postEvents takes events in any form but OpenTelemetry's.
func (a *API) postEvents(c echo.Context) error {
	h := a.hold(c)
	defer h.release()
	receipt, err := a.take(c, h, func(body []byte) error {
		return decode.Events(c.Request().Header, body, a.o.Decode, h.batch)
	})
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, ingestAnswer{
		Accepted: receipt.Accepted, Duplicates: receipt.Duplicates, Rejected: orEmpty(h.batch.Rejected),
		Quarantined: receipt.Quarantined, Quarantine: heldAnswer(&receipt),
	})
}

// take reads, decodes, checks and stores what a request holds. The batch's Rejected
// afterwards lists all that was not accepted, by the place in the request.
func (a *API) take(c echo.Context, h *holding, read func(body []byte) error) (ingest.Receipt, error) {
	if err := h.reserve(c.Request()); err != nil {
		return ingest.Receipt{}, err
	}
	if err := h.readBody(c); err != nil {
		return ingest.Receipt{}, err
	}
	h.batch.Book = h.bookMade
	if err := read(h.body.Bytes()); err != nil {
		return ingest.Receipt{}, ingestProblem(err, h.batch)
	}
	h.batch.Validate(a.o.Now().UnixNano())
	if err := a.authorize(c.Request().Context(), auth.Who(c), h.batch); err != nil {
		return ingest.Receipt{}, err
	}
	a.o.Ingest.CountRejected(h.batch.Rejected)
	receipt, err := a.submit(c.Request().Context(), h)
	if err != nil {
		return ingest.Receipt{}, err
	}
	a.counts.took(h.batch.Rejected, receipt)
	return receipt, nil
}

// submit stores the events and moves what the store refused to Rejected.
func (a *API) submit(ctx context.Context, h *holding) (ingest.Receipt, error) {
	b := h.batch
	if len(b.Events) == 0 {
		return ingest.Receipt{}, nil
	}
	h.users.Add(1)
	receipt, err := a.o.Ingest.Submit(ctx, b.Events, h.release)
	if err != nil {
		return ingest.Receipt{}, err
	}
	for _, r := range receipt.Rejected {
		r.Index = b.Indexes[r.Index]
		b.Rejected = append(b.Rejected, r)
	}
	return receipt, nil
}

// authorize moves the events that no policy lets the key send from Events to Rejected,
// and counts them. Events of one feature follow each other, so that most ask nobody. A
// request that nobody waits for any more asks no further, and one for which the policies
// take too long is refused: what was decided stays known, so that it gets on when it is
// sent again.
func (a *API) authorize(ctx context.Context, who *access.Identity, b *decode.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, authorizeFor)
	defer cancel()
	rules := a.o.Policy.Set()
	var last struct {
		feature string
		action  policy.Action
		policy.Decision
	}
	kept := 0
	for i := range b.Events {
		e := &b.Events[i]
		if action := policy.ActionOf(e.Kind); i == 0 || action != last.action || e.Feature != last.feature {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("authorize event %d: %w", b.Indexes[i], err)
			}
			last.feature, last.action, last.Decision = e.Feature, action, rules.MayReport(who, e.Feature, action)
		}
		if !last.Allowed {
			b.Rejected = append(b.Rejected, metrics.Rejection{
				Index: b.Indexes[i], EventID: e.EventID, Code: CodeNotAuthorized, Field: "feature",
				Message: notAuthorized(e, &last.Decision, b.Mapped(b.Indexes[i])),
			})
			a.o.Attempts.Note(who, last.action, e, &last.Decision)
			continue
		}
		if kept != i {
			b.Events[kept], b.Indexes[kept] = b.Events[i], b.Indexes[i]
		}
		kept++
	}
	b.Events, b.Indexes = b.Events[:kept], b.Indexes[:kept]
	return nil
}

// authorizeFor is how long the policies may take with one request.
const authorizeFor = 10 * time.Second

// notAuthorized does not name a feature that the settings gave the event: which tables and
// destinations belong together is not for whoever may not send their events.
func notAuthorized(e *metrics.Event, d *policy.Decision, mapped bool) string {
	what := "This key may not send " + e.Kind.String() + " events of this feature: "
	if d.Policy != policy.NoPolicy {
		return what + "policy " + d.Policy + " forbids it (version " + d.Version + ")."
	}
	if mapped {
		return what + "no policy permits it (version " + d.Version + "); a scope of the feature that its table or destination is mapped to would."
	}
	need := "publish:" + e.Feature
	if policy.ActionOf(e.Kind) == policy.Consume {
		need = "consume:" + e.Feature + " or " + need
	}
	return what + "no policy permits it (version " + d.Version + "); the scope " + need + " would."
}

// ingestProblem gives decoding and reading errors their status; others pass to the
// one table.
func ingestProblem(err error, b *decode.Batch) error {
	status, code := 0, ""
	switch {
	case errors.Is(err, decode.ErrBody):
		status, code = http.StatusBadRequest, "bad_body"
	case errors.Is(err, decode.ErrTooMany):
		status, code = http.StatusRequestEntityTooLarge, "too_many_events"
	case errors.Is(err, decode.ErrTooLarge):
		status, code = http.StatusRequestEntityTooLarge, "too_large"
	case errors.Is(err, decode.ErrEncoding):
		status, code = http.StatusUnsupportedMediaType, "encoding_unknown"
	case errors.Is(err, decode.ErrMediaType):
		status, code = http.StatusUnsupportedMediaType, "media_type_unknown"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return respond.New(http.StatusRequestTimeout, "body_timeout", "The body took too long to arrive.")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return respond.New(http.StatusBadRequest, "body_cut", "The body ended before its announced length.")
	default:
		return err
	}
	p := respond.New(status, code, "%s.", strings.TrimSuffix(err.Error(), "."))
	if code == "encoding_unknown" {
		p.Encodings = "gzip, zstd"
	}
	if b != nil {
		p.Rejected = append([]metrics.Rejection(nil), b.Rejected...)
	}
	return p
}

// ingestMetrics counts events.
type ingestMetrics struct {
	accepted, duplicates, quarantined prometheus.Counter
	rejected                          *prometheus.CounterVec
}

func newIngestMetrics(r prometheus.Registerer) *ingestMetrics {
	m := &ingestMetrics{
		accepted:    prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_events_accepted_total", Help: "Events acknowledged."}),
		duplicates:  prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_events_duplicate_total", Help: "Events that were known already."}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_events_quarantined_total", Help: "Events acknowledged and kept apart, because nobody declared a label of theirs."}),
		rejected:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_events_rejected_total", Help: "Events refused, by code."}, []string{"code"}),
	}
	r.MustRegister(m.accepted, m.duplicates, m.quarantined, m.rejected)
	return m
}

func (m *ingestMetrics) took(rejected []metrics.Rejection, r ingest.Receipt) {
	m.accepted.Add(float64(r.Accepted))
	m.duplicates.Add(float64(r.Duplicates))
	m.quarantined.Add(float64(r.Quarantined))
	for i := range rejected {
		m.rejected.WithLabelValues(rejected[i].Code).Inc()
	}
}
