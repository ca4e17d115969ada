package provenance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tidemark/metrics"
)

// collected is what was read for a story.
type collected struct {
	id, feature, key string
	now              int64
	events           []metrics.Event // of the write, in the total order
	ofKey            []metrics.Event // of its key, in the total order
	config           metrics.FeatureConfig
	truncated        bool
	held             bool     // an event of it is in quarantine
	others           []string // features that use the same id, sorted
	// gap is the time (Unix ns) after which events of the key were not read, up to the
	// latest ones; 0 when there is no such gap.
	gap int64
	// visible holds the replicas that report visibility: there applied is not taken
	// for visible.
	visible map[string]bool
}

func (t *Teller) collect(ctx context.Context, feature, id string) (*collected, error) {
	held := t.r.HeldWrites(id) // Before the log is read, where what goes on is.
	found, more, err := t.r.Find(ctx, metrics.FindQuery{
		Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(id), Limit: maxEvents, Earliest: true,
	})
	if err != nil {
		return nil, fmt.Errorf("find write %q: %w", id, err)
	}
	c := &collected{id: id, feature: feature, now: t.now().UnixNano()}
	found = slices.DeleteFunc(found, func(e metrics.Event) bool { return e.WriteID != id })
	if len(found) > 0 {
		// Unless a feature is asked for, a write belongs to the one whose event of it arrived
		// first; what another, which others may report about, says of its id is none of its
		// story.
		c.feature = cmp.Or(feature, found[0].Feature)
	}
	if c.others = otherFeatures(found, c.feature); more && len(c.others) > 0 { // They may have taken its places.
		var rest metrics.Unread
		if found, rest, err = metrics.FindWrite(ctx, t.r, c.feature, id, maxEvents); err != nil {
			return nil, err
		}
		more = rest.More
	}
	c.truncated = more
	_, c.held = metrics.HeldOf(held, c.feature)
	c.events = distinct(found, func(e *metrics.Event) bool { return e.Feature == c.feature })
	if len(c.events) == 0 {
		return nil, fmt.Errorf("write %q: %w", id, ErrNotFound)
	}
	metrics.OriginFirst(c.events, func(e *metrics.Event) { c.key = cmp.Or(c.key, e.Key) })
	at := c.now
	if begun := c.begun(); begun != nil {
		at = *begun
	}
	c.config, _ = t.r.Config(c.feature, at)
	if err := t.collectKey(ctx, c); err != nil {
		return nil, err
	}
	return c, t.collectVisible(ctx, c)
}

