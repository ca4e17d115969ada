package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
)

// answers is everything that a feature's page asks.
type answers struct {
	head       *report.FeatureReport
	lag        *report.Lag
	hops       *report.Hops
	heat       *report.Heatmap
	curve      *report.Convergence
	backlog    *report.Backlog
	conflicts  *report.ConflictSummary
	checks     *report.Violations
	violations []metrics.Violation
	stale      *report.Staleness
	phi        *report.Phi
}

// heatColumns is about how many steps of time the heatmap has.
const heatColumns = 60

// recentViolations is how many broken session guarantees the page lists.
const recentViolations = 10

// askAll asks side by side: the page is as slow as its slowest question.
func (u *UI) askAll(ctx context.Context, q report.Query) (*answers, error) {
	a := &answers{}
	whole := q
	whole.By = report.ByNone
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	r := u.o.Report.Once()
	g.Go(func() (err error) { a.head, err = r.Feature(ctx, whole); return err })
	g.Go(func() (err error) { a.lag, err = r.Lag(ctx, q); return err })
	g.Go(func() (err error) { a.curve, err = r.Convergence(ctx, q); return err })
	g.Go(func() (err error) { a.hops, err = r.Hops(ctx, whole); return err })
	cells := whole
	cells.Step = q.To.Sub(q.From) / heatColumns
	g.Go(func() (err error) { a.heat, err = r.Heatmap(ctx, cells); return err })
	g.Go(func() (err error) { a.backlog, err = r.Backlog(ctx, whole); return err })
	g.Go(func() (err error) { a.conflicts, err = r.ConflictSummary(ctx, whole); return err })
	g.Go(func() (err error) { a.checks, err = r.Violations(ctx, whole); return err })
	g.Go(func() (err error) { a.stale, err = r.Staleness(ctx, q); return err })
	g.Go(func() (err error) { a.phi, err = r.Phi(ctx, q.Feature); return err })
	g.Go(func() (err error) {
		a.violations, _, err = r.ViolationList(ctx, metrics.ViolationQuery{
			Feature: q.Feature, From: q.From.UnixNano(), To: q.To.UnixNano(), Limit: recentViolations,
		})
		return err
	})
	return a, g.Wait()
}

func (u *UI) feature(c echo.Context) error {
	a, err := u.ask(c, "replica", "model", "variant", "region", "mechanism", "by")
	if err != nil {
		return err
	}
	name := pathParam(c, "feature")
	a.query.Feature = name
	if a.query.By == "" {
		a.query.By = report.ByReplica
	}
	if !slices.Contains(u.o.Reader.Features(), name) {
		return u.unknownFeature(c, name)
	}
	all, err := u.askAll(c.Request().Context(), a.query)
	if err != nil {
		return err
	}
	m := u.featurePage(a, all)
	held, err := u.heldNotice(c.Request().Context(), name)
	if err != nil {
		return err
	}
	m.Notices = append(m.Notices, held...)
	ctx := c.Request().Context()
	if m.Lag.Marks, err = u.promiseMarks(ctx, a, u.o.Snapshot().Feature(name)); err != nil {
		return err
	}
	rolling, err := u.underWay(ctx, auth.Who(c))
	if err != nil {
		return err
	}
	m.Rollouts = rolling.take(name)
	marks, err := u.rolloutMarks(ctx, a)
	if err != nil {
		return err
	}
	m.Lag.Marks = append(m.Lag.Marks, marks...)
	return u.show(c, view{title: name, current: "/", topic: live.FeatureTopic(name), charts: true, body: page.ShowFeature(m)})
}

// promiseMarks are the moments at which the feature's promises changed, as marks.
func (u *UI) promiseMarks(ctx context.Context, a *asked, results []guarantee.Result) ([]part.Mark, error) {
	var out []part.Mark
	for i := range results {
		vs, err := u.o.Catalogue.Versions(ctx, flags.DocumentID{Kind: flags.KindGuarantee, Name: results[i].Guarantee})
		if err != nil {
			return nil, err
		}
		for j := range vs {
			if at := vs[j].At; at.After(a.query.From) && at.Before(a.query.To) {
				out = append(out, part.Mark{At: at, Text: results[i].Guarantee + " " + vs[j].Version})
			}
		}
	}
	return out, nil
}

func (u *UI) featurePage(a *asked, all *answers) page.Feature {
	name := a.query.Feature
	snap := u.o.Snapshot()
	results := snap.Feature(name)
	limit := u.threshold(name)
	m := page.Feature{
		Head: featureHead(all.head, results), Bar: a.bar(report.By()...),
		Notices: append(silentNotice(all.backlog, u.o.Now()), staleNotice(snap, u.o.Now())...), Only: only(a),
		Facts: featureFacts(all), Promises: promises(results),
		LagTitle: lagTitle(a.query.By), LagAbout: lagAbout(a.query.By), Lag: lagSeries(a, all, limit),
		Hops: hops(a, all.hops), Heat: heat(a, all.heat, limit), HeatTitle: heatTitle(all.heat),
		Curve: curve(a, all.curve, limit), Compare: compare(a, all.lag),
		Replicas: replicas(a, all.backlog), Checks: checks(all.checks), ChecksGet: a.downloads(apiFeature(name, "/violations")),
		Violations: violationRows(name, all.violations), Attempts: u.attemptRows(name), Conflicts: conflictRules(a, all.conflicts),
		Deliveries: deliveries(a, all.conflicts), Staleness: staleness(a, all.stale), Agreement: agreement(name, all.phi),
	}
	return m
}

