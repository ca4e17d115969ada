package ui

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// features is where breadcrumbs of before lead; the overview lists the features.
func (u *UI) features(c echo.Context) error { return c.Redirect(http.StatusSeeOther, "/") }

func (u *UI) overview(c echo.Context) error {
	a, err := u.ask(c, "skip")
	if err != nil {
		return err
	}
	skip, err := a.skip()
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	answer, err := u.o.Report.Features(ctx, a.query)
	if err != nil {
		return err
	}
	snap := u.o.Snapshot()
	m := page.Overview{
		Bar: a.bar(), Get: a.downloads("/api/v1/features"),
		KeptSpan: keptSpan(snap),
	}
	paged, err := u.firingPages(ctx)
	if err != nil {
		return err
	}
	rows := byTrouble(answer.Features, snap, paged)
	m.Head = u.overviewHead(answer, rows, snap)
	skip = min(skip, max(len(answer.Features)-1, 0))
	rolling, err := u.underWay(ctx, auth.Who(c))
	if err != nil {
		return err
	}
	for i, row := range rows {
		rollouts := rolling.take(row.Feature)
		listed := i >= skip && i < skip+maxOverview
		if !listed && (skip > 0 || len(rollouts) == 0) { // The way back is on the first page.
			continue
		}
		r := u.overviewRow(row, snap, a)
		r.Rollouts = rollouts
		m.Rows = append(m.Rows, r)
	}
	if len(answer.Features) == 0 {
		m.Empty = u.firstEvent()
	}
	m.Part, m.Next = a.overviewPart(skip, len(answer.Features), len(m.Rows)-maxOverview)
	m.Notices = append(pageNotices(paged), staleNotice(snap, u.o.Now())...)
	if u.o.Rollouts != nil && rolling.any() {
		health := u.o.Rollouts.Health()
		m.Notices = append(m.Notices, healthNotice(&health, u.o.Now())...)
	}
	m.Notices = append(m.Notices, rolling.rest()...)
	if m.Pipeline, err = u.pipelineStrip(ctx); err != nil {
		return err
	}
	return u.show(c, view{title: "Overview", current: "/", topic: live.TopicOverview, body: page.ShowOverview(m)})
}

// maxOverview is how many features the overview lists at once.
const maxOverview = 200

// skip is how many features are passed over, worst first.
func (a *asked) skip() (int, error) {
	s := a.v.Get("skip")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, respond.Bad("skip", "%q is no number of features to pass over.", s)
	}
	return n, nil
}

// overviewPart says which features are listed, and leads to the next ones; "" when all are.
// Beyond these listed are some for their rollouts.
func (a *asked) overviewPart(skip, all, beyond int) (which string, next part.Link) {
	past := min(skip+maxOverview, all)
	if past < all {
		next = part.Link{Text: "Next features", URL: a.with("skip", strconv.Itoa(past))}
	}
	switch {
	case past-skip == all:
		return "", next
	case skip > 0:
		which = format.Count(int64(skip+1)) + " to " + format.Count(int64(past))
	case beyond > 0:
		which = "The first " + format.Count(int64(past)) + ", and " + format.Count(int64(beyond)) + " with a rollout,"
	default:
		which = "The first " + format.Count(int64(past))
	}
	return which + " of " + format.Count(int64(all)) + "; CSV and JSON have all.", next
}

// firstEvent says how to begin.
func (u *UI) firstEvent() *part.Empty {
	return &part.Empty{
		Title: "Send the first event",
		Text:  "A feature appears here as soon as a service reports on one of its writes. The page Access makes a key, and so does the command “tidemark keys create”.",
		Command: part.Command{ID: "first-event", Text: "curl -sS " + u.o.Base() + "/v1/events \\\n" +
			"  -H \"Authorization: Bearer $TIDEMARK_KEY\" \\\n" +
			"  -H 'Content-Type: application/json' \\\n" +
			"  -d '{\"kind\":\"initiated\",\"feature\":\"profile-edit\",\"write_id\":\"w-1\",\n" +
			"       \"key\":\"user:42\",\"service\":\"web\",\"expect\":[\"search\"],\n" +
			"       \"occurred_at\":\"'\"$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)\"'\"}'"},
		Link: part.Link{Text: "See the API.", URL: "/api/docs"},
	}
}

// overviewHead answers whether every promise is kept; without promises, how the
// features do.
func (u *UI) overviewHead(f *report.Features, rows []*report.FeatureRow, snap *guarantee.Snapshot) part.Head {
	h := part.Head{Answer: f.Answer, Tone: part.Good}
	if len(f.Features) == 0 && len(snap.Results) == 0 {
		return part.Head{Answer: "No event has arrived yet."}
	}
	if len(rows) > 0 {
		h.Tone = rowStatus(rows[0], snap).Tone
		if h.Tone != part.Good {
			h.Sub, h.Link = trouble(rows[0], snap), part.Link{Text: "See where the time goes.", URL: featureURL(rows[0].Feature)}
			if rows[0].State == report.StatePolicy {
				h.Link = part.Link{Text: "See the hops against policy.", URL: address(violationsURL, "guarantee", "policy", "feature", rows[0].Feature)}
			}
		}
	}
	if len(snap.Results) > 0 {
		h.Answer = promisesAnswer(snap)
	}
	if rest, ok := strings.CutSuffix(h.Answer, h.Sub); ok && h.Sub != "" { // Said once is enough.
		if h.Answer = strings.TrimSpace(rest); rest == "" {
			h.Answer, h.Sub = h.Sub, "One feature reported."
		}
	}
	if h.Sub == "" {
		h.Sub = format.Plural(int64(len(f.Features)), "feature", "features") + " reported."
	}
	return h
}

