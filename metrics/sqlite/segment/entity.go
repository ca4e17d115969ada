package segment

import (
	"slices"

	"tidemark/metrics"
)

// Entities lists the distinct entities of a segment, each kind sorted.
type Entities struct{ Writes, Keys, Sessions []metrics.Entity }

// Of returns the entities of one kind.
func (e *Entities) Of(k metrics.EntityKind) []metrics.Entity {
	switch k {
	case metrics.EntityWrite:
		return e.Writes
	case metrics.EntityKey:
		return e.Keys
	}
	return e.Sessions
}

// Has reports whether an entity is listed.
func (e *Entities) Has(k metrics.EntityKind, want metrics.Entity) bool {
	_, ok := slices.BinarySearch(e.Of(k), want)
	return ok
}

// ids is what the entities of a segment are worked out from.
type ids struct {
	writes, sessions, features, keys []string // distinct values
	feature, key                     []uint32 // numbers a row, 0 = empty
}

func (d *ids) entities() Entities {
	var e Entities
	for _, s := range d.writes {
		e.Writes = append(e.Writes, metrics.WriteEntity(s))
	}
	for _, s := range d.sessions {
		e.Sessions = append(e.Sessions, metrics.SessionEntity(s))
	}
	last := make([]uint32, len(d.keys)+1) // the feature that a key was last seen with, +1
	for i, k := range d.key {
		f := d.feature[i]
		if k == 0 || last[k] == f+1 {
			continue
		}
		last[k] = f + 1
		feature := ""
		if f > 0 {
			feature = d.features[f-1]
		}
		e.Keys = append(e.Keys, metrics.KeyEntity(feature, d.keys[k-1]))
	}
	for _, l := range []*[]metrics.Entity{&e.Writes, &e.Keys, &e.Sessions} {
		slices.Sort(*l)
		*l = slices.Clip(slices.Compact(*l))
	}
	return e
}

// Entities lists the entities of the events that were encoded last.
func (e *Encoder) Entities() Entities {
	col := &e.columns
	d := ids{
		writes: col[colWriteID].dict.values, sessions: col[colSession].dict.values,
		features: col[colFeature].dict.values, keys: col[colKey].dict.values,
		feature: col[colFeature].codes, key: col[colKey].codes,
	}
	return d.entities()
}
