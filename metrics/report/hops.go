package report

import (
	"cmp"
	"context"
	"slices"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Hops says where the time goes: each edge that writes were seen to take, in the
// order of the route, and the slowest way to each place where routes end.
type Hops struct {
	Span
	Feature string    `json:"feature"`
	Edges   []Hop     `json:"edges"`
	Paths   []HopPath `json:"paths"` // slowest at p95 first
}

// Hop is one edge: from a stage at a service or replica to another.
type Hop struct {
	FromStage string `json:"from_stage"`
	FromPlace string `json:"from_place"`
	ToStage   string `json:"to_stage"`
	ToPlace   string `json:"to_place"`
	Quantiles
	MeanNS *int64 `json:"mean_ns"`
	// Share is the edge's p95 ÷ the sum of p95 along the slowest path that takes it.
	// Percentiles do not add up exactly; the sum is what the bars are drawn against.
	Share         *float64 `json:"share"`
	NegativeShare *float64 `json:"negative_share"`
	// StartNS is the sum of p95 before the edge on that path: where its bar begins.
	StartNS *int64 `json:"start_ns"`
}

// HopPath is the slowest chain of edges that ends at a place. Its times are the
// sums of its edges' percentiles.
type HopPath struct {
	Place string `json:"place"`
	P50   int64  `json:"p50_ns"`
	P95   int64  `json:"p95_ns"`
	P99   int64  `json:"p99_ns"`
	Edges []int  `json:"edges"` // indexes into Hops.Edges, in order
}

type hopKey struct{ fromStage, fromPlace, toStage, toPlace string }

func (k hopKey) compare(o hopKey) int {
	return cmp.Or(
		cmp.Compare(stageRank(k.fromStage), stageRank(o.fromStage)),
		cmp.Compare(stageRank(k.toStage), stageRank(o.toStage)),
		cmp.Compare(k.fromPlace, o.fromPlace), cmp.Compare(k.toPlace, o.toPlace),
		cmp.Compare(k.fromStage, o.fromStage), cmp.Compare(k.toStage, o.toStage),
	)
}

// stageRank orders stage names as a write passes them; unknown ones come last.
func stageRank(stage string) metrics.Kind {
	if k, ok := metrics.ParseKind(stage); ok {
		return k
	}
	return metrics.KindHeartbeat + 1
}

func (r *Reporter) readHops(ctx context.Context, q Query) (*Hops, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	acc := map[hopKey]*sketch.Cell{}
	match := p.match()
	match.Replica = "" // an edge before the replica belongs to its path too
	err = r.cells(ctx, []segment{{p.level, p.from, p.to}}, match, []metrics.Metric{metrics.MetricHop},
		func(s *metrics.Series, _ window, c *sketch.Cell) error {
			k := hopKey{s.FromStage, s.FromPlace, s.ToStage, s.ToPlace}
			if acc[k] == nil {
				acc[k] = &sketch.Cell{}
			}
			acc[k].Merge(c)
			return nil
		})
	if err != nil {
		return nil, err
	}
	out := &Hops{Span: p.span(), Feature: p.Feature, Edges: hopEdges(acc)}
	out.Paths = hopPaths(out.Edges)
	if p.Replica != "" {
		out.only(p.Replica)
	}
	out.shares()
	return out, nil
}

func hopEdges(acc map[hopKey]*sketch.Cell) []Hop {
	keys := make([]hopKey, 0, len(acc))
	for k, c := range acc {
		if c.Measured() > 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, hopKey.compare)
	out := make([]Hop, len(keys))
	for i, k := range keys {
		c := acc[k]
		h := Hop{FromStage: k.fromStage, FromPlace: k.fromPlace, ToStage: k.toStage, ToPlace: k.toPlace, Quantiles: quantiles(c)}
		h.MeanNS = new(c.Sum / c.Measured())
		h.NegativeShare = NewRatio(c.Neg, c.Measured()).Value
		out[i] = h
	}
	return out
}

type hopNode struct{ stage, place string }

// hopPaths finds, for each place where a chain ends, the slowest chain at p95. The
// edges are in order of stage, so each edge's beginning is settled before it; an
// edge that does not go forward is in no path.
func hopPaths(edges []Hop) []HopPath {
	best := map[hopNode]int64{} // slowest time to reach
	via := map[hopNode]int{}    // by which edge
	leaves := map[hopNode]bool{}
	for i := range edges {
		e := &edges[i]
		from, to := hopNode{e.FromStage, e.FromPlace}, hopNode{e.ToStage, e.ToPlace}
		if stageRank(e.FromStage) >= stageRank(e.ToStage) {
			continue
		}
		t := best[from] + deref(e.P95)
		if _, ok := via[to]; !ok || t > best[to] {
			best[to], via[to] = t, i
		}
		leaves[from] = false
		if _, ok := leaves[to]; !ok {
			leaves[to] = true
		}
	}
	out := []HopPath{}
	for node, leaf := range leaves {
		if leaf {
			out = append(out, hopPath(edges, via, node))
		}
	}
	slices.SortFunc(out, func(a, b HopPath) int { return cmp.Or(cmp.Compare(b.P95, a.P95), cmp.Compare(a.Place, b.Place)) })
	return out
}

func hopPath(edges []Hop, via map[hopNode]int, end hopNode) HopPath {
	p := HopPath{Place: end.place}
	for node := end; ; {
		i, ok := via[node]
		if !ok {
			break
		}
		e := &edges[i]
		p.Edges = append(p.Edges, i)
		p.P50, p.P95, p.P99 = p.P50+deref(e.P50), p.P95+deref(e.P95), p.P99+deref(e.P99)
		node = hopNode{e.FromStage, e.FromPlace}
	}
	slices.Reverse(p.Edges)
	return p
}

// only keeps the paths that end at a place, and their edges.
func (h *Hops) only(place string) {
	h.Paths = slices.DeleteFunc(h.Paths, func(p HopPath) bool { return p.Place != place })
	moved := map[int]int{}
	kept := []Hop{}
	for i := range h.Edges {
		if slices.ContainsFunc(h.Paths, func(p HopPath) bool { return slices.Contains(p.Edges, i) }) {
			moved[i] = len(kept)
			kept = append(kept, h.Edges[i])
		}
	}
	h.Edges = kept
	for i := range h.Paths {
		for j, e := range h.Paths[i].Edges {
			h.Paths[i].Edges[j] = moved[e]
		}
	}
}

// shares sets each edge's share and start from the slowest path that takes it.
func (h *Hops) shares() {
	for _, p := range h.Paths {
		var at int64
		for _, i := range p.Edges {
			e := &h.Edges[i]
			if e.Share == nil && p.P95 > 0 {
				e.Share, e.StartNS = new(float64(deref(e.P95))/float64(p.P95)), new(at)
			}
			at += deref(e.P95)
		}
	}
}

func deref(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}