// trouble says what is wrong with a feature: in the words of its telemetry, and where
// that looks better than its promise does, in those of the promise.
func trouble(r *report.FeatureRow, s *guarantee.Snapshot) string {
	rs := s.Feature(r.Feature)
	if len(rs) == 0 || rs[0].Why == "" || toneRank(stateStatus(r.State).Tone) <= toneRank(part.Warn) || rowStatus(r, s).Tone == part.Neutral {
		return r.Answer
	}
	return r.Feature + ": " + lowerFirst(rs[0].Why)
}

// promisesAnswer counts the promises by verdict, in a sentence, worst first.
func promisesAnswer(s *guarantee.Snapshot) string {
	if n := len(s.Results); s.Count(guarantee.VerdictKept) == n {
		if n == 1 {
			return "The one promise is kept."
		}
		return "All " + strings.ToLower(format.Number(n)) + " promises are kept."
	}
	kinds := []struct {
		v    guarantee.Verdict
		word string
	}{
		{guarantee.VerdictBroken, "broken"},
		{guarantee.VerdictAtRisk, "at risk"},
		{guarantee.VerdictUnknown, "unknown"},
		{guarantee.VerdictKept, "kept"},
	}
	var parts []string
	for _, k := range kinds {
		n := s.Count(k.v)
		if n == 0 {
			continue
		}
		verb := "are"
		if n == 1 {
			verb = "is"
		}
		text := format.Number(n) + " " + verb + " " + k.word
		if len(parts) == 0 {
			noun := "promises"
			if n == 1 {
				noun = "promise"
			}
			text = format.Number(n) + " " + noun + " " + verb + " " + k.word
		} else {
			text = strings.ToLower(text[:1]) + text[1:]
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ") + "."
}

// verdictRank orders features by their promise first: broken, at risk, unknown or
// stopped, then the rest as the report orders them.
func verdictRank(r *report.FeatureRow, s *guarantee.Snapshot) int {
	return toneRank(rowStatus(r, s).Tone)
}

// toneRank is 0 for the worst.
func toneRank(tone string) int {
	switch tone {
	case part.Bad:
		return 0
	case part.Warn:
		return 1
	case part.Neutral:
		return 2
	}
	return 3
}

// byTrouble orders features by their verdicts, and within one those that page somebody
// before the others.
func byTrouble(rows []report.FeatureRow, s *guarantee.Snapshot, pages []flags.Alert) []*report.FeatureRow {
	paged := map[string]int{}
	for i := range pages {
		paged[pages[i].Feature] = 1
	}
	out := make([]*report.FeatureRow, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	slices.SortStableFunc(out, func(a, b *report.FeatureRow) int {
		return cmp.Or(verdictRank(a, s)-verdictRank(b, s), paged[b.Feature]-paged[a.Feature])
	})
	return out
}

func rowStatus(r *report.FeatureRow, s *guarantee.Snapshot) part.Status {
	if rs := s.Feature(r.Feature); len(rs) > 0 {
		return verdictStatus(rs[0].Verdict)
	}
	return stateStatus(r.State)
}

func (u *UI) overviewRow(r *report.FeatureRow, s *guarantee.Snapshot, a *asked) page.OverviewRow {
	out := page.OverviewRow{
		Name: r.Feature, URL: address(featureURL(r.Feature), a.times()...), Promise: "No promise is written down",
		Status: rowStatus(r, s), P50: duration(r.All.P50), P99: duration(r.All.P99),
		Converged: within10s(r.Converged), Backlog: backlog(r.Backlog), Conflicts: ratio(r.Conflicts, "writes"), Violations: violationsOf(r),
		Budget: page.Budget{Text: "no objective"},
	}
	if rs := s.Feature(r.Feature); len(rs) > 0 {
		out.Promise = rs[0].Story
		if o := mainObjective(&rs[0]); o != nil {
			out.Kept, out.Budget = kept(o), budget(o)
		}
	}
	if rs := s.Feature(r.Feature); len(rs) > 0 && rs[0].Verdict == guarantee.VerdictKept && r.Policy.Numerator == 0 {
		out.Violations.Tone = "" // Nothing that is promised is broken by them.
	}
	out.Spark = u.overviewSpark(r, out.Status)
	if out.Status.Tone == part.Bad || out.Status.Tone == part.Warn {
		if limit := u.threshold(r.Feature); limit > 0 && r.All.P99 != nil && *r.All.P99 > limit {
			out.P99.Tone = out.Status.Tone
		}
	}
	return out
}

// mainObjective is the objective that a row shows: the one in the most trouble, so
// that the numbers explain the word beside them; among equals the one of time to
// visibility, then the one with the least budget.
func mainObjective(r *guarantee.Result) *guarantee.ObjectiveResult {
	var worst *guarantee.ObjectiveResult
	for i := range r.Objectives {
		if o := &r.Objectives[i]; o.Goal > 0 && (worst == nil || inMoreTrouble(o, worst)) {
			worst = o
		}
	}
	return worst
}

func inMoreTrouble(a, b *guarantee.ObjectiveResult) bool {
	if x, y := toneRank(verdictStatus(a.Verdict).Tone), toneRank(verdictStatus(b.Verdict).Tone); x != y {
		return x < y
	}
	if x, y := a.SLI == flags.SLITimeToVisibility, b.SLI == flags.SLITimeToVisibility; x != y {
		return x
	}
	return a.BudgetLeft != nil && b.BudgetLeft != nil && *a.BudgetLeft < *b.BudgetLeft
}

func kept(o *guarantee.ObjectiveResult) part.Value {
	v := part.Percent(o.Good, o.Eligible, "writes")
	v.Under = "of " + format.Target(o.Goal)
	v.Hint = o.Words + ": " + v.Hint
	return v
}

func budget(o *guarantee.ObjectiveResult) page.Budget {
	if o.BudgetLeft == nil {
		return page.Budget{Text: "unknown"}
	}
	left := *o.BudgetLeft
	b := page.Budget{Known: true, Left: left, Tone: part.Good, Text: strconv.FormatFloat(left*100, 'f', 0, 64) + "% left"}
	switch {
	case left <= 0:
		b.Tone, b.Text = part.Bad, "used up "+format.Times(1-left)
	case left < 0.25:
		b.Tone = part.Warn
	}
	return b
}

// threshold is the strictest objective for visibility everywhere, ns; 0 = none.
func (u *UI) threshold(feature string) int64 {
	cfg, ok := u.o.Reader.Config(feature, u.o.Now().UnixNano())
	if !ok {
		return 0
	}
	least := int64(0)
	for _, t := range cfg.Thresholds {
		if t.Scope == metrics.ScopeAll && (least == 0 || t.Value < least) {
			least = t.Value
		}
	}
	return least
}

func (u *UI) overviewSpark(r *report.FeatureRow, s part.Status) part.Spark {
	out := part.Spark{Promise: float64(u.threshold(r.Feature)), Tone: s.Tone, None: "no write seen everywhere"}
	if r.Writes == 0 {
		out.None = "no write"
		if r.LastHeard != nil {
			out.None = "heard " + format.Age(u.o.Now().Sub(at(r.LastHeard))) + " ago"
		}
	}
	for _, p := range r.Spark {
		out.Points = append(out.Points, float(p.P99))
	}
	out.Label = "p99 of time to visibility over the range, " + duration(r.All.P99).Plain() + " in all"
	return out
}

// keptSpan is the window of the objectives, when they share one.
func keptSpan(s *guarantee.Snapshot) string {
	var window int64
	for i := range s.Results {
		o := mainObjective(&s.Results[i])
		switch {
		case o == nil:
		case window == 0:
			window = o.WindowNS
		case window != o.WindowNS:
			return "window"
		}
	}
	if window == 0 {
		return "window"
	}
	return format.Duration(window)
}

// firingPages are the alerts that fire and that somebody must look at now.
func (u *UI) firingPages(ctx context.Context) ([]flags.Alert, error) {
	firing, err := u.o.Alerts.Firing(ctx)
	return slices.DeleteFunc(firing, func(a flags.Alert) bool { return a.Severity != flags.SeverityPage }), err
}

func pageNotices(pages []flags.Alert) []part.Notice {
	var features []string
	for i := range pages {
		if !slices.Contains(features, pages[i].Feature) {
			features = append(features, pages[i].Feature)
		}
	}
	see := part.Link{Text: "See alerts.", URL: "/alerts?state=firing"}
	switch len(pages) {
	case 0:
		return nil
	case 1:
		return []part.Notice{{Tone: part.Bad, Text: "Page:", More: pages[0].Summary, Link: see}}
	}
	slices.Sort(features)
	return []part.Notice{{Tone: part.Bad, Text: format.Count(int64(len(pages))) + " pages are firing", More: "for " + format.List(features) + ".", Link: see}}
}

// staleAfter is how old verdicts may be before a page says so.
const staleAfter = 2 * time.Minute

// staleNotice says when the verdicts are not those of now.
func staleNotice(s *guarantee.Snapshot, now time.Time) []part.Notice {
	switch {
	case s.Error != "":
		return []part.Notice{{Tone: part.Warn, Text: "Promises could not be judged again:", More: s.Error}}
	case !s.At.IsZero() && now.Sub(s.At) > staleAfter:
		return []part.Notice{{Tone: part.Warn, Text: "These verdicts are " + format.Age(now.Sub(s.At)) + " old.", More: "They are judged again every few seconds when all is well."}}
	}
	return nil
}
