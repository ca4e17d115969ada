package rollup

import (
	"slices"
	"sort"

	"github.com/zeebo/xxh3"

	"tidemark/metrics"
)

// feature is what the fold knows of one feature.
type feature struct {
	name     string
	seed     uint64 // of its name
	replicas map[string]uint16
	repNames []string
	repIDs   []uint32 // the replicas' names among the engine's
	names    *names
	clocks   clockNames
	configs  []config // by from, ascending
	dims     map[dimKey]*dims
	lastDims *dims
	lastKey  dimKey
	resolved int // how many dims and repSeries are kept
	sources  int // that were heard

	// evictedMax is the latest time of anything that was put down. An event at a
	// later time cannot change the outcome of a converged write that was put down.
	evictedMax int64
	latest     int64 // time of anything folded; after a restart it is all put down
	stateBased bool  // some config has a state-based replica
	hasReads   bool

	open *write // resident writes that some expected replica has not satisfied
}

// list notes whether a write is open.
func (f *feature) list(w *write, open bool) {
	switch {
	case open == w.listed:
		return
	case open:
		if w.openNext = f.open; f.open != nil {
			f.open.openPrev = w
		}
		f.open = w
	default:
		if w.openPrev != nil {
			w.openPrev.openNext = w.openNext
		} else {
			f.open = w.openNext
		}
		if w.openNext != nil {
			w.openNext.openPrev = w.openPrev
		}
		w.openNext, w.openPrev = nil, nil
	}
	w.listed = open
}

// config is a metrics.FeatureConfig by number.
type config struct {
	src        metrics.FeatureConfig
	expect     []uint16
	stateBased []bool // by replica
	visible    []bool // by replica: it reports visible
	thresholds []threshold
}

type threshold struct {
	scope   string
	replica uint16
	value   int64
}

func newFeature(name string, names *names) *feature {
	return &feature{
		name: name, seed: xxh3.HashString(name), names: names, replicas: map[string]uint16{}, dims: map[dimKey]*dims{},
		evictedMax: minTime, latest: minTime,
	}
}

// own is what tells a write or session of the feature from those of others with its id.
func (f *feature) own(ent metrics.Entity) uint64 { return uint64(ent) ^ f.seed }

// replica returns the number of a replica, from 0.
func (f *feature) replica(name string) uint16 {
	if i, ok := f.replicas[name]; ok {
		return i
	}
	i := uint16(len(f.repNames))
	name = cloneString(name)
	f.replicas[name] = i
	f.repNames = append(f.repNames, name)
	f.repIDs = append(f.repIDs, f.names.id(name))
	return i
}

// setConfigs replaces the history of configs.
func (f *feature) setConfigs(cs []metrics.FeatureConfig) {
	f.configs, f.stateBased = nil, false
	for _, c := range cs {
		n := config{src: c}
		for _, r := range c.Replicas {
			i := f.replica(r.Name)
			n.expect = append(n.expect, i)
			for int(i) >= len(n.stateBased) {
				n.stateBased = append(n.stateBased, false)
				n.visible = append(n.visible, false)
			}
			n.stateBased[i], n.visible[i] = r.Kind == metrics.StateBased, r.ReportsVisible
			f.stateBased = f.stateBased || n.stateBased[i]
		}
		slices.Sort(n.expect)
		n.expect = slices.Compact(n.expect)
		for _, t := range c.Thresholds {
			th := threshold{scope: t.Scope, value: t.Value}
			if t.Scope == metrics.ScopeReplica {
				th.replica = f.replica(t.Replica)
			}
			n.thresholds = append(n.thresholds, th)
		}
		f.configs = append(f.configs, n)
	}
	sort.SliceStable(f.configs, func(i, j int) bool { return f.configs[i].src.From < f.configs[j].src.From })
	for _, d := range f.dims {
		d.goods = nil
	}
}

// configAt returns the config in force at a time; nil when there is none.
func (f *feature) configAt(t int64) *config {
	for i := len(f.configs) - 1; i >= 0; i-- {
		if f.configs[i].src.From <= t {
			return &f.configs[i]
		}
	}
	return nil
}

func (c *config) reportsVisible(r uint16) bool {
	return c != nil && int(r) < len(c.visible) && c.visible[r]
}

func (c *config) isStateBased(r uint16) bool {
	return c != nil && int(r) < len(c.stateBased) && c.stateBased[r]
}

// dimKey is what the series of a write are told apart by.
type dimKey struct{ model, variant, mechanism, region, origin, publisher uint32 }

// dims holds the series of all writes with one dimKey, each resolved with its first sample.
type dims struct {
	base                      metrics.Series // Feature, Model, Variant, Mechanism
	region, origin, publisher string
	writes, all, first        *series
	commitHop, publishHop     *series // initiated→committed, …→published
	publishDirect             *series // initiated→published
	goods                     map[threshold]*series
	reps                      [][]*repSeries // by replica, then by region
}

// repSeries holds the series of one replica (in one region).
type repSeries struct {
	replica                  uint16
	region                   uint32
	visible, replays, failed *series
	policy                   *series
	hops                     [4][4]*series // from stage × to stage, see hopStages
	goods                    map[int64]*series
}

