package report

import (
	"fmt"
	"strings"
	"time"
)

// Facts is what Judge makes a feature's first line from.
type Facts struct {
	Row   *FeatureRow
	Now   int64 // Unix ns
	Quiet bool  // nothing was heard of the feature within the silence limit

	// StoppedAt is when the first write began after which none converged; 0 when
	// writes converge. StoppedWrites is how many have not.
	StoppedAt     int64
	StoppedWrites int64
	// Threshold is the strictest objective for visibility everywhere; 0 = none.
	Threshold int64

	Slowest *Hop     // edge with the greatest p95 on Path; may be nil
	Path    *HopPath // slowest path
}

// slowShare is the share of the slowest path above which one hop is blamed.
const slowShare = 0.5

// kept is the convergence ratio below which a feature without objective is slow.
const kept = 0.99

// keptTau is the index of the τ at which it is looked at: 10 s.
const keptTau = 1

// Judge says in a word and in a sentence how a feature does, from its telemetry.
// The order of the cases is the order of what a reader must know first.
func Judge(f Facts) (state, answer string) {
	row := f.Row
	switch {
	case row.Writes == 0 && row.LastHeard == nil:
		return StateNoData, row.Feature + " has sent no event yet."
	case f.StoppedWrites > 0:
		return StateStopped, stopped(f)
	case row.Policy.Numerator > 0:
		return StatePolicy, againstPolicy(row)
	case len(row.Backlog.Silent) > 0:
		return StateUnknown, unknown(f)
	case f.Quiet:
		return StateUnknown, fmt.Sprintf("%s is unknown: no event and no heartbeat for %s.", row.Feature, Duration(f.Now-*row.LastHeard))
	case row.Writes == 0 && row.All.Count == 0:
		return StateNoData, row.Feature + " had no write in this range."
	case !row.Routed:
		return StateHealthy, fmt.Sprintf("%s took %s; no route says where they must arrive, so nothing is known about “everywhere”.", row.Feature, plural(row.Writes, "write", "writes"))
	case isBehind(f):
		return StateBehind, behind(f)
	case isSlow(f):
		return StateSlow, slow(f)
	}
	return StateHealthy, healthy(f)
}

func stopped(f Facts) string {
	b := f.Row.Backlog
	s := fmt.Sprintf("%s stopped converging at %s", f.Row.Feature, Clock(f.StoppedAt, f.Now))
	if len(b.Silent) > 0 {
		// It may have fallen silent a while before the next write began.
		if b.SilentSince != nil && Clock(*b.SilentSince, f.Now) != Clock(f.StoppedAt, f.Now) {
			return s + fmt.Sprintf(", after %s %s fell silent at %s.", noun(b.Silent), list(b.Silent), Clock(*b.SilentSince, f.Now))
		}
		return s + fmt.Sprintf(", when %s %s fell silent.", noun(b.Silent), list(b.Silent))
	}
	return s + fmt.Sprintf(": %s since then %s visible everywhere yet.", plural(f.StoppedWrites, "write", "writes"), isNot(f.StoppedWrites))
}

func isNot(n int64) string {
	if n == 1 {
		return "is not"
	}
	return "are not"
}

func noun(names []string) string {
	if len(names) == 1 {
		return "replica"
	}
	return "replicas"
}

func againstPolicy(row *FeatureRow) string {
	return fmt.Sprintf("%s breaks policy: %s of labelled writes in this range reached a service without clearance, at %s %s.",
		row.Feature, plural(row.Policy.Numerator, "hop", "hops"), noun(row.AgainstPolicy), list(row.AgainstPolicy))
}

func unknown(f Facts) string {
	b := f.Row.Backlog
	what := fmt.Sprintf("%s is unknown: %s %s", f.Row.Feature, noun(b.Silent), list(b.Silent))
	if b.SilentSince == nil {
		return what + " never sent an event."
	}
	return what + fmt.Sprintf(" sent no event and no heartbeat for %s.", Duration(f.Now-*b.SilentSince))
}

// Being behind: the oldest write that waits is older than leastBehind, than
// behindFactor times the p99, and than the strictest objective.
const (
	leastBehind  = 3 * time.Second
	behindFactor = 3
)

