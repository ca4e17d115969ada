package rollup

import (
	"iter"

	"tidemark/metrics"
)

// table finds items by entity. It is a hash table with open addressing and linear
// probing (Knuth, TAOCP 3, section 6.4, algorithms L and R): entities are hashes
// already, and an entity beside its pointer costs one miss of the cache, where a map
// costs two or three. The zero value is empty.
type table[T any] struct {
	slots []tableSlot[T] // a power of two of them, at most three quarters in use
	n     int
}

type tableSlot[T any] struct {
	ent  metrics.Entity
	item *T // nil in a free slot
}

const tableMin = 16

// slot is where an entity is, or the free slot where it would go.
func (t *table[T]) slot(ent metrics.Entity) int {
	mask := len(t.slots) - 1
	i := int(ent) & mask
	for t.slots[i].item != nil && t.slots[i].ent != ent {
		i = (i + 1) & mask
	}
	return i
}

// get returns the item of an entity, or nil.
func (t *table[T]) get(ent metrics.Entity) *T {
	if t.n == 0 {
		return nil
	}
	return t.slots[t.slot(ent)].item
}

// put sets the item of an entity; item is not nil.
func (t *table[T]) put(ent metrics.Entity, item *T) {
	if 4*t.n >= 3*len(t.slots) {
		t.grow()
	}
	i := t.slot(ent)
	if t.slots[i].item == nil {
		t.n++
	}
	t.slots[i] = tableSlot[T]{ent, item}
}

func (t *table[T]) grow() {
	old := t.slots
	t.slots = make([]tableSlot[T], max(tableMin, 2*len(old)))
	for _, s := range old {
		if s.item != nil {
			t.slots[t.slot(s.ent)] = s
		}
	}
}

// drop forgets an entity. What was placed behind it for want of a slot moves up, so
// that no search ends before it.
func (t *table[T]) drop(ent metrics.Entity) {
	if t.n == 0 {
		return
	}
	free := t.slot(ent)
	if t.slots[free].item == nil {
		return
	}
	mask := len(t.slots) - 1
	for i := (free + 1) & mask; t.slots[i].item != nil; i = (i + 1) & mask {
		home := int(t.slots[i].ent) & mask
		if (i-home)&mask >= (i-free)&mask {
			t.slots[free] = t.slots[i]
			free = i
		}
	}
	t.slots[free] = tableSlot[T]{}
	t.n--
}

// all yields every item. Items that are dropped meanwhile may move others out of
// sight; the caller looks again when that matters.
func (t *table[T]) all() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, s := range t.slots {
			if s.item != nil && !yield(s.item) {
				return
			}
		}
	}
}

// warm loads the slot of an entity into the cache and returns what is there, which
// may be another entity's.
func (t *table[T]) warm(ent metrics.Entity) *T {
	if len(t.slots) == 0 {
		return nil
	}
	return t.slots[int(ent)&(len(t.slots)-1)].item
}
