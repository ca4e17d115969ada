package part

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// Graph is what was observed of services and replicas, and the ways between them.
type Graph struct {
	Label string
	Nodes []Node
	Edges []Edge
	None  Empty
}

// Node is a service or a replica.
type Node struct {
	ID     string
	Name   string
	Note   string // "eu-west · silent for 4 min"
	Title  string // on hover
	Kind   string // service or replica
	Silent bool
}

// Edge is the traffic from one node to another.
type Edge struct {
	From, To string
	Lag      string  // "1.5 s"
	Title    string  // on hover
	Tone     string  // "", Warn, Bad, Neutral
	Weight   float64 // writes a second, for the width
}

const (
	nodeW, nodeH = 176.0, 50.0
	layerGap     = 150.0
	nodeGap      = 30.0
	graphPad     = 12.0
)

// layout is a Graph with a place for everything: layers from left to right, the
// order in a layer chosen so that few edges cross.
type layout struct {
	Graph
	nodes         []placed
	edges         []routed
	width, height float64
}

type placed struct {
	Node
	layer int
	x, y  float64
}

type routed struct {
	Edge
	path, head string
	width      float64
	lx, ly, lw float64 // where the lag stands
}

func (p placed) corner() string {
	if p.Kind == "replica" {
		return "25"
	}
	return "8"
}

func (g Graph) layout() *layout {
	g = g.connected()
	l := &layout{Graph: g}
	layers := arrange(g)
	tallest := 0
	for _, layer := range layers {
		tallest = max(tallest, len(layer))
	}
	l.width = 2*graphPad + float64(len(layers))*nodeW + float64(max(0, len(layers)-1))*layerGap
	l.height = 2*graphPad + float64(tallest)*nodeH + float64(max(0, tallest-1))*nodeGap
	at := map[string]placed{}
	for i, layer := range layers {
		used := float64(len(layer))*nodeH + float64(len(layer)-1)*nodeGap
		top := (l.height - used) / 2
		for j, n := range layer {
			at[n.ID] = placed{Node: n, layer: i, x: graphPad + float64(i)*(nodeW+layerGap), y: top + float64(j)*(nodeH+nodeGap)}
		}
	}
	l.straighten(layers, at)
	for _, layer := range layers {
		for _, n := range layer {
			l.nodes = append(l.nodes, at[n.ID])
		}
	}
	l.route(at)
	return l
}

// straighten moves the nodes of layers that have room to the height of those that
// they lead to or come from.
func (l *layout) straighten(layers [][]Node, at map[string]placed) {
	tallest := 0
	for _, layer := range layers {
		tallest = max(tallest, len(layer))
	}
	for range 2 {
		for _, layer := range layers {
			if len(layer) == tallest {
				continue
			}
			want := make([]end, len(layer))
			for j, n := range layer {
				want[j].y = l.beside(n.ID, at)
			}
			spread(want, nodeH+nodeGap, graphPad, l.height-graphPad-nodeH)
			for j, n := range layer {
				p := at[n.ID]
				p.y = want[j].y
				at[n.ID] = p
			}
		}
	}
}

// beside is the mean height of a node's neighbours.
func (l *layout) beside(id string, at map[string]placed) float64 {
	sum, n := 0.0, 0.0
	for _, e := range l.Edges {
		other := ""
		switch id {
		case e.From:
			other = e.To
		case e.To:
			other = e.From
		}
		if p, ok := at[other]; ok && other != id {
			sum, n = sum+p.y, n+1
		}
	}
	if n == 0 {
		return at[id].y
	}
	return sum / n
}

// connected leaves out the nodes that no edge touches: they would only push the
// others apart.
func (g Graph) connected() Graph {
	touched := map[string]bool{}
	for _, e := range g.Edges {
		if e.From != e.To {
			touched[e.From], touched[e.To] = true, true
		}
	}
	nodes := make([]Node, 0, len(g.Nodes))
	for _, n := range g.Nodes {
		if touched[n.ID] {
			nodes = append(nodes, n)
		}
	}
	g.Nodes = nodes
	return g
}

// Apart lists the nodes that are not drawn because no edge touches them.
func (g Graph) Apart() []string {
	drawn := map[string]bool{}
	for _, n := range g.connected().Nodes {
		drawn[n.ID] = true
	}
	var out []string
	for _, n := range g.Nodes {
		if !drawn[n.ID] {
			out = append(out, n.Name)
		}
	}
	return out
}

// arrange puts each node one layer after the latest of those before it (cycles are
// cut where they close), then orders each layer by the mean place of its neighbours.
func arrange(g Graph) [][]Node {
	depth := depths(g)
	layers := [][]Node{}
	for _, n := range g.Nodes {
		d := depth[n.ID]
		for len(layers) <= d {
			layers = append(layers, nil)
		}
		layers[d] = append(layers[d], n)
	}
	layers = slices.DeleteFunc(layers, func(l []Node) bool { return len(l) == 0 })
	for range 4 {
		for i := 1; i < len(layers); i++ {
			settle(layers[i], layers[i-1], g.Edges)
		}
		for i := len(layers) - 2; i >= 0; i-- {
			settle(layers[i], layers[i+1], g.Edges)
		}
	}
	return layers
}