func isBehind(f Facts) bool {
	b := f.Row.Backlog
	if b.Worst == "" || b.WorstSince == nil {
		return false
	}
	limit := max(int64(leastBehind), f.Threshold)
	if p := f.Row.All.P99; p != nil {
		limit = max(limit, behindFactor*(*p))
	}
	return f.Now-*b.WorstSince > limit
}

func behind(f Facts) string {
	b := f.Row.Backlog
	return fmt.Sprintf("%s is late at %s: %s %s, the oldest for %s.", f.Row.Feature, b.Worst,
		plural(b.Unconfirmed, "write", "writes"), waits(b.Unconfirmed), Duration(f.Now-*b.WorstSince))
}

func waits(n int64) string {
	if n == 1 {
		return "waits to become visible"
	}
	return "wait to become visible"
}

// isSlow compares the 95th percentile with the objective; without an objective, the
// share that converged within 10 s with 99 %.
func isSlow(f Facts) bool {
	if f.Threshold > 0 {
		return f.Row.All.P95 != nil && *f.Row.All.P95 > f.Threshold
	}
	if len(f.Row.Converged) <= keptTau {
		return false
	}
	v := f.Row.Converged[keptTau].Ratio.Value
	return v != nil && *v < kept
}

func slow(f Facts) string {
	if f.Slowest != nil && f.Path != nil && f.Path.P95 > 0 {
		took := deref(f.Slowest.P95)
		if float64(took) >= slowShare*float64(f.Path.P95) {
			return fmt.Sprintf("%s is slow at one hop: %s takes %s of the %s at p95.",
				f.Row.Feature, f.Slowest.ToPlace, Duration(took), Duration(f.Path.P95))
		}
		return fmt.Sprintf("%s is slow over the whole way to %s: %s at p95, at no hop more than %s.",
			f.Row.Feature, f.Path.Place, Duration(f.Path.P95), Duration(took))
	}
	return fmt.Sprintf("%s is slow: %s.", f.Row.Feature, visibility(f.Row))
}

func healthy(f Facts) string {
	return fmt.Sprintf("%s is healthy: %s.", f.Row.Feature, visibility(f.Row))
}

func visibility(row *FeatureRow) string {
	parts := []string{}
	if row.All.P95 != nil {
		parts = append(parts, "visible everywhere in "+Duration(*row.All.P95)+" at p95")
	}
	if len(row.Converged) > keptTau {
		if c := row.Converged[keptTau]; c.Ratio.Value != nil {
			parts = append(parts, fmt.Sprintf("%s of %s within %s",
				Percent(c.Ratio), plural(c.Ratio.Denominator, "write", "writes"), Duration(c.TauNS)))
		}
	}
	if len(parts) == 0 {
		return plural(row.Writes, "write", "writes") + ", none old enough to judge"
	}
	return strings.Join(parts, "; ")
}

// OverviewAnswer is the overview's first line when no promise is declared: how many
// features do how, and the worst of them in its own words.
func OverviewAnswer(rows []FeatureRow) string {
	if len(rows) == 0 {
		return "No feature has sent an event yet."
	}
	n := map[string]int64{}
	for i := range rows {
		n[rows[i].State]++
	}
	if len(rows) == 1 && rows[0].State != StateHealthy {
		return rows[0].Answer
	}
	words := []struct{ state, one, many string }{
		{StateStopped, "has stopped converging", "have stopped converging"},
		{StatePolicy, "breaks policy", "break policy"},
		{StateBehind, "is late at a replica", "are late at a replica"},
		{StateSlow, "is slow", "are slow"},
		{StateUnknown, "is unknown", "are unknown"},
		{StateNoData, "had no write", "had no write"},
		{StateHealthy, "is healthy", "are healthy"},
	}
	parts := []string{}
	for _, w := range words {
		if n[w.state] == 0 {
			continue
		}
		if len(parts) == 0 { // The first says of what.
			w.one, w.many = "feature "+w.one, "features "+w.many
		}
		parts = append(parts, plural(n[w.state], w.one, w.many))
	}
	if len(parts) == 1 && n[StateHealthy] > 0 {
		if len(rows) == 1 {
			return "The one feature is healthy."
		}
		return fmt.Sprintf("All %d features are healthy.", len(rows))
	}
	return strings.Join(parts, ", ") + ". " + rows[0].Answer
}
