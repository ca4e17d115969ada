package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// ask makes a handler of a question that takes a report.Query.
func ask[T report.Tabler](a *API, name string, question func(*report.Reporter, context.Context, report.Query) (T, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		q, err := a.query(c)
		if err != nil {
			return err
		}
		answer, err := question(a.o.Report, c.Request().Context(), q)
		if err != nil {
			return err
		}
		if q.Feature != "" {
			name := name + "-" + q.Feature
			return tell(c, name, answer)
		}
		return tell(c, name, answer)
	}
}

// tell answers with CSV when asked for, else with JSON.
func tell(c echo.Context, name string, answer report.Tabler) error {
	if respond.WantsCSV(c) {
		header, rows := answer.Table()
		return respond.CSV(c, respond.Table{Name: name, Header: header, Rows: rows})
	}
	return respond.JSON(c, http.StatusOK, answer)
}

func (a *API) getPhi(c echo.Context) error {
	if p := a.readParams(c); p.err != nil {
		return p.err
	}
	feature := pathParam(c, "feature")
	answer, err := a.o.Report.Phi(c.Request().Context(), feature)
	if err != nil {
		return err
	}
	return tell(c, "phi-"+feature, answer)
}

func (a *API) listWrites(c echo.Context) error {
	p := a.readParams(c, "feature", "key", "replica", "from", "to", "min_lag", "max_lag", "pending", "cursor", "limit")
	q := report.WriteQuery{
		Feature: p.text("feature"), Key: p.text("key"), Replica: p.text("replica"),
		From: p.time("from"), To: p.time("to"), MinLag: p.duration("min_lag"), MaxLag: p.duration("max_lag"),
		Pending: p.bool("pending"), Cursor: p.text("cursor"), Limit: p.int("limit", 1, 500),
	}
	if p.err != nil {
		return p.err
	}
	answer, err := a.o.Report.Writes(c.Request().Context(), q)
	if err != nil {
		return err
	}
	linkNext(c, answer.Next)
	a.o.Policy.RedactWrites(auth.Who(c), answer)
	return tell(c, "writes", answer)
}

// page is one page of a list. Next is the cursor of the following page, "" on the
// last.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func (a *API) listConflicts(c echo.Context) error {
	p := a.readParams(c, "feature", "key", "rule", "state", "from", "to", "cursor", "limit")
	q := metrics.ConflictQuery{
		Feature: p.text("feature"), Key: p.text("key"), Rule: p.text("rule"), State: p.oneOf("state", report.ConflictOpen, report.ConflictAuto, report.ConflictManual),
		From: nanos(p.time("from")), To: nanos(p.time("to")), Cursor: p.text("cursor"), Limit: p.int("limit", 1, 500),
	}
	if p.err != nil {
		return p.err
	}
	items, next, err := a.o.Report.Conflicts(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return page[metrics.Conflict]{Items: items, Next: next}.tell(c, conflictTable)
}

func (a *API) listViolations(c echo.Context) error {
	p := a.readParams(c, "feature", "guarantee", "service", "from", "to", "cursor", "limit")
	q := metrics.ViolationQuery{
		Feature: p.text("feature"), Guarantee: metrics.Metric(p.oneOf("guarantee", "ryw", "mr", "mw", "wfr", "policy")), Service: p.text("service"),
		From: nanos(p.time("from")), To: nanos(p.time("to")), Cursor: p.text("cursor"), Limit: p.int("limit", 1, 500),
	}
	if p.err != nil {
		return p.err
	}
	items, next, err := a.o.Report.ViolationList(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return page[metrics.Violation]{Items: items, Next: next}.tell(c, violationTable)
}

// Tables of the pipeline's report.
const (
	TableSources  = "sources"
	TableClocks   = "clocks"
	TableRejected = "rejected"
)

// PipelineTables are the names of the tables of the pipeline's report.
func PipelineTables() []string { return []string{TableSources, TableClocks, TableRejected} }

// PipelineReport describes the telemetry itself. Its JSON is the whole of it, a
// table one of PipelineTables.
type PipelineReport interface {
	Table(name string) (header []string, rows [][]string)
}

func (a *API) getPipeline(c echo.Context) error {
	p := a.readParams(c, "table")
	table := p.oneOf("table", PipelineTables()...)
	if p.err != nil {
		return p.err
	}
	answer, err := a.o.Pipeline(c.Request().Context())
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		header, rows := answer.Table(cmp.Or(table, TableSources))
		return respond.CSV(c, respond.Table{Name: cmp.Or(table, TableSources), Header: header, Rows: rows})
	}
	return respond.JSON(c, http.StatusOK, answer)
}

func orEmpty[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}
