package rollup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tidemark/metrics"
)

// labelsBlob names the rules by which the hops in the cells were judged. They are
// stored with those cells: what was counted by a rule is taken back by the same one,
// though another came into force while the server was down.
const labelsBlob = "labels"

func (e *Engine) cutLabels(cp *metrics.Checkpoint) {
	if !e.labelsFresh {
		return
	}
	b, err := json.Marshal(e.vocabulary.Rules())
	if err != nil {
		e.note(fmt.Errorf("encode the rules of labels: %w", err))
		return
	}
	cp.Blobs[labelsBlob], e.labelsFresh = b, false
}

// loadLabels reads what cutLabels wrote. A store without it was counted by the rules
// that the caller knows.
func (e *Engine) loadLabels(ctx context.Context) error {
	b, err := e.store.Blob(ctx, labelsBlob)
	switch {
	case errors.Is(err, metrics.ErrNotFound):
		e.labelsFresh = true
		return nil
	case err != nil:
		return fmt.Errorf("load the rules of labels: %w", err)
	}
	var rules []metrics.LabelRule
	if err := json.Unmarshal(b, &rules); err != nil {
		return fmt.Errorf("load the rules of labels: %w: %w", metrics.ErrDamaged, err)
	}
	e.vocabulary = metrics.NewVocabulary(rules)
	return nil
}

// SetLabels replaces the rules by which hops of labelled writes are judged. A rule holds
// from its own time on, which is before this call: whatever was counted since then is
// judged anew, also what is no longer in memory, so that the cells are what a rebuild
// would make. On an error before anything was judged, the rules stay as they were.
func (e *Engine) SetLabels(ctx context.Context, rules []metrics.LabelRule) error {
	next := metrics.NewVocabulary(rules)
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.vocabulary
	from, changed := old.ChangedFrom(next)
	if !changed {
		return nil
	}
	e.base, e.ctx = e.pos, ctx
	away, err := e.hopsAway(ctx, from)
	if err != nil {
		return fmt.Errorf("judge hops anew: %w", err)
	}
	e.vocabulary, e.labelsFresh = next, true
	for w := range e.writes.all() {
		for ; w != nil; w = w.next {
			e.rejudge(w, old)
		}
	}
	return e.rejudgeAway(ctx, away, old)
}

// rejudge counts the hops of a write by the rules now in force instead of old ones. It
// changes nothing when no hop is at or after the change.
func (e *Engine) rejudge(w *write, old *metrics.Vocabulary) {
	if len(w.labels) > 0 {
		e.contributePolicy(w, old, -1)
		e.contributePolicy(w, e.vocabulary, +1)
	}
}

// hopsAway lists the writes that are not in memory and may have a hop at or after a
// time. Such a hop was observed at most MaxFuture before, which says where in the log
// to begin.
func (e *Engine) hopsAway(ctx context.Context, from int64) (map[metrics.WriteName]struct{}, error) {
	late := map[string]bool{} // features with such a write
	for name, f := range e.features {
		if f.evictedMax >= from {
			late[name] = true
		}
	}
	if len(late) == 0 || e.pos == 0 {
		return nil, nil
	}
	begin, err := e.observedFrom(ctx, from-int64(metrics.MaxFuture)-int64(time.Minute))
	if err != nil {
		return nil, err
	}
	away := map[metrics.WriteName]struct{}{}
	err = e.store.Scan(ctx, begin, func(first metrics.Position, events []metrics.Event) error {
		for i := range events {
			ev := &events[i]
			if first+metrics.Position(i) >= e.pos {
				return errScanned
			}
			if ev.Corrected() < from || ev.Kind.AtOrigin() || ev.Kind == metrics.KindFailed || !ofWrite(ev) || !late[ev.Feature] {
				continue
			}
			if e.lookupWrite(metrics.WriteEntity(ev.WriteID), e.feature(ev.Feature), ev.WriteID) == nil {
				away[metrics.WriteName{Feature: cloneString(ev.Feature), ID: cloneString(ev.WriteID)}] = struct{}{}
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errScanned) {
		return nil, err
	}
	return away, nil
}

// errScanned ends a scan of the log early.
var errScanned = errors.New("scanned enough")

// observedFrom finds by bisection from where in the log events were observed at or
// after a time.
func (e *Engine) observedFrom(ctx context.Context, at int64) (metrics.Position, error) {
	low, high := e.store.Begin(), e.pos
	for low < high {
		mid := low + (high-low)/2
		found, before := mid, false
		err := e.store.Scan(ctx, mid, func(first metrics.Position, events []metrics.Event) error {
			found, before = first, events[0].ObservedAt < at // Retention may have passed mid.
			return errScanned
		})
		if err != nil && !errors.Is(err, errScanned) {
			return 0, err
		}
		if before {
			low = found + 1
		} else {
			high = mid
		}
	}
	return low, nil
}

// rejudgeAway reads writes back and judges their hops anew, each once, however often
// another brings it along.
func (e *Engine) rejudgeAway(ctx context.Context, away map[metrics.WriteName]struct{}, old *metrics.Vocabulary) error {
	share := e.reload.share
	e.reload.share = 1
	defer func() { e.reload.share = share }()
	var err error
	for name := range away {
		if err = e.recallJudged(ctx, name, away, old); err != nil {
			break
		}
		delete(away, name)
		e.settleNow()
		e.evict()
	}
	e.settleNow()
	e.evict()
	err, e.err = errors.Join(err, e.err), nil
	if err != nil {
		return fmt.Errorf("judge hops anew: %d writes stay as they were judged until a rebuild: %w", len(away), err)
	}
	return nil
}

// recallJudged reads one write back. Whatever comes back with it and awaits its turn is
// judged at once, before anything else can touch it.
func (e *Engine) recallJudged(ctx context.Context, name metrics.WriteName, away map[metrics.WriteName]struct{}, old *metrics.Vocabulary) error {
	e.beginLoad()
	defer e.endLoad()
	ent, f := metrics.WriteEntity(name.ID), e.feature(name.Feature)
	if e.lookupWrite(ent, f, name.ID) == nil {
		if err := e.recallWrite(ctx, f, ent); err != nil {
			return err
		}
	}
	for _, w := range e.loaded.writes {
		n := w.name()
		if _, ok := away[n]; ok {
			e.rejudge(w, old)
			delete(away, n)
		}
	}
	return nil
}
