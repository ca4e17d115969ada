package rollup

import (
	"context"
	"errors"
)

// touchWrite must be called before a write changes: it takes away what the write,
// and the sessions that depend on it, add to the series.
func (e *Engine) touchWrite(w *write) {
	if w.dirty {
		return
	}
	w.dirty = true
	e.dirtyWrites = append(e.dirtyWrites, w)
	if w.session != nil {
		e.touchSession(w.session)
	}
	for _, r := range w.readers {
		if r.session != nil {
			e.touchSession(r.session)
		}
	}
	if w.counted && !e.silent {
		e.contribute(w, -1)
	}
	w.counted = false
}

func (e *Engine) touchSession(s *sessionState) {
	if s.dirty {
		return
	}
	s.dirty = true
	e.dirtySessions = append(e.dirtySessions, s)
	if s.counted && !e.silent {
		e.uncountSession(s)
	}
	s.counted = false
}

func (e *Engine) touchRead(r *read) {
	if r.session != nil {
		e.touchSession(r.session)
	}
	if r.dirty {
		return
	}
	r.dirty = true
	e.dirtyReads = append(e.dirtyReads, r)
	if r.counted && !e.silent {
		e.contributeRead(r, -1)
	}
	r.counted = false
}

// settleDirty adds what every touched state now amounts to.
func (e *Engine) settleDirty(ctx context.Context) error {
	e.linkPostponed()
	for i := 0; i < len(e.dirtyReads); i++ {
		r := e.dirtyReads[i]
		if r.key != nil && !r.key.covers(r) && !e.silent {
			if err := e.recallKey(ctx, r.key); err != nil && !errors.Is(err, errSkip) {
				return err
			}
		}
	}
	e.settleNow()
	err := e.err
	e.err = nil
	return err
}

func (e *Engine) settleNow() {
	e.linkPostponed()
	e.settlePostponed()
	for _, w := range e.dirtyWrites {
		w.dirty = false
		if !e.silent {
			e.contribute(w, +1)
			e.noteExemplars(w)
			e.noteRow(w)
		}
		w.counted = true
		e.weigh(&w.weight, w.bytes())
		w.f.list(w, w.open())
		e.noteYoung(w)
	}
	for _, s := range e.dirtySessions {
		s.dirty = false
		if e.silent {
			e.judgeSession(s)
		} else {
			e.countSession(s)
		}
		s.counted = true
	}
	e.withStale(func() {
		for _, r := range e.dirtyReads {
			r.dirty = false
			e.weigh(&r.weight, r.bytes())
			if r.key != nil && e.silent {
				r.countedAs = e.stalenessOf(r)
			}
			if !e.silent {
				e.contributeRead(r, +1)
			}
			r.counted = true
		}
	})
	for _, c := range e.dirtyConflicts {
		c.dirty = false
		if !e.silent {
			e.contributeConflict(c, +1)
		}
	}
	e.dirtyWrites, e.dirtySessions = e.dirtyWrites[:0], e.dirtySessions[:0]
	e.dirtyReads, e.dirtyConflicts = e.dirtyReads[:0], e.dirtyConflicts[:0]
	e.settled++
}