func depths(g Graph) map[string]int {
	next := map[string][]string{}
	for _, e := range g.Edges {
		if e.From != e.To {
			next[e.From] = append(next[e.From], e.To)
		}
	}
	back := backEdges(g.Nodes, next)
	depth := map[string]int{}
	for range g.Nodes {
		changed := false
		for _, n := range g.Nodes {
			for _, to := range next[n.ID] {
				if !back[[2]string{n.ID, to}] && depth[to] < depth[n.ID]+1 {
					depth[to], changed = depth[n.ID]+1, true
				}
			}
		}
		if !changed {
			break
		}
	}
	return depth
}

// backEdges finds the edges that close a cycle, by depth-first search.
func backEdges(nodes []Node, next map[string][]string) map[[2]string]bool {
	back := map[[2]string]bool{}
	state := map[string]int{} // 1 = on the way, 2 = done
	var visit func(id string)
	visit = func(id string) {
		state[id] = 1
		for _, to := range next[id] {
			switch state[to] {
			case 0:
				visit(to)
			case 1:
				back[[2]string{id, to}] = true
			}
		}
		state[id] = 2
	}
	// Nodes that nothing leads to are where paths begin; start with those.
	into := map[string]bool{}
	for _, tos := range next {
		for _, to := range tos {
			into[to] = true
		}
	}
	for _, first := range []bool{true, false} {
		for _, n := range nodes {
			if state[n.ID] == 0 && (!first || !into[n.ID]) {
				visit(n.ID)
			}
		}
	}
	return back
}

func settle(layer, beside []Node, edges []Edge) {
	place := map[string]int{}
	for i, n := range beside {
		place[n.ID] = i
	}
	mean := map[string]float64{}
	for i, n := range layer {
		sum, count := 0.0, 0.0
		for _, e := range edges {
			other := ""
			switch n.ID {
			case e.From:
				other = e.To
			case e.To:
				other = e.From
			}
			if j, ok := place[other]; ok {
				sum, count = sum+float64(j), count+1
			}
		}
		mean[n.ID] = float64(i)
		if count > 0 {
			mean[n.ID] = sum / count
		}
	}
	slices.SortStableFunc(layer, func(a, b Node) int { return cmp.Compare(mean[a.ID], mean[b.ID]) })
}

func (l *layout) route(at map[string]placed) {
	for _, e := range l.Edges {
		from, okFrom := at[e.From]
		to, okTo := at[e.To]
		if !okFrom || !okTo || e.From == e.To {
			continue
		}
		r := routed{Edge: e, width: 1.5 + min(3.5, math.Log10(1+e.Weight)*1.4)}
		r.lw = float64(utf8.RuneCountInString(e.Lag))*7 + 16
		if from.layer < to.layer {
			r.forward(from, to)
		} else {
			r.backward(from, to, l)
		}
		l.edges = append(l.edges, r)
	}
}

// forward is a curve from the right side of one node to the left of another. Lags
// stand nearer to the end, where fewer edges meet.
func (r *routed) forward(from, to placed) {
	x0, y0 := from.x+nodeW, from.y+nodeH/2
	x1, y1 := to.x-8, to.y+nodeH/2
	mid := layerGap * 0.5
	r.path = "M" + fixed(x0) + " " + fixed(y0) + "C" + fixed(x0+mid) + " " + fixed(y0) + " " + fixed(x1-mid) + " " + fixed(y1) + " " + fixed(x1) + " " + fixed(y1)
	r.head = arrow(x1+7, y1, 1)
	t := 0.62
	if math.Abs(y1-y0) < 1 && to.layer-from.layer == 1 {
		t = 0.5
	}
	r.lx = bezier(x0, x0+mid, x1-mid, x1, t)
	r.ly = bezier(y0, y0, y1, y1, t)
}

// backward goes round below, so that it is not taken for the way forward.
func (r *routed) backward(from, to placed, l *layout) {
	x0, y0 := from.x+nodeW/2, from.y+nodeH
	x1, y1 := to.x+nodeW/2, to.y+nodeH+8
	deep := max(y0, y1) + 26
	l.height = max(l.height, deep+graphPad)
	r.path = "M" + fixed(x0) + " " + fixed(y0) + "C" + fixed(x0) + " " + fixed(deep+14) + " " + fixed(x1) + " " + fixed(deep+14) + " " + fixed(x1) + " " + fixed(y1)
	r.head = "M" + fixed(x1-5) + " " + fixed(y1+1) + "L" + fixed(x1) + " " + fixed(y1-7) + "L" + fixed(x1+5) + " " + fixed(y1+1) + "Z"
	r.lx, r.ly = (x0+x1)/2, deep
}

func arrow(x, y, dir float64) string {
	return "M" + fixed(x) + " " + fixed(y) + "L" + fixed(x-8*dir) + " " + fixed(y-5) + "L" + fixed(x-8*dir) + " " + fixed(y+5) + "Z"
}

func bezier(a, b, c, d, t float64) float64 {
	u := 1 - t
	return u*u*u*a + 3*u*u*t*b + 3*u*t*t*c + t*t*t*d
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func timesOf(from, to time.Time) []tick {
	at, layout := timeTicks(from.UTC(), to.UTC(), 6)
	out := make([]tick, len(at))
	for i, t := range at {
		out[i] = tick{t, t.Format(layout)}
	}
	return out
}

func (h Heat) labels() []tick {
	at, layout := h.times()
	out := make([]tick, len(at))
	for i, t := range at {
		out[i] = tick{t, t.UTC().Format(layout)}
	}
	return out
}
