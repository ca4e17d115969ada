package report

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// segment is a run of windows of one level: From ≤ start < To, Unix seconds.
type segment struct {
	level    metrics.Level
	from, to int64
}

// segments covers the plan's range: windows of its level, and of 10 s for what
// began within tail of now, because there the age of a pending write matters.
func (r *Reporter) segments(p *plan, tail time.Duration) []segment {
	main := segment{p.level, p.from, p.to}
	w := int64(p.level)
	nowS := p.now / int64(time.Second)
	edge := (nowS - int64(tail/time.Second)) / w * w
	if p.level == metrics.Level10s || edge >= p.to {
		return []segment{main}
	}
	edge = max(edge, p.from)
	if !r.keeps(metrics.Level10s, time.Duration(nowS-edge)*time.Second) {
		return []segment{main}
	}
	fine := segment{metrics.Level10s, edge, min(p.to, nowS/10*10+10)}
	if edge == p.from {
		return []segment{fine}
	}
	main.to = edge
	return []segment{main, fine}
}

// window is where a cell stands: its start and width in ns.
type window struct {
	start int64 // Unix s
	width int64 // s
}

// endNS is when the window's last write may have begun.
func (w window) endNS() int64 { return (w.start + w.width) * int64(time.Second) }

// age is how old a write of the window is at now: of a write in its middle, since
// a cell does not say more. The middle of a window that is not over is that of its
// elapsed part.
func (w window) age(now int64) int64 {
	begin := w.start * int64(time.Second)
	end := min(w.endNS(), now)
	return max(0, now-(begin+end)/2)
}

type cellFn func(s *metrics.Series, w window, c *sketch.Cell) error

// cells reads the segments one after another.
func (r *Reporter) cells(ctx context.Context, segs []segment, match metrics.Series, names []metrics.Metric, fn cellFn) error {
	for _, g := range segs {
		if g.to <= g.from {
			continue
		}
		q := metrics.CellQuery{
			Level: g.level, From: g.from, To: g.to, Metrics: names, Match: match,
			AllFeatures: match.Feature == "",
		}
		err := r.r.Cells(ctx, q, func(s *metrics.Series, start int64, c *sketch.Cell) error {
			return fn(s, window{start, int64(g.level)}, c)
		})
		if err != nil {
			return fmt.Errorf("read cells of %q at %s: %w", match.Feature, g.level.Duration(), err)
		}
	}
	return nil
}

// quantiles sums up a cell.
func quantiles(c *sketch.Cell) Quantiles {
	return Quantiles{
		P50: quantile(c, 0.50), P95: quantile(c, 0.95), P99: quantile(c, 0.99),
		Count: c.Measured() - c.Neg, Negative: c.Neg,
	}
}

func quantile(c *sketch.Cell, q float64) *int64 {
	v, ok := c.Quantile(q)
	if !ok {
		return nil
	}
	n := int64(math.Round(v))
	return &n
}

// pending is how many of a cell's N have not come true.
func pending(c *sketch.Cell) int64 { return max(0, c.N-c.Hits) }

// groups keeps one value a key, in order of the key when listed.
type groups[T any] map[string]*T

func (g groups[T]) at(key string) *T {
	v, ok := g[key]
	if !ok {
		v = new(T)
		g[key] = v
	}
	return v
}

func (g groups[T]) keys() []string {
	keys := make([]string, 0, len(g))
	for k := range g {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
