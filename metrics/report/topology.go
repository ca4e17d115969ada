package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Kinds of a topology node.
const (
	NodeService = "service"
	NodeReplica = "replica"
)

// Topology is the graph of places and the edges that writes took between them.
type Topology struct {
	Span
	Feature string         `json:"feature"` // "" = all features
	Nodes   []TopologyNode `json:"nodes"`   // in order of ID
	Edges   []TopologyEdge `json:"edges"`   // in order of From, To
}

// TopologyNode is a service or a replica.
type TopologyNode struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // service or replica
	Region    string    `json:"region,omitempty"`
	Features  []string  `json:"features"`
	LastHeard *int64    `json:"last_heard"` // Unix ns; nil = never
	Silent    bool      `json:"silent"`     // everything it says is unknown
	Events    int64     `json:"events"`     // ever
	Inside    Quantiles `json:"inside"`     // time between stages within it
}

// TopologyEdge is the traffic from one place to another.
type TopologyEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Quantiles
	PerSecond     *float64 `json:"per_second"`
	NegativeShare *float64 `json:"negative_share"`
	// Unknown is set when an end of the edge is silent: the numbers are of before.
	Unknown bool `json:"unknown"`
}

type topologyAcc struct {
	edges  map[[2]string]*sketch.Cell
	inside groups[sketch.Cell]
}

// Topology returns what was observed over q's range, of one feature or of all.
func (r *Reporter) Topology(ctx context.Context, q Query) (*Topology, error) {
	q.By = ByNone
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	h, err := r.heard(ctx, p.now)
	if err != nil {
		return nil, err
	}
	acc := topologyAcc{edges: map[[2]string]*sketch.Cell{}, inside: groups[sketch.Cell]{}}
	err = r.cells(ctx, []segment{{p.level, p.from, p.to}}, p.match(), []metrics.Metric{metrics.MetricHop},
		func(s *metrics.Series, _ window, c *sketch.Cell) error {
			acc.add(s, c)
			return nil
		})
	if err != nil {
		return nil, err
	}
	out := &Topology{Span: p.span(), Feature: p.Feature, Edges: []TopologyEdge{}}
	out.Nodes = r.topologyNodes(h, p.Feature, &acc)
	out.Edges = topologyEdges(p, &acc, out.Nodes)
	return out, nil
}

func (a *topologyAcc) add(s *metrics.Series, c *sketch.Cell) {
	if s.FromPlace == s.ToPlace {
		a.inside.at(s.FromPlace).Merge(c)
		return
	}
	a.inside.at(s.FromPlace)
	a.inside.at(s.ToPlace)
	k := [2]string{s.FromPlace, s.ToPlace}
	if a.edges[k] == nil {
		a.edges[k] = &sketch.Cell{}
	}
	a.edges[k].Merge(c)
}

type nodeAcc struct {
	TopologyNode
	silence int64
	in      map[string]bool
}

func (r *Reporter) topologyNodes(h *heard, feature string, acc *topologyAcc) []TopologyNode {
	nodes := groups[nodeAcc]{}
	names := r.r.Features()
	if feature != "" {
		names = []string{feature}
	}
	for _, f := range names {
		r.routeNodes(nodes, f, h.now)
	}
	for i := range h.list {
		if feature == "" || h.list[i].Feature == feature {
			heardNodes(nodes, &h.list[i])
		}
	}
	for _, id := range acc.inside.keys() {
		n := nodes.at(id)
		n.Inside = quantiles(acc.inside[id])
	}
	out := make([]TopologyNode, 0, len(nodes))
	for _, id := range nodes.keys() {
		n := nodes[id]
		n.ID, n.Kind, n.Features = id, cmp.Or(n.Kind, NodeService), sortedKeys(n.in)
		limit := cmp.Or(n.silence, int64(metrics.DefaultSilence))
		n.Silent = n.LastHeard == nil || h.now-*n.LastHeard > limit
		out = append(out, n.TopologyNode)
	}
	return out
}

// routeNodes adds the replicas that a feature expects, heard or not.
func (r *Reporter) routeNodes(nodes groups[nodeAcc], feature string, now int64) {
	config, _ := r.r.Config(feature, now)
	for _, rr := range config.Replicas {
		n := nodes.at(rr.Name)
		n.Kind = NodeReplica
		n.silence = max(n.silence, int64(rr.Silence))
		n.join(feature)
	}
}

func (n *nodeAcc) join(feature string) {
	if n.in == nil {
		n.in = map[string]bool{}
	}
	n.in[feature] = true
}

// heardNodes adds the replica of a source, and its service. A service that reports
// for a replica is a node of its own only when their names differ.
func heardNodes(nodes groups[nodeAcc], e *metrics.Heard) {
	if e.Replica != "" {
		n := nodes.at(e.Replica)
		n.Kind = NodeReplica
		n.hear(e)
	}
	if e.Service != "" && e.Service != e.Replica {
		nodes.at(e.Service).hear(e)
	}
}

func (n *nodeAcc) hear(e *metrics.Heard) {
	n.join(e.Feature)
	n.Events += e.Events
	n.Region = cmp.Or(n.Region, e.Region)
	if n.LastHeard == nil || e.Last > *n.LastHeard {
		n.LastHeard = new(e.Last)
	}
}

func topologyEdges(p *plan, acc *topologyAcc, nodes []TopologyNode) []TopologyEdge {
	silent := map[string]bool{}
	for i := range nodes {
		silent[nodes[i].ID] = nodes[i].Silent
	}
	out := []TopologyEdge{}
	for k, c := range acc.edges {
		n := c.Measured()
		if n <= 0 {
			continue
		}
		e := TopologyEdge{From: k[0], To: k[1], Quantiles: quantiles(c), Unknown: silent[k[0]] || silent[k[1]]}
		e.NegativeShare = NewRatio(c.Neg, n).Value
		if d := p.elapsed(); d > 0 {
			e.PerSecond = new(float64(n) / d.Seconds())
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b TopologyEdge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}

// elapsed is how much of the range is over.
func (p *plan) elapsed() time.Duration {
	return time.Duration(min(p.to*int64(time.Second), p.now) - p.from*int64(time.Second))
}
