package report

import (
	"strconv"
)

// Table has a row for each feature.
func (f *Features) Table() (header []string, rows [][]string) {
	type T = FeatureRow
	cols := []column[T]{
		col("feature", func(r *T) string { return r.Feature }),
		col("state", func(r *T) string { return r.State }),
		col("writes", func(r *T) string { return integer(r.Writes) }),
	}
	cols = append(cols, ratioColumns("committed", func(r *T) Ratio { return r.Committed })...)
	cols = append(cols, quantileColumns("first_", func(r *T) *Quantiles { return &r.First })...)
	cols = append(cols, quantileColumns("all_", func(r *T) *Quantiles { return &r.All })...)
	cols = append(cols, col("pending", func(r *T) string { return integer(r.Pending) }))
	for i, tau := range Taus() {
		cols = append(cols, ratioColumns("converged_"+tau.String(), func(r *T) Ratio { return r.Converged[i].Ratio })...)
	}
	cols = append(cols,
		col("backlog", func(r *T) string { return optInt(r.Backlog.Count) }),
		col("backlog_oldest_age_ns", func(r *T) string { return optInt(r.Backlog.OldestAgeNS) }),
		col("silent_replicas", func(r *T) string { return names(r.Backlog.Silent) }),
		col("unconfirmed", func(r *T) string { return integer(r.Backlog.Unconfirmed) }),
	)
	cols = append(cols, ratioColumns("conflicts", func(r *T) Ratio { return r.Conflicts })...)
	cols = append(cols, col("last_heard", func(r *T) string { return optStamp(r.LastHeard) }))
	return tabulate(f.Features, cols...)
}

// Table has a row for each replica.
func (f *FeatureReport) Table() (header []string, rows [][]string) {
	type T = ReplicaState
	return tabulate(f.Replicas,
		col("replica", func(r *T) string { return r.Replica }),
		col("region", func(r *T) string { return r.Region }),
		col("expected", func(r *T) string { return strconv.FormatBool(r.Expected) }),
		col("last_heard", func(r *T) string { return optStamp(r.LastHeard) }),
		col("silent", func(r *T) string { return strconv.FormatBool(r.Silent) }),
	)
}

// Table has a row for each line and point.
func (l *Lag) Table() (header []string, rows [][]string) {
	type T struct {
		key string
		LagPoint
	}
	list := []T{}
	for i := range l.Series {
		for _, p := range l.Series[i].Points {
			list = append(list, T{l.Series[i].Key, p})
		}
	}
	cols := []column[T]{
		col("start", func(r *T) string { return stamp(r.Start) }),
		col("key", func(r *T) string { return r.key }),
	}
	cols = append(cols, quantileColumns("", func(r *T) *Quantiles { return &r.Quantiles })...)
	cols = append(cols,
		col("writes", func(r *T) string { return integer(r.Writes) }),
		col("pending", func(r *T) string { return integer(r.Pending) }),
	)
	return tabulate(list, cols...)
}

// Table has a row for each column of the map and band of lags that has a count.
func (h *Heatmap) Table() (header []string, rows [][]string) {
	type T struct {
		start int64
		HeatRow
		n int64
	}
	list := []T{}
	for i := range h.Columns {
		for j, n := range h.Columns[i].Counts {
			if n != 0 {
				list = append(list, T{h.Columns[i].Start, h.Rows[j], n})
			}
		}
	}
	return tabulate(list,
		col("start", func(r *T) string { return stamp(r.start) }),
		col("low_ns", func(r *T) string { return integer(r.LowNS) }),
		col("high_ns", func(r *T) string { return integer(r.HighNS) }),
		col("writes", func(r *T) string { return integer(r.n) }),
	)
}