func (e *Engine) dimsOf(f *feature, k dimKey) *dims {
	if f.lastDims != nil && f.lastKey == k {
		return f.lastDims
	}
	d, ok := f.dims[k]
	if !ok {
		d = e.newDims(f, k)
		if e.keepResolved(f) {
			f.dims[k] = d
		}
	}
	f.lastDims, f.lastKey = d, k
	return d
}

// keepResolved reports whether there is room to keep what was resolved once. There are
// no more series than a feature may have, but what is made of them goes on: it is made
// again each time.
func (e *Engine) keepResolved(f *feature) bool {
	if f.resolved >= e.book.share {
		return false
	}
	f.resolved++
	return true
}

func (e *Engine) newDims(f *feature, k dimKey) *dims {
	text := e.names.text
	d := &dims{
		base: metrics.Series{
			Feature: f.name, Model: text[k.model], Variant: text[k.variant], Mechanism: text[k.mechanism],
		},
		region: text[k.region], origin: text[k.origin], publisher: text[k.publisher],
	}
	return d
}

// atOrigin returns a series of the origin's dimensions, which is kept in a slot of d.
func (e *Engine) atOrigin(d *dims, slot **series, m metrics.Metric) *series {
	if *slot == nil {
		k := d.base
		k.Metric, k.Region = m, d.region
		*slot = e.book.intern(k)
	}
	return *slot
}

// originHop does so for a hop at the origin.
func (e *Engine) originHop(d *dims, slot **series, from, to, toPlace string) *series {
	if *slot == nil {
		k := d.base
		k.Metric, k.Region = metrics.MetricHop, d.region
		k.FromStage, k.FromPlace, k.ToStage, k.ToPlace = from, d.origin, to, toPlace
		*slot = e.book.intern(k)
	}
	return *slot
}

// good returns the series of a threshold for the origin's dimensions.
func (e *Engine) good(d *dims, t threshold) *series {
	if s, ok := d.goods[t]; ok {
		return s
	}
	k := d.base
	k.Metric, k.Region, k.Scope, k.Param = metrics.MetricGood, d.region, t.scope, t.value
	s := e.book.intern(k)
	if d.goods == nil {
		d.goods = map[threshold]*series{}
	}
	d.goods[t] = s
	return s
}

// rep returns the series of a replica in a region.
func (e *Engine) rep(f *feature, d *dims, r uint16, region uint32) *repSeries {
	for int(r) >= len(d.reps) {
		d.reps = append(d.reps, nil)
	}
	for _, rs := range d.reps[r] {
		if rs.region == region {
			return rs
		}
	}
	rs := &repSeries{replica: r, region: region}
	if e.keepResolved(f) {
		d.reps[r] = append(d.reps[r], rs)
	}
	return rs
}

// atRep returns a series of a replica, which is kept in a slot of rs.
func (e *Engine) atRep(f *feature, d *dims, rs *repSeries, slot **series, m metrics.Metric) *series {
	if *slot == nil {
		k := d.base
		k.Metric, k.Replica, k.Region = m, f.repNames[rs.replica], e.names.text[rs.region]
		*slot = e.book.intern(k)
	}
	return *slot
}

// goodAt returns the series of a threshold for one replica.
func (e *Engine) goodAt(f *feature, d *dims, rs *repSeries, r uint16, value int64) *series {
	if s, ok := rs.goods[value]; ok {
		return s
	}
	k := d.base
	k.Metric, k.Scope, k.Param = metrics.MetricGood, metrics.ScopeReplica, value
	k.Replica, k.Region = f.repNames[r], e.names.text[rs.region]
	if rs.goods == nil {
		rs.goods = map[int64]*series{}
	}
	s := e.book.intern(k)
	rs.goods[value] = s
	return s
}

// Where a hop to a replica's stage may start, and the stages it may lead to.
const (
	fromOrigin    = iota // committed, else initiated
	fromPublished        //
	fromReceived
	fromApplied
)

var (
	hopFrom = [4]string{"committed", "published", "received", "applied"}
	hopTo   = [4]string{"", "received", "applied", "visible"}
)

// hop returns the series of an edge that ends at a replica. to is 1 for received,
// 2 for applied, 3 for visible.
func (e *Engine) hop(f *feature, d *dims, rs *repSeries, r uint16, from, to int, initiated bool) *series {
	slot := &rs.hops[from][to]
	if *slot != nil && !initiated {
		return *slot
	}
	k := d.base
	k.Metric, k.Replica, k.Region = metrics.MetricHop, f.repNames[r], e.names.text[rs.region]
	k.FromStage, k.ToStage, k.ToPlace = hopFrom[from], hopTo[to], f.repNames[r]
	switch {
	case from == fromOrigin && initiated:
		k.FromStage, k.FromPlace = "initiated", d.origin
		return e.book.intern(k)
	case from == fromOrigin:
		k.FromPlace = d.origin
	case from == fromPublished:
		k.FromPlace = d.publisher
	default:
		k.FromPlace = f.repNames[r]
	}
	*slot = e.book.intern(k)
	return *slot
}
