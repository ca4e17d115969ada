package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/metrics"
)

// Limits of a Query.
const (
	MaxRange  = 396 * 24 * time.Hour // 13 months
	MaxPoints = 720

	// maxListPoints bounds the points of all features in a list, where a step was asked for.
	maxListPoints = 120_000

	maxName      = 256 // bytes of any name in a query
	autoPoints   = 360
	sparkPoints  = 60
	heatColumns  = 96
	defaultRange = time.Hour
)

// The values of Query.By.
const (
	ByNone      = ""
	ByReplica   = "replica"
	ByModel     = "model"
	ByVariant   = "variant"
	ByRegion    = "region"
	ByMechanism = "mechanism"
)

// By lists what an answer can be split by.
func By() []string { return []string{ByReplica, ByModel, ByVariant, ByRegion, ByMechanism} }

// Query says what is asked about: a feature, a range of initiation times, filters,
// and a dimension to compare by. The zero To is now, the zero From an hour before
// To; the zero Step is chosen from the range.
type Query struct {
	Feature   string
	From, To  time.Time
	Step      time.Duration
	Replica   string
	Model     string
	Variant   string
	Region    string
	Mechanism string
	By        string
}

// plan is a validated Query, aligned to the windows of one level.
type plan struct {
	Query
	level    metrics.Level
	step     int64 // s, a multiple of level
	from, to int64 // Unix s: from is aligned to step, to to level
	now      int64 // Unix ns
	points   int
}

// Validate checks everything about q that does not depend on the store. The error
// is a *QueryError.
func (q Query) Validate() error {
	names := []struct{ field, value string }{
		{"feature", q.Feature},
		{"replica", q.Replica},
		{"model", q.Model},
		{"variant", q.Variant},
		{"region", q.Region},
		{"mechanism", q.Mechanism},
	}
	for _, n := range names {
		if len(n.value) > maxName {
			return &QueryError{n.field, fmt.Sprintf("is %d bytes long; at most %d are allowed", len(n.value), maxName)}
		}
	}
	if q.By != ByNone && !slices.Contains(By(), q.By) {
		return &QueryError{"by", fmt.Sprintf("%q is not known; allowed: %s", q.By, strings.Join(By(), ", "))}
	}
	if q.Step < 0 {
		return &QueryError{"step", "is negative; 0 chooses one, else at least 10s"}
	}
	return nil
}

func needFeature(q Query) error {
	if q.Feature == "" {
		return &QueryError{"feature", "is required"}
	}
	return nil
}

// plan validates q and chooses a level and a step of at most points points.
func (r *Reporter) plan(q Query, points int) (*plan, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	now := r.now()
	if q.To.IsZero() {
		q.To = now
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-defaultRange)
	}
	span := q.To.Sub(q.From)
	switch {
	case span <= 0:
		return nil, &QueryError{"from", "is not before to"}
	case span > MaxRange:
		return nil, &QueryError{"from", fmt.Sprintf("the range is %s; at most %s (13 months) is allowed", span, MaxRange)}
	case q.From.Unix() < 0:
		return nil, &QueryError{"from", "is before 1970"}
	case q.Step > 0 && span > MaxPoints*q.Step:
		return nil, &QueryError{"step", fmt.Sprintf("gives more than %d points; use at least %s for this range", MaxPoints, (span/MaxPoints + time.Second).Truncate(time.Second))}
	}
	p := &plan{Query: q, now: now.UnixNano(), level: r.level(span, now.Sub(q.From))}
	p.step = stepFor(p.level, span, q.Step, points)
	p.align(now)
	return p, nil
}

// level is the finest level that is fit for a range and still kept at its age.
func (r *Reporter) level(span, age time.Duration) metrics.Level {
	l := metrics.Level1h
	switch {
	case span <= time.Hour:
		l = metrics.Level10s
	case span <= 24*time.Hour:
		l = metrics.Level1m
	}
	for l != metrics.Level1h && !r.keeps(l, age) {
		l = coarser(l)
	}
	return l
}

func (r *Reporter) keeps(l metrics.Level, age time.Duration) bool {
	d := r.kept[l]
	return d == 0 || age <= d
}

func coarser(l metrics.Level) metrics.Level {
	if l == metrics.Level10s {
		return metrics.Level1m
	}
	return metrics.Level1h
}

// stepFor is the wanted step, or the least that gives at most points points,
// rounded up to whole windows.
func stepFor(l metrics.Level, span, want time.Duration, points int) int64 {
	step := int64(want / time.Second)
	if want == 0 {
		step = int64(span/time.Second) / int64(points)
		if int64(span/time.Second)%int64(points) != 0 {
			step++
		}
	}
	w := int64(l)
	return max(w, (step+w-1)/w*w)
}

func (p *plan) align(now time.Time) {
	p.from = p.From.Unix() / p.step * p.step
	to := p.To
	if to.After(now) {
		to = now
	}
	w := int64(p.level)
	// A window that To falls into belongs to the range: it holds To's last writes.
	p.to = (to.Unix() + w) / w * w
	if to.Nanosecond() == 0 && to.Unix()%w == 0 {
		p.to = to.Unix()
	}
	if p.to > p.from {
		p.points = int((p.to - p.from + p.step - 1) / p.step)
	}
}

func (p *plan) span() Span {
	return Span{
		From: p.from * int64(time.Second), To: p.to * int64(time.Second), StepNS: p.step * int64(time.Second),
		WindowNS: int64(p.level.Duration()), Now: p.now,
	}
}

// match is the part of a series that the filters fix.
func (p *plan) match() metrics.Series {
	return metrics.Series{
		Feature: p.Feature, Replica: p.Replica, Model: p.Model, Variant: p.Variant,
		Region: p.Region, Mechanism: p.Mechanism,
	}
}

// visibility is the metric that answers for time to visibility under the filters:
// one replica's when one is named or compared, else everywhere.
func (p *plan) visibility() metrics.Metric {
	if p.Replica != "" || p.By == ByReplica {
		return metrics.MetricVisible
	}
	return metrics.MetricVisibleAll
}

// group is the value of the compared dimension.
func group(by string, s *metrics.Series) string {
	switch by {
	case ByReplica:
		return s.Replica
	case ByModel:
		return s.Model
	case ByVariant:
		return s.Variant
	case ByRegion:
		return s.Region
	case ByMechanism:
		return s.Mechanism
	}
	return ""
}

// index is the point that a window belongs to.
func (p *plan) index(start int64) int { return int((start - p.from) / p.step) }

// start is the start of a point in Unix ns.
func (p *plan) start(i int) int64 { return (p.from + int64(i)*p.step) * int64(time.Second) }

// partial reports whether a point's time is not over yet.
func (p *plan) partial(i int) bool { return p.start(i)+p.step*int64(time.Second) > p.now }