// Table has a row for each group and point of its curve.
func (c *Convergence) Table() (header []string, rows [][]string) {
	type T struct {
		key string
		CurvePoint
	}
	list := []T{}
	for i := range c.Groups {
		for _, p := range c.Groups[i].Curve.Points {
			list = append(list, T{c.Groups[i].Key, p})
		}
	}
	return tabulate(list,
		col("key", func(r *T) string { return r.key }),
		col("t_ns", func(r *T) string { return integer(r.TNS) }),
		col("share", func(r *T) string { return decimal(r.Share) }),
		col("low", func(r *T) string { return decimal(r.Low) }),
		col("high", func(r *T) string { return decimal(r.High) }),
	)
}

// Table has a row for each edge.
func (h *Hops) Table() (header []string, rows [][]string) {
	type T = Hop
	cols := []column[T]{
		col("from_stage", func(r *T) string { return r.FromStage }),
		col("from_place", func(r *T) string { return r.FromPlace }),
		col("to_stage", func(r *T) string { return r.ToStage }),
		col("to_place", func(r *T) string { return r.ToPlace }),
	}
	cols = append(cols, quantileColumns("", func(r *T) *Quantiles { return &r.Quantiles })...)
	cols = append(cols,
		col("mean_ns", func(r *T) string { return optInt(r.MeanNS) }),
		col("share", func(r *T) string { return optFloat(r.Share) }),
		col("negative_share", func(r *T) string { return optFloat(r.NegativeShare) }),
	)
	return tabulate(h.Edges, cols...)
}

// Table has a row for each rule.
func (c *ConflictSummary) Table() (header []string, rows [][]string) {
	type T = RuleConflict
	cols := []column[T]{col("rule", func(r *T) string { return r.Rule })}
	cols = append(cols, ratioColumns("rate", func(r *T) Ratio { return r.Rate })...)
	cols = append(cols,
		col("open", func(r *T) string { return integer(r.Open) }),
		col("auto", func(r *T) string { return integer(r.Auto) }),
		col("manual", func(r *T) string { return integer(r.Manual) }),
	)
	cols = append(cols, quantileColumns("resolution_", func(r *T) *Quantiles { return &r.Resolution })...)
	return tabulate(c.Rules, cols...)
}

// Table has a row for each event of each sibling.
func (c *ConflictDetail) Table() (header []string, rows [][]string) {
	type T struct {
		*Sibling
		SiblingEvent
	}
	list := []T{}
	for i := range c.Siblings {
		for _, e := range c.Siblings[i].Events {
			list = append(list, T{&c.Siblings[i], e})
		}
	}
	return tabulate(list,
		col("write_id", func(r *T) string { return r.WriteID }),
		col("winner", func(r *T) string { return strconv.FormatBool(r.Winner) }),
		col("at", func(r *T) string { return stamp(r.At) }),
		col("kind", func(r *T) string { return r.Kind }),
		col("service", func(r *T) string { return r.SiblingEvent.Service }),
		col("replica", func(r *T) string { return r.Replica }),
		col("actor", func(r *T) string { return r.Actor }),
		col("version", func(r *T) string { return r.Version }),
		col("event_id", func(r *T) string { return r.EventID }),
	)
}

// Table has a row for each guarantee and group.
func (v *Violations) Table() (header []string, rows [][]string) {
	type T = GuaranteeCheck
	cols := []column[T]{
		col("guarantee", func(r *T) string { return string(r.Guarantee) }),
		col("key", func(r *T) string { return r.Key }),
	}
	cols = append(cols, ratioColumns("rate", func(r *T) Ratio { return r.Rate })...)
	cols = append(cols, ratioColumns("coverage", func(r *T) Ratio { return r.Coverage })...)
	cols = append(cols,
		col("older", func(r *T) string { return integer(r.Older) }),
		col("concurrent", func(r *T) string { return integer(r.Conc) }),
		col("violated", func(r *T) string { return integer(r.Violated) }),
		col("overdue", func(r *T) string { return integer(r.Overdue) }),
		col("pending", func(r *T) string { return integer(r.Pending) }),
		col("unverifiable", func(r *T) string { return integer(r.Unverifiable) }),
	)
	return tabulate(v.Guarantees, cols...)
}