// otherFeatures lists the features beside one that events are about.
func otherFeatures(events []metrics.Event, but string) []string {
	out := []string{}
	for i := range events {
		if f := events[i].Feature; f != but && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// collectVisible finds which replicas report visibility. The events at hand mostly
// say so; where a replica is only known to apply, what was seen of the whole feature
// decides.
func (t *Teller) collectVisible(ctx context.Context, c *collected) error {
	c.visible = map[string]bool{}
	applied := false
	for _, list := range [][]metrics.Event{c.events, c.ofKey} {
		for i := range list {
			if e := &list[i]; e.Kind == metrics.KindVisible {
				c.visible[place(e)] = true
			}
		}
	}
	for i := range c.events {
		e := &c.events[i]
		applied = applied || e.Kind == metrics.KindApplied && !c.visible[place(e)]
	}
	if !applied {
		return nil
	}
	series, err := t.r.ListSeries(ctx, c.feature)
	if err != nil {
		return fmt.Errorf("list series of %q: %w", c.feature, err)
	}
	for i := range series {
		if s := &series[i]; s.Metric == metrics.MetricHop && s.ToStage == metrics.KindVisible.String() {
			c.visible[s.ToPlace] = true
		}
	}
	return nil
}

// How long before the first event of a write arrived an event of a later version may
// have: reporters send in batches. It is not before the write began, as far as clocks
// agree.
const (
	early     = 30 * time.Second
	clockRoom = 5 * time.Second
)

// since is when the first event that may follow the write was observed.
func (c *collected) since() int64 {
	observed := c.observed()
	since := observed - int64(early)
	if begun := c.begun(); begun != nil {
		since = max(since, *begun-int64(clockRoom))
	}
	return min(since, observed)
}

// collectKey reads the events of the write's key that follow it: later versions may
// satisfy it. What is read is bounded, however busy the key is: the first that may
// follow, and where they leave open whether a replica was satisfied, the latest.
func (t *Teller) collectKey(ctx context.Context, c *collected) error {
	if c.key == "" {
		c.ofKey = c.events
		return nil
	}
	key := metrics.KeyEntity(c.feature, c.key)
	found, more, err := t.following(ctx, c, c.feature, metrics.EntityKey, key)
	if err != nil {
		return fmt.Errorf("find key %q of %q: %w", c.key, c.feature, err)
	}
	c.keep(found)
	if !more || !c.undecided() {
		return nil
	}
	gap := found[len(found)-1].ObservedAt
	latest, _, err := t.r.Find(ctx, metrics.FindQuery{Kind: metrics.EntityKey, Entity: key, Since: gap, Limit: maxLatest})
	if err != nil {
		return fmt.Errorf("find the latest of key %q of %q: %w", c.key, c.feature, err)
	}
	c.gap = gap
	c.keep(append(c.ofKey, latest...))
	return nil
}

// keep takes events of the key.
func (c *collected) keep(events []metrics.Event) {
	c.ofKey = distinct(events, func(e *metrics.Event) bool { return e.Feature == c.feature && e.Key == c.key })
}

// following reads the first events of an entity that may follow the write. When there
// are many from before its first event arrived, those after it are read as well.
func (t *Teller) following(ctx context.Context, c *collected, feature string, kind metrics.EntityKind, e metrics.Entity) (found []metrics.Event, more bool, err error) {
	q := metrics.FindQuery{Kind: kind, Entity: e, Feature: feature, Since: c.since(), Limit: maxFollowing, Earliest: true}
	found, more, err = t.r.Find(ctx, q)
	if q.Since = c.observed(); err != nil || !more || found[len(found)-1].ObservedAt >= q.Since {
		return found, more, err
	}
	after, more, err := t.r.Find(ctx, q)
	return append(found, after...), more, err
}

// undecided reports whether a later version may have satisfied the write at a replica
// where nothing that was read did.
func (c *collected) undecided() bool {
	for _, replica := range c.expected() {
		if c.stateBased(replica) {
			if at, _ := c.satisfied(replica); at == nil {
				return true
			}
		}
	}
	return false
}

// observed is when the first event of the write arrived.
func (c *collected) observed() int64 {
	first := c.events[0].ObservedAt
	for i := range c.events {
		first = min(first, c.events[i].ObservedAt)
	}
	return first
}

// distinct keeps the wanted events, each event id once, in the total order.
func distinct(events []metrics.Event, want func(*metrics.Event) bool) []metrics.Event {
	kept := slices.DeleteFunc(events, func(e metrics.Event) bool { return !want(&e) })
	metrics.SortEvents(kept)
	return slices.CompactFunc(kept, func(a, b metrics.Event) bool { return a.EventID != "" && a.EventID == b.EventID && a.Kind == b.Kind })
}

// first is the corrected time of the earliest event of a kind; nil when none.
func (c *collected) first(kind metrics.Kind) *int64 {
	for i := range c.events {
		if c.events[i].Kind == kind {
			at := c.events[i].Corrected()
			return &at
		}
	}
	return nil
}

// begun is when the user acted: initiated, else the earliest stage at the origin.
func (c *collected) begun() *int64 {
	return cmp.Or(c.first(metrics.KindInitiated), c.first(metrics.KindCommitted), c.first(metrics.KindPublished))
}

// version is the least version said, as in the fold, by the origin if it says one.
func (c *collected) version() (v metrics.Version) {
	metrics.OriginFirst(c.events, func(e *metrics.Event) {
		if e.Kind.IsStage() && v.IsZero() {
			v = e.Version
		}
	})
	return v
}

// expected is the union of what events expect, else the feature's route.
func (c *collected) expected() []string {
	out := []string{}
	for i := range c.events {
		out = append(out, c.events[i].Expect...)
	}
	if len(out) == 0 {
		for _, rr := range c.config.Replicas {
			out = append(out, rr.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *collected) stateBased(replica string) bool {
	for _, rr := range c.config.Replicas {
		if rr.Name == replica {
			return rr.Kind == metrics.StateBased
		}
	}
	return false
}

// place is where an event happened: its replica, else the service that reported it.
func place(e *metrics.Event) string { return cmp.Or(e.Replica, e.Service) }

// satisfied finds when the write was satisfied at a replica, and by which other write
// when it was not itself. At is nil when it is not.
func (c *collected) satisfied(replica string) (at *int64, by *Superseded) {
	kind := metrics.KindApplied
	if c.visible[replica] {
		kind = metrics.KindVisible
	}
	at = arrival(c.events, kind, replica)
	own := c.version()
	if !c.stateBased(replica) || !own.Kind.TotalOrder() {
		return at, nil
	}
	for i := range c.ofKey {
		e := &c.ofKey[i]
		if e.WriteID == "" || e.WriteID == c.id || e.Kind != kind || place(e) != replica {
			continue
		}
		t := e.Corrected()
		if at != nil && *at <= t { // in order of time: nothing earlier follows
			break
		}
		if v := c.versionOf(e); metrics.Compare(own, v) == metrics.Before {
			return &t, &Superseded{WriteID: e.WriteID, Version: v.String(), At: t, AtMost: c.gap != 0 && e.ObservedAt > c.gap}
		}
	}
	return at, nil
}

// versionOf is the version of the write that an event of the key belongs to: the
// event's own, or what another event of that write said.
func (c *collected) versionOf(e *metrics.Event) metrics.Version {
	if !e.Version.IsZero() {
		return e.Version
	}
	for i := range c.ofKey {
		if o := &c.ofKey[i]; o.WriteID == e.WriteID && !o.Version.IsZero() && o.Kind.IsStage() {
			return o.Version
		}
	}
	return metrics.Version{}
}

func arrival(events []metrics.Event, kind metrics.Kind, replica string) *int64 {
	for i := range events {
		if e := &events[i]; e.Kind == kind && place(e) == replica {
			at := e.Corrected()
			return &at
		}
	}
	return nil
}
