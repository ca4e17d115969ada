package rollup

import (
	"slices"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// series is an interned metrics.Series with what was added to it since the last
// checkpoint.
type series struct {
	metrics.Series
	cells []cellAt
	index map[int64]int // by start, once cells are many
}

type cellAt struct {
	start int64
	cell  *sketch.Cell
}

// manyCells is when looking a window up by a map beats walking the slice.
const manyCells = 12

// at returns the pending cell of a window.
func (s *series) at(start int64) *sketch.Cell {
	if s.index != nil {
		if i, ok := s.index[start]; ok {
			return s.cells[i].cell
		}
	} else {
		for _, c := range slices.Backward(s.cells) {
			if c.start == start {
				return c.cell
			}
		}
	}
	c := &sketch.Cell{}
	s.cells = append(s.cells, cellAt{start, c})
	switch {
	case s.index != nil:
		s.index[start] = len(s.cells) - 1
	case len(s.cells) > manyCells:
		s.index = make(map[int64]int, 2*len(s.cells))
		for i := range s.cells {
			s.index[s.cells[i].start] = i
		}
	}
	return c
}

// book interns series and knows which were touched since the last checkpoint. A series is
// interned with its first sample, so that a restart knows the same ones.
type book struct {
	byKey   map[metrics.Series]*series
	of      map[string]int // how many each feature has
	touched []*series
	limit   int   // of all
	share   int   // of one feature
	dropped int64 // samples not counted because the limit of series was reached
	pending int   // cells since the last checkpoint
}

func newBook(limit, share int) *book {
	return &book{byKey: map[metrics.Series]*series{}, of: map[string]int{}, limit: limit, share: min(share, limit)}
}

// intern returns the series, or nil when there are too many.
func (b *book) intern(k metrics.Series) *series {
	s, ok := b.byKey[k]
	if !ok {
		if len(b.byKey) >= b.limit || b.of[k.Feature] >= b.share {
			return nil
		}
		s = b.know(k)
	}
	return s
}

// know takes a series in, however many there are.
func (b *book) know(k metrics.Series) *series {
	s := &series{Series: k}
	b.byKey[k] = s
	b.of[k.Feature]++
	return s
}

// load takes in the series that are stored: what was counted goes on, and what was
// refused is not let in by a restart.
func (b *book) load(stored []metrics.Series) {
	for _, k := range stored {
		b.know(k)
	}
}

// cell returns the pending cell of a series in a window; nil for a nil series.
func (b *book) cell(s *series, start int64) *sketch.Cell {
	if s == nil {
		b.dropped++
		return nil
	}
	if len(s.cells) == 0 {
		b.touched = append(b.touched, s)
	}
	n := len(s.cells)
	c := s.at(start)
	b.pending += len(s.cells) - n
	return c
}

// count adds sign to the denominator and hits to the numerator.
func (b *book) count(s *series, start, n, hits int64) {
	if c := b.cell(s, start); c != nil {
		c.N += n
		c.Hits += hits
	}
}

// sample counts one measured value, which came true.
func (b *book) sample(s *series, start, value, sign int64) {
	if c := b.cell(s, start); c != nil {
		c.N += sign
		c.Hits += sign
		c.Observe(value, sign)
	}
}

// take returns everything pending and starts anew.
func (b *book) take() map[metrics.CellKey]*sketch.Cell {
	deltas := make(map[metrics.CellKey]*sketch.Cell, 2*len(b.touched))
	for _, s := range b.touched {
		for _, c := range s.cells {
			if !c.cell.IsZero() {
				deltas[metrics.CellKey{Series: &s.Series, Start: c.start}] = c.cell
			}
		}
		s.cells, s.index = nil, nil
	}
	b.touched, b.pending = b.touched[:0], 0
	return deltas
}