// Table has a row for each group.
func (s *Staleness) Table() (header []string, rows [][]string) {
	type T = StalenessGroup
	cols := []column[T]{
		col("key", func(r *T) string { return r.Key }),
		col("reads", func(r *T) string { return integer(r.Reads) }),
	}
	cols = append(cols, ratioColumns("fresh", func(r *T) Ratio { return r.Fresh })...)
	cols = append(cols,
		col("k_p50", func(r *T) string { return optInt(r.K.P50) }),
		col("k_p95", func(r *T) string { return optInt(r.K.P95) }),
		col("k_p99", func(r *T) string { return optInt(r.K.P99) }),
	)
	cols = append(cols, quantileColumns("t_", func(r *T) *Quantiles { return &r.Time })...)
	return tabulate(s.Groups, cols...)
}

// Table has a row for each replica.
func (b *Backlog) Table() (header []string, rows [][]string) {
	type T = ReplicaBacklog
	return tabulate(b.Replicas,
		col("replica", func(r *T) string { return r.Replica }),
		col("state", func(r *T) string { return r.State }),
		col("count", func(r *T) string { return optInt(r.Count) }),
		col("oldest_age_ns", func(r *T) string { return optInt(r.OldestAgeNS) }),
		col("eta_ns", func(r *T) string { return optInt(r.ETANS) }),
		col("unconfirmed", func(r *T) string { return integer(r.Unconfirmed) }),
		col("arrival_per_s", func(r *T) string { return decimal(r.Arrival) }),
		col("satisfied_per_s", func(r *T) string { return decimal(r.Satisfied) }),
		col("last_heard", func(r *T) string { return optStamp(r.LastHeard) }),
	)
}

// Table has a row for each edge.
func (t *Topology) Table() (header []string, rows [][]string) {
	type T = TopologyEdge
	cols := []column[T]{
		col("from", func(r *T) string { return r.From }),
		col("to", func(r *T) string { return r.To }),
	}
	cols = append(cols, quantileColumns("", func(r *T) *Quantiles { return &r.Quantiles })...)
	cols = append(cols,
		col("per_second", func(r *T) string { return optFloat(r.PerSecond) }),
		col("negative_share", func(r *T) string { return optFloat(r.NegativeShare) }),
		col("unknown", func(r *T) string { return strconv.FormatBool(r.Unknown) }),
	)
	return tabulate(t.Edges, cols...)
}

// Table has a row for each key that differs and each replica.
func (p *Phi) Table() (header []string, rows [][]string) {
	header = []string{"key", "replica", "version"}
	rows = [][]string{}
	for i := range p.Differ {
		d := &p.Differ[i]
		for _, name := range p.Replicas {
			version := ""
			if v := d.Versions[name]; v != nil {
				version = *v
			}
			rows = append(rows, []string{d.Key, name, version})
		}
	}
	return header, rows
}

// Table has a row for each step.
func (a *Attainment) Table() (header []string, rows [][]string) {
	type T = AttainmentPoint
	cols := []column[T]{col("start", func(r *T) string { return stamp(r.Start) })}
	cols = append(cols, ratioColumns("good", func(r *T) Ratio { return r.Good })...)
	cols = append(cols, col("estimated", func(r *T) string { return integer(r.Estimated) }))
	return tabulate(a.Points, cols...)
}

// Table has a row for each write.
func (w *Writes) Table() (header []string, rows [][]string) {
	type T = WriteRow
	return tabulate(w.Writes,
		col("write_id", func(r *T) string { return r.WriteID }),
		col("feature", func(r *T) string { return r.Feature }),
		col("key", func(r *T) string { return r.Key }),
		col("replica", func(r *T) string { return r.Replica }),
		col("initiated", func(r *T) string { return optStamp(r.Initiated) }),
		col("minute", func(r *T) string { return optStamp(r.Minute) }),
		col("lag_ns", func(r *T) string { return optInt(r.LagNS) }),
		col("age_ns", func(r *T) string { return optInt(r.AgeNS) }),
		col("pending", func(r *T) string { return strconv.FormatBool(r.Pending) }),
		col("missing", func(r *T) string { return names(r.Missing) }),
	)
}