func featureHead(f *report.FeatureReport, results []guarantee.Result) part.Head {
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Overview", URL: "/"}, {Text: f.Feature}},
		Answer: f.Answer, Status: stateStatus(f.State),
	}
	state := h.Status.Tone
	h.Tone = state
	if len(results) == 0 {
		h.Sub, h.Link = "No promise is written down for this feature.", part.Link{Text: "How to write one", URL: "/guarantees"}
		return h
	}
	r := &results[0]
	h.Status = verdictStatus(r.Verdict)
	worse := toneRank(h.Status.Tone) < toneRank(state)
	if worse {
		h.Tone = h.Status.Tone
	}
	why := r.Why
	if worse && toneRank(state) > toneRank(part.Warn) {
		// The telemetry looks well, or is silent, and the promise does not: the promise counts.
		h.Answer, why = sentence("The promise of "+f.Feature+" is "+string(r.Verdict), r.Why, "nothing was judged yet"), f.Answer
	}
	if r.Story != "" {
		h.Sub = "“" + r.Story + "” "
	}
	h.Sub += why
	h.Link = part.Link{Text: r.Guarantee + " " + r.Version, URL: guaranteeURL(r.Guarantee)}
	h.Facts = append(h.Facts, string(r.Model), "owner "+r.Owner)
	return h
}

// silentNotice names the replicas of which nothing is known now.
func silentNotice(b *report.Backlog, now time.Time) []part.Notice {
	if len(b.Silent) == 0 {
		return nil
	}
	n := part.Notice{Tone: part.Warn, Text: format.List(b.Silent) + " fell silent:", More: "what it holds is unknown, so its backlog is not 0."}
	if len(b.Silent) > 1 {
		n.Text, n.More = format.List(b.Silent)+" fell silent:", "what they hold is unknown, so their backlog is not 0."
	}
	var first time.Time
	for _, r := range b.Replicas {
		if r.Silent && r.LastHeard != nil && (first.IsZero() || at(r.LastHeard).Before(first)) {
			first = at(r.LastHeard)
		}
	}
	if !first.IsZero() {
		n.More = "no event and no heartbeat for " + format.Age(now.Sub(first)) + "; " + n.More
	}
	return []part.Notice{n}
}

// only lists the filters in force, each with the address without it.
func only(a *asked) []part.Link {
	var out []part.Link
	f := a.filters()
	for i := 0; i < len(f); i += 2 {
		out = append(out, part.Link{Text: dimension(f[i]) + " " + f[i+1], URL: a.with(f[i], "")})
	}
	return out
}

func featureFacts(all *answers) []part.Fact {
	h := all.head
	p50 := duration(h.All.P50)
	if h.All.P95 != nil && h.All.P99 != nil {
		p50.Under = "p95 " + format.Duration(*h.All.P95) + ", p99 " + format.Duration(*h.All.P99)
	}
	if !p50.Known() && !h.Routed {
		p50.Under = "no route says where writes must arrive"
	}
	writes := number(h.Writes)
	if s := time.Duration(h.To - h.From).Seconds(); s > 0 {
		writes.Under = format.Rate(float64(h.Writes) / s)
	}
	fresh := part.Value{Under: "no read was reported"}
	var num, den int64
	for _, g := range all.stale.Groups {
		num, den = num+g.Fresh.Numerator, den+g.Fresh.Denominator
	}
	if den > 0 {
		fresh = part.Percent(num, den, "reads")
	}
	return []part.Fact{
		{Name: "Visible everywhere, p50", Value: p50},
		{Name: "Within 10 s", Value: within10s(h.Converged)},
		{Name: "Backlog", Value: backlog(h.Backlog)},
		{Name: "Conflicts", Value: ratio(h.Conflicts, "writes")},
		{Name: "Writes", Value: writes},
		{Name: "Fresh reads", Value: fresh},
	}
}

// promises are the objectives of the feature's guarantees.
func promises(results []guarantee.Result) page.Section {
	s := page.Section{ID: "promises", Title: "What is promised", Get: both("/api/v1/guarantees")}
	s.Table = part.Table{Caption: "Objectives", Columns: []part.Column{
		{Head: "Objective"}, {Head: "Status"}, {Head: "Kept", Num: true}, {Head: "Budget left", Num: true}, {Head: "Why"},
	}}
	for i := range results {
		for j := range results[i].Objectives {
			o := &results[i].Objectives[j]
			s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
				part.To(o.Words, guaranteeURL(results[i].Guarantee)),
				{Status: verdictStatus(o.Verdict)},
				objectiveKept(o), objectiveBudget(o), part.Text(o.Why),
			}})
		}
	}
	return s
}

func objectiveKept(o *guarantee.ObjectiveResult) part.Cell {
	if o.Goal > 0 {
		return cell(kept(o))
	}
	v := duration(o.AgeNS)
	if o.LimitNS > 0 {
		v.Under = "limit " + format.Duration(o.LimitNS)
	}
	return cell(v)
}

func objectiveBudget(o *guarantee.ObjectiveResult) part.Cell {
	b := budget(o)
	if o.Goal == 0 {
		return part.Text("no budget")
	}
	if !b.Known {
		return part.Cell{}
	}
	v := part.Value{Text: b.Text}
	if b.Tone != part.Good {
		v.Tone = b.Tone
	}
	return cell(v)
}

func lagTitle(by string) string { return "Time to visibility, p99 by " + dimension(by) }

func lagAbout(by string) string {
	if by == report.ByReplica {
		return "At each replica, by the time at which writes began."
	}
	return "At the last of the expected replicas, by the time at which writes began."
}

// unsaid names a value of a dimension that reports did not say.
func unsaid(key, by string) string {
	if key != "" {
		return key
	}
	return "no " + dimension(by) + " said"
}

func join(parts []string) string { return strings.Join(parts, ", ") }
